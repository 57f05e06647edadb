"""Checkpoints: everything a training needs to go on, in one file that is never half written."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from .placement import Placement
from .resnet import ResNet


class CheckpointError(Exception):
    """A file that is not a checkpoint of this package, or of another training than the one asked for."""


def write_beside(path: Path, write) -> None:
    """Call `write(temporary)` and rename the result to `path`, so that `path` is always a whole file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        beside.chmod(0o644)  # safetensors makes private files
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save(path: Path, state: dict) -> None:
    write_beside(path, lambda to: torch.save(state, to))


def read(path: Path) -> dict:
    """The state written by `save`; refuses anything else (and never runs pickled code)."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise CheckpointError(f"{path}: {error}") from error
    if not isinstance(state, dict) or not {"model", "placement", "depth", "epoch"} <= state.keys():
        raise CheckpointError(f"{path}: not a checkpoint of fsnet_train")
    return state


def load_model(path: Path) -> tuple[ResNet, dict]:
    """The network of a checkpoint, in eval mode, and the whole state."""
    state = read(path)
    model = ResNet(Placement.parse(state["placement"]), state["depth"])
    model.load_state_dict(state["model"])
    return model.eval(), state
