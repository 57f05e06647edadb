"""Parameters of every architecture, against the FSNet authors' logs (SDL-ASU/FSNet, `logs/`) and torchvision."""

import pytest
import torch

from filter_summary.placement import Placement, Placements
from filter_summary.research import counts
from filter_summary.research.architectures import ArchitectureError, build
from filter_summary.research.network import Network


def network(arch: str, ratio: str, learned: bool = False) -> Network:
    return build(arch, "dense" if ratio == "1" else Placements.authors(ratio, learned))


@pytest.mark.parametrize(
    ("arch", "ratio", "count"),
    [
        ("resnet56-b", "1", 860_083), ("resnet56-b", "4", 221_935), ("resnet56-b", "1.1", 782_704),
        ("resnet56-b", "1.2", 718_271), ("resnet56-b", "1.3", 663_702), ("resnet110-b", "1", 1_739_113),
        ("resnet110-b", "4", 447_781), ("resnet164", "1", 1_729_440), ("resnet164", "4", 472_092),
        ("densenet100-12", "1", 1_246_597), ("densenet100-12", "4", 370_879), ("densenet100-24", "1", 4_827_037),
        ("densenet100-24", "4", 1_325_137),
    ],
)  # fmt: skip
def test_published_counts_of_cifar_networks(arch, ratio, count):
    """With the buffers of batch norm; ratio 1 is the dense network."""
    assert counts.state_count(network(arch, ratio)) == count


@pytest.mark.parametrize(("ratio", "learned", "state"), [("2", 13_856_136, 13_909_309), ("3.7", 8_467_813, 8_520_986)])
def test_published_counts_of_resnet_50(ratio, learned, state):
    """Both numbers of the logs, without and with buffers: they hold one position for each of 26,560 filters."""
    model = network("imagenet-resnet50", ratio, learned=True)
    assert (model.parameters_count(), counts.state_count(model)) == (learned, state)
    assert sum(m.location_logit.numel() for m in model.modules() if hasattr(m, "location_logit")) == 26_560


@pytest.mark.parametrize(
    ("arch", "count"),
    [
        ("resnet20", 269_722), ("imagenet-resnet18", 11_689_512), ("imagenet-resnet34", 21_797_672),
        ("imagenet-resnet50", 25_557_032), ("squeezenet1.0", 1_248_424),
    ],
)  # fmt: skip
def test_dense_counts(arch, count):
    """He et al.'s 0.27 M with parameter-free shortcuts, the authors' dense ResNet-50, torchvision's others."""
    assert network(arch, "1").parameters_count() == count


@pytest.mark.parametrize(
    ("placement", "count"), [("dense", 269_722), ("tap:2", 66_218), ("tap:1", 37_146), ("learned:tap:2", 66_890)]
)
def test_counts_of_other_placements(placement, count):
    """The first layer stays dense; learned positions add one value a filter, and no more: the summary is as long."""
    assert build("resnet20", placement).parameters_count() == count


def test_every_convolution_is_compressed_by_the_authors_rule():
    for arch in ("resnet20", "resnet164", "preresnet20", "densenet10-4", "squeezenet1.0"):
        model = network(arch, "4")
        kinds = {type(m).__name__ for m in model.modules() if "Conv" in type(m).__name__}
        assert kinds == {"FsConv2d"}, arch


def test_placements_of_pointwise_and_first_layers():
    choose = Placements.of("tap:2:0,4,8,1,5,6,2,3,7").choose
    assert choose(3, 3).kind == "tap"
    assert choose(1, 1).kind == choose(3, 3, first=True).kind == "dense"
    assert Placements.of("tap:1/4").choose(1, 1) == Placement.parse("tap:1/4")
    assert Placements.of("learned:tap:1/4:2,1,0").choose(1, 1) == Placement.parse("learned:tap:1/4")
    assert Placements.of("tensor:4").choose(1, 1) == Placement.parse("tensor:4")
    mixed = Placements(Placement.parse("tap:2"), Placement.parse("channel:4"), Placement.parse("tap:1"))
    assert (mixed.choose(1, 1).kind, str(mixed.choose(7, 7, True))) == ("channel", "tap:1")
    assert str(mixed) == "tap:2, pointwise channel:4, first tap:1"


@pytest.mark.parametrize(
    "arch",
    [
        "", "resnet", "resnet21", "resnet2", "resnet164-b", "resnet20-c", "preresnet21", "densenet100",
        "densenet99-12", "densenet100-0", "vgg",
    ],
)  # fmt: skip
def test_unknown_architectures(arch):
    with pytest.raises(ArchitectureError, match="is none of"):
        build(arch, "dense")


def test_effective_parameters():
    assert (counts.effective(100, False), counts.effective(100, True)) == (100, 27)
    model = network("resnet20", "4")
    summaries = sum(m.summary.numel() / 4 + 2 for m in model.modules() if hasattr(m, "summary"))
    norms = 2 * 16 * 7 + 2 * 32 * 6 + 2 * 64 * 6
    assert counts.quantized_state_count(model) == summaries + 2 * norms + 19 + 640 / 4 + 2 + 10 / 4 + 2


def test_counts_of_a_file():
    tensors = {
        "a.summary": torch.zeros(100, dtype=torch.uint8), "a.quantization": torch.zeros(2),
        "a.starts": torch.zeros(8, dtype=torch.int64),
        "b.summary": torch.zeros(30), "b.starts": torch.zeros(8), "b.bias": torch.zeros(8),
    }  # fmt: skip
    assert counts.file_counts(tensors) == (146, 27 + 46)
