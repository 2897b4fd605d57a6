"""Whose block a cell is: a preset's or a model's, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from oneblock.bench.cells.cell import Weights
from oneblock.bench.format.errors import Refused
from oneblock.workloads.answers.checkpoint import check_layer, fingerprint
from oneblock.workloads.models import Config, preset, read_model

CHECKPOINTS = ("model.safetensors", "model.safetensors.index.json")


@dataclass(frozen=True)
class Subject:
    """A configuration, a layer's weights if they are not seeded, and the file that told the configuration."""

    config: Config
    weights: Weights | None
    model: str | None  # None: a preset did


def preset_subject(name: str, overrides: Mapping[str, str], weights: Path | None, layer: int) -> Subject:
    """A preset's block. Of a checkpoint beside a `config.json` that file counts: it must tell the same."""
    config = preset(name).with_overrides(dict(overrides))
    if weights is None:
        return Subject(config, None, None)
    beside = weights.parent / "config.json"
    if not beside.is_file():
        return Subject(config, _weights(weights, layer), None)
    told = read_model(beside).layer(layer)
    differing = [
        f"{field.name} is {Config.as_text(getattr(told, field.name))} and not "
        f"{Config.as_text(getattr(config, field.name))}"
        for field in fields(Config)
        if field.name not in ("name", "family") and getattr(told, field.name) != getattr(config, field.name)
    ]
    if differing:
        raise Refused(
            f"{beside} says of this checkpoint what --preset {name} does not: {'; '.join(differing)}. "
            f"--model {weights.parent} takes it as it is"
        )
    return Subject(config, _weights(weights, layer), str(beside))


def model_subject(path: Path, overrides: Mapping[str, str], weights: Path | None, layer: int) -> Subject:
    """A model's block, with its checkpoint's weights where there are any in its folder."""
    model = read_model(path)
    config = model.layer(layer).with_overrides(dict(overrides))
    if weights is None and path.is_dir():
        there = [path / name for name in CHECKPOINTS if (path / name).is_file()]
        if len(there) > 1:
            raise Refused(f"{path} has {' and '.join(CHECKPOINTS)}: say which with --weights")
        weights = there[0] if there else None
        if weights is None and (others := _others(path)):
            raise Refused(
                f"{path} has {', '.join(others)} and none of {', '.join(CHECKPOINTS)}: name the checkpoint with "
                f"--weights, or give {path / 'config.json'} alone for seeded weights"
            )
    if weights is not None:
        check_layer(config, weights, layer)
    # With other properties set it is no longer the file's, and a command that names the file would not say them.
    told = None if overrides else str(path)
    return Subject(config, None if weights is None else _weights(weights, layer), told)


def _others(folder: Path) -> list[str]:
    """Files of a folder that look like weights under another name."""
    names = sorted(
        one.name for one in folder.iterdir() if one.suffix in (".safetensors", ".bin", ".pt", ".pth", ".gguf")
    )
    return [ascii(name)[1:-1] for name in names[:4]]


def _weights(path: Path, layer: int) -> Weights:
    return Weights(str(path), layer, fingerprint(path, layer))
