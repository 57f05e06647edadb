"""Products that are added up: einsum and attention, exported, beside PyTorch."""

import pytest
import torch
import torch.nn.functional as F
from test_operators import Call, check

from filter_summary import ExportError, export


def ramp(*shape):
    return torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape)


EINSUMS = {
    "an axis of both is kept": ("nchw,chd->ncwd", (12, 8, 3)),
    "of two axes": ("nchw,cdw->nchd", (12, 2, 6)),
    "in another order": ("nchw,wch->nwc", (6, 12, 8)),
    "the constant first": ("ch,nchw->nwc", (12, 8)),
    "a product": ("nchw,c->nchw", (12,)),
    "an outer product": ("nchw,d->nchwd", (2,)),
    "what one alone has is added up": ("nchw,cd->nch", (12, 3)),
}


@pytest.mark.parametrize("name", EINSUMS)
def test_einsum_with_a_constant(name, tmp_path):
    equation, shape = EINSUMS[name]
    operands = (lambda x: (ramp(*shape), x)) if equation.startswith("ch,") else (lambda x: (x, ramp(*shape)))
    check(Call(lambda x: torch.einsum(equation, *operands(x))), tmp_path / "net.safetensors")


def test_einsum_of_vectors(tmp_path):
    check(Call(lambda x: torch.einsum("nch,ch->nc", x.mean(3), ramp(12, 8))), tmp_path / "net.safetensors")


def heads(x, count=2):
    return x.reshape(len(x), count, -1, 48).mT


MASK = torch.full((48, 48), -torch.inf).triu(1)
ATTENTION = {
    "a mask of numbers": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3, attn_mask=MASK),
    "a mask of truths": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3, attn_mask=MASK == 0),
    "causal": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3, is_causal=True),
    "fewer keys": lambda x: F.scaled_dot_product_attention(
        heads(x, 4), *[heads(x[:, :6])] * 2, enable_gqa=True),
    "one key for all": lambda x: F.scaled_dot_product_attention(
        heads(x, 4), *[heads(x[:, 3:6], 1)] * 2, enable_gqa=True),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTENTION)
def test_attention(name, tmp_path):
    check(Call(ATTENTION[name]), tmp_path / "net.safetensors")


REFUSED = {
    "give -1e30 for -inf": lambda x: (x.flatten(2)[:, :, :12] + MASK[:12, :12]).softmax(-1),
    "it drops values": lambda x: F.scaled_dot_product_attention(*[heads(x)] * 3, dropout_p=0.5),
    "36000000 products an image": lambda x: torch.einsum("nchw,cdwk->nchwdk", x, torch.ones(12, 250, 6, 250)),
    "not be the constant's": lambda x: torch.einsum("nchw,nc->nhw", x, torch.ones(2, 12)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused(why, tmp_path):
    with pytest.raises(ExportError, match=why):
        export(Call(REFUSED[why]), torch.randn(2, 3, 8, 6), tmp_path / "net.safetensors")
    assert not list(tmp_path.iterdir())
