"""A few networks as ONNX models: imported by `fsnet`, equal to ONNX Runtime. More: peers/python/onnx_networks.py."""

import sys
from pathlib import Path

import pytest
from test_zoo import FSNET, TARGET

sys.path.insert(0, str(Path(__file__).parents[2] / "peers" / "python"))
for package in ("onnx", "onnxruntime", "torchvision"):
    pytest.importorskip(package)
if FSNET is None:
    pytest.skip(f"no fsnet in {TARGET}: cargo build -p filter-summary-cli", allow_module_level=True)

import onnx_networks  # noqa: E402
import public_files  # noqa: E402
from imported import compare, pictures, session_of  # noqa: E402

CLOSE = 1e-5
"""Of an output's largest value. The derived tolerance, which is asserted too, is far wider for deep networks."""


def agree(model, tmp_path, **keys):
    row = compare(model, tmp_path, FSNET, ["cpu"], **keys)
    assert row["devices"]["cpu"]["within"] and not row["devices"]["cpu"]["unbounded"]
    assert row["devices"]["cpu"]["off"] < CLOSE
    return row


@pytest.mark.parametrize("exporter", ["torchscript", "dynamo"])
@pytest.mark.parametrize("name", ["squeezenet1_0", "shufflenet_v2_x1_0", "unet"])
def test_exported(name, exporter, tmp_path):
    if exporter == "dynamo":
        pytest.importorskip("onnxscript")
    row = agree(onnx_networks.exported(name, exporter, tmp_path), tmp_path)
    assert row["outputs"] == 1 and row["operators"]["Conv"] > 5


@pytest.mark.parametrize("name", ["mnist-8", "resnet_2b", "ch_ppocr_mobile_v2.0_cls"])
def test_public(name, tmp_path):
    (file,) = (file for file in public_files.FILES if file.name == name)
    if not file.place(public_files.CACHE).exists():
        pytest.skip(f"no {file.place(public_files.CACHE)}: python3 peers/python/public_files.py fetches it")
    agree(file.fetch(), tmp_path, sizes=file.sizes, span=file.span)


def test_another_result_is_seen(tmp_path):
    """Else all of these would pass whatever was computed."""
    model = onnx_networks.exported("espcn", "torchscript", tmp_path)
    session = session_of(model)
    (feed,) = session.get_inputs()
    image = pictures(tuple(feed.shape), 0, 1)
    (right,) = session.run(None, {feed.name: image})
    right[0, 0, 3, 5] += 1e-3
    result = compare(model, tmp_path, FSNET, ["cpu"], image=image, expected=[right])["devices"]["cpu"]
    assert not result["within"] and result["off"] > CLOSE


def test_what_cannot_be_had_is_said(tmp_path, monkeypatch):
    (file, *_) = public_files.FILES

    def closed(*_):
        raise OSError("no route\nto host")

    monkeypatch.setattr(type(file.source), "read", closed)
    with pytest.raises(OSError, match=f"{file.source}, {file.path}: no route to host"):
        file.fetch(tmp_path)
    monkeypatch.setattr(type(file.source), "read", lambda *_: b"<html>")
    with pytest.raises(OSError, match="6 bytes of another SHA-256"):
        file.fetch(tmp_path)
    assert not list(tmp_path.iterdir())
