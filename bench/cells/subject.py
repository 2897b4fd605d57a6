"""Whose block a cell is: a preset's or a model's, and where its weights come from."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from oneblock.bench.cells.cell import Weights
from oneblock.bench.cells.fetched import meant
from oneblock.bench.format.errors import Refused
from oneblock.workloads.answers.checkpoint import check_layer, fingerprint, negative_norms, stored_as
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import Config, Model, family, preset, preset_model, read_model, told_by

CHECKPOINTS = ("model.safetensors", "model.safetensors.index.json")
OWN = "consolidated.safetensors"  # in Mistral's own names
_MANY = 0.2  # of the norms' weights below zero: hardly any of a trained model's are, unless 1 is left out of them


@dataclass(frozen=True)
class Subject:
    """A configuration, a layer's weights if they are not seeded, and the model and the file that it is of."""

    config: Config
    weights: Weights | None
    model: str | None  # the file that told the configuration; None: a preset did
    whole: Model | None  # that the block is a layer of; None where nobody says


def preset_subject(name: str, overrides: Mapping[str, str], weights: Path | None, layer: int) -> Subject:
    """A preset's block. What a checkpoint tells of its model, by itself or in a file beside it, must be the same."""
    config, whole = preset(name).with_overrides(dict(overrides)), preset_model(name)
    whole = None if whole is None else whole.with_overrides(dict(overrides))
    if weights is None:
        return Subject(config, None, None, whole)
    beside = _told_beside(weights)
    if beside is None:
        return Subject(config, _weights(config, weights, layer), None, whole)
    whole = read_model(beside)
    _same(beside, whole.layer(layer), f"--preset {name}", config, weights)
    return Subject(config, _weights(config, weights, layer), str(beside), whole)


def _told_beside(weights: Path) -> Path | None:
    """The file that tells a checkpoint's model: itself, or one beside it; None where there is none."""
    beside = weights if weights.suffix == ".gguf" else told_by(weights.parent)
    return beside if beside.is_file() and (beside.suffix != ".gguf" or beside == weights) else None


def _same(beside: Path, told: Config, name: str, config: Config, weights: Path) -> None:
    """Refused where what is told of a checkpoint is not what was named to be its model."""
    differing = [
        f"{field.name} is {Config.as_text(getattr(told, field.name))} and not "
        f"{Config.as_text(getattr(config, field.name))}"
        for field in fields(Config)
        if field.name not in ("name", "family") and getattr(told, field.name) != getattr(config, field.name)
    ]
    if family(told.family).tensors != family(config.family).tensors:  # such as norms that are stored less 1
        differing.append(f"family is {told.family} and not {config.family}")
    if differing:
        raise Refused(
            f"{beside} says of this checkpoint what {name} does not: {'; '.join(differing)}. "
            f"--model {beside if beside == weights else weights.parent} takes it as it is"
        )


def model_subject(path: Path, overrides: Mapping[str, str], weights: Path | None, layer: int) -> Subject:
    """A model's block, with its checkpoint's weights where there are any in its folder, or in the file itself."""
    path = meant(path)
    model = read_model(path).with_overrides(dict(overrides))
    config = model.layer(layer)
    if weights is None:
        weights = checkpoint_of(path)
    if weights is not None:
        beside, own = _told_beside(weights), told_by(path)
        if beside is not None and beside.resolve() != own.resolve():
            _same(beside, read_model(beside).layer(layer), str(own), read_model(own).layer(layer), weights)
        check_layer(config, weights, layer)
    # With other properties set it is no longer the file's, and a command that names the file would not say them.
    told = None if overrides else str(path)
    return Subject(config, None if weights is None else _weights(config, weights, layer), told, model)


def checkpoint_of(path: Path) -> Path | None:
    """Where the weights of a model are; None where it has none, and Refused where that cannot be told."""
    if not path.is_dir():
        return path if path.suffix == ".gguf" else None
    there = [path / name for name in CHECKPOINTS if (path / name).is_file()]
    if len(there) > 1:
        raise Refused(f"{path} has {' and '.join(CHECKPOINTS)}: say which with --weights")
    packed = sorted(path.glob("*.gguf"))
    there += packed if len(packed) == 1 else []
    there += [path / OWN] if (path / OWN).is_file() else []  # which Mistral has beside the others
    if not there and (others := _others(path)):
        raise Refused(
            f"{path} has {', '.join(others)} and none of {', '.join(CHECKPOINTS)}: name the checkpoint with "
            f"--weights, or give {path / 'config.json'} alone for seeded weights"
        )
    return there[0] if there else None


def _others(folder: Path) -> list[str]:
    """Files of a folder that look like weights under another name."""
    names = sorted(
        one.name for one in folder.iterdir() if one.suffix in (".safetensors", ".bin", ".pt", ".pth", ".gguf")
    )
    return [ascii(name)[1:-1] for name in names[:4]]


def _weights(config: Config, path: Path, layer: int) -> Weights:
    stored = None
    with suppress(CheckpointError):  # which whoever reads the layer says, in its record
        stored = stored_as(config, path, layer)
    return Weights(str(path), layer, fingerprint(path, layer), stored)


def odd_norms(subject: Subject) -> str | None:
    """A remark on norm weights that look as if they were stored less 1, where their family takes them as they are."""
    config, weights = subject.config, subject.weights
    if weights is None or family(config.family).tensors.offset_norms:
        return None
    share = 0.0
    with suppress(CheckpointError):  # which whoever reads the layer says, in its record
        share = negative_norms(config, Path(weights.path), weights.layer)
    if share < _MANY:
        return None
    return (
        f"{weights.path}: {share:.0%} of the norms' weights of layer {weights.layer} are negative, as where a family "
        f"stores them less 1 (Gemma); {config.family} takes them as they are"
    )
