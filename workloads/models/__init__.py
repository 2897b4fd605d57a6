"""Which models: a family is a file here, the directory is the list.

Entry points `oneblock.families` add families, each under its `model_type`, and `oneblock.configurations` presets.
"""

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
from oneblock.workloads.models._third_party import checked
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
    "families",
    "family",
    "names",
    "preset",
    "read_model",
    "registered",
    "told_by",
]

ENTRY_POINTS = "oneblock.configurations"
FAMILY_POINTS = "oneblock.families"
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
    return _read(path, _by_type, lambda: [*_own_types(), *families().points])


def _by_type(kind: object) -> Family | None:
    """The family of a `model_type`: one of ours, or what was registered under that name."""
    own = next((one for one in FAMILIES.values() if kind in one.types), None)
    return family(kind) if own is None and isinstance(kind, str) and kind in families().points else own


def families() -> Registrations:
    """The families that other packages registered, and what of it is refused: a `model_type` of ours, say."""
    return found(FAMILY_POINTS, {*FAMILIES, *_own_types()})


def _own_types() -> list[str]:
    return [kind for one in FAMILIES.values() for kind in one.types]


def family(name: str) -> Family:
    """The family of that name; LookupError offers the nearest names, or says what is wrong with somebody else's."""
    if name in FAMILIES:
        return FAMILIES[name]
    points = families().points
    if name not in points:
        raise LookupError(unknown("family", name, [*FAMILIES, *points]))
    return checked(points[name])


def preset_model(name: str) -> Model | None:
    """The model that a preset's block is of; None of a configuration that another package registered alone."""
    config = preset(name)
    own = FAMILIES.get(config.family)
    if own is None or name not in own.around:
        return None
    around = own.around[name]
    positions = around.context if own.learned_positions else None
    layers = (config,) * around.layers
    return Model(
        name, config.family, layers, around.vocabulary, around.tied_head, around.context, positions=positions,
        scaled_embedding=own.scaled_embedding, logit_cap=own.logit_cap,
    )  # fmt: skip


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
    if given.family not in FAMILIES and given.family not in (others := families().points):
        what = f"{points[name]}: {unknown('family', str(given.family), [*FAMILIES, *others])}"
        raise Refused(what, f"mend {points[name].package}")
    return given
