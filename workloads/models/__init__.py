"""Which models: a family is a file here, the directory is the list; entry points `oneblock.configurations` add some."""

from __future__ import annotations

import importlib
from pathlib import Path

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Around, Family, Tensors
from oneblock.workloads.models._keys import ModelError
from oneblock.workloads.models._latent import Latent
from oneblock.workloads.models._model import Model, told_by
from oneblock.workloads.models._model import read_model as _read
from oneblock.workloads.models._properties import LARGEST
from oneblock.workloads.models._rope_scaling import RopeScaling
from oneblock.workloads.ops.nearest import unknown
from oneblock.workloads.ops.third_party import Refused, Registrations, found

__all__ = [
    "FAMILIES",
    "LARGEST",
    "PRESETS",
    "Around",
    "Config",
    "Family",
    "Latent",
    "Model",
    "ModelError",
    "RopeScaling",
    "Tensors",
    "names",
    "preset",
    "read_model",
    "registered",
    "told_by",
]

ENTRY_POINTS = "oneblock.configurations"
FAMILIES: dict[str, Family] = {
    path.stem: importlib.import_module(f"oneblock.workloads.models.{path.stem}").FAMILY
    for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
}
# The smallest block first: the order in which they are offered.
PRESETS: dict[str, Config] = {
    config.name: config
    for config in sorted((one for family in FAMILIES.values() for one in family.presets), key=lambda c: c.width)
}


def names() -> list[str]:
    """Every configuration there is: the presets of our families, and what others registered."""
    return [*PRESETS, *sorted(registered().points)]


def registered() -> Registrations:
    """What other packages registered, and what of it is refused: a name of ours, say."""
    return found(ENTRY_POINTS, PRESETS)


def read_model(path: Path) -> Model:
    """The model of a folder, or of a file that tells one; ModelError says what is wrong with it."""
    return _read(path, FAMILIES)


def preset_model(name: str) -> Model | None:
    """The model that a preset's block is of; None of a configuration that another package registered alone."""
    config = preset(name)
    around = FAMILIES[config.family].around.get(name) if config.family in FAMILIES else None
    if around is None:
        return None
    positions = around.context if FAMILIES[config.family].learned_positions else None
    layers = (config,) * around.layers
    return Model(name, config.family, layers, around.vocabulary, around.tied_head, around.context, positions=positions)


def preset(name: str) -> Config:
    """The configuration of that name; LookupError offers the nearest names, or says what is wrong with another's."""
    if name in PRESETS:
        return PRESETS[name]
    points = registered().points
    if name not in points:
        raise LookupError(unknown("preset", name, names()))
    given = points[name].load()
    if not isinstance(given, Config):
        what = f"{points[name]} names a {type(given).__name__}: expected a Config of oneblock.workloads.models"
        raise Refused(what, f"mend {points[name].package}")
    if given.name != name:
        what = f"{points[name]} calls itself {given.name!r}: expected {name!r}, under which it is registered"
        raise Refused(what, f"mend {points[name].package}")
    if given.family not in FAMILIES:
        what = f"{points[name]}: {unknown('family', str(given.family), list(FAMILIES))}"
        raise Refused(what, f"mend {points[name].package}")
    return given
