"""Checkpoints: everything a training needs to go on, in one file that is never half written."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from ..conv import FsConv2d
from ..files import write_beside
from ..placement import Placement, Placements
from .architectures import build
from .network import Network


class CheckpointError(Exception):
    """A file that is not a checkpoint of this package, or of another training than the one asked for."""


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
    known = isinstance(state, dict) and {"model", "placement", "epoch"} <= state.keys()
    if not known or not {"arch", "depth"} & state.keys():
        raise CheckpointError(f"{path}: not a checkpoint of filter_summary.research")
    return state


def describe(arch: str, placements: Placements) -> dict[str, str | None]:
    """What a state says of its network; `network_of` reads it."""
    pointwise = placements.pointwise
    return {
        "arch": arch,
        "placement": str(placements.kernel),
        "pointwise": None if pointwise is None else str(pointwise),
        "first": str(placements.first),
    }


def network_of(state: dict) -> tuple[str, Placements]:
    """The architecture and the placements of a state; the oldest ones have a depth instead of an architecture."""
    pointwise = state.get("pointwise")
    placements = Placements(
        Placement.parse(state["placement"]),
        None if pointwise is None else Placement.parse(pointwise),
        Placement.parse(state.get("first", "dense")),
    )
    return state.get("arch") or f"resnet{state['depth']}", placements


def moved_starts(model: nn.Module) -> dict[str, torch.Tensor]:
    """The starts of every layer whose filters do not lie where its network's placement puts them (`FsConv2d.place`)."""
    own = {name: m for name, m in build(model.arch, model.placements).named_modules() if isinstance(m, FsConv2d)}
    moved = {name: m.layout.starts for name, m in model.named_modules() if isinstance(m, FsConv2d)}
    return {name: starts for name, starts in moved.items() if not torch.equal(starts, own[name].layout.starts)}


def load_state(model: nn.Module, state: dict) -> None:
    """Give `model` the weights of a state, and the starts of filters that were moved."""
    model.load_state_dict(state["model"])
    layers = dict(model.named_modules())
    for name, starts in state.get("starts", {}).items():
        layers[name].place(starts)


def load_model(path: Path) -> tuple[Network, dict]:
    """The network of a checkpoint, in eval mode, and the whole state."""
    state = read(path)
    model = build(*network_of(state))
    load_state(model, state)
    return model.eval(), state
