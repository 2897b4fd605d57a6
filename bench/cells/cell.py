"""A cell: one point of the study, and everything that must agree before two numbers are compared."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oneblock.backends.api.own_kernels import OwnKernel
from oneblock.backends.api.target import Target
from oneblock.workloads import load
from oneblock.workloads._workload import Case, Workload
from oneblock.workloads.answers.arrays import Named, make_inputs, make_weights
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.answers.inputs import read_inputs, varied
from oneblock.workloads.models import Config, preset

# Of a configuration, what tensors do not tell.
_ASSUMED = ("rope_theta", "rope_scaling", "norm_eps", "activation", "window", "soft_cap", "score_scale")


@dataclass(frozen=True)
class Weights:
    """Where a cell's weights come from, if not from the seed: one layer of a checkpoint."""

    path: str
    layer: int
    sha256: str  # of the file, or of the index and the shards that hold the layer
    stored: str | None = (
        None  # the types of its tensors there: "F32, Q4_K"; None: of a record from before they were told
    )


@dataclass(frozen=True)
class Inputs:
    """Where a cell's inputs come from, if not from the seed: an .npz file."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Cell:
    """Workload x configuration x phase x (B, T, S) x dtype x variant x backend x ops set x target x toolchain."""

    case: Case
    dtype: str
    backend: str
    ops_set: str
    target: Target
    weights: Weights | None = None
    weight_seed: int = 0
    input_seed: int = 1
    toolchain: str | None = None  # the versions that were asked for: "torch-2.12"; None: those that are installed
    variant: str | None = None  # a compression of the weights: "w8a16"; None: as they are
    model: str | None = None  # the folder or config.json that told the configuration; None: a preset did
    sharding: str | None = None  # how arrays lie over the target's mesh: "tp"; None: as the workload's arrays say
    inputs: Inputs | None = None  # of one's own; None: drawn of the seed
    replaced: tuple[OwnKernel, ...] = ()  # operations of the ops set for which a kernel of one's own stands

    @cached_property
    def subject(self) -> str:
        """What is computed, without where: cells with the same subject have the same right answer, and no others.

        What differs from the default is in it: "block-tiny+kv_heads=4-prefill-B1-T32-float32-seed7"; of a checkpoint
        and of inputs 16 digits of the hash. Only the configuration keeps a "-" of its own: a name is read in one way.
        """
        c = self.case
        set_otherwise = "".join(f"+{_plain(key)}={_plain(value)}" for key, value in overrides(c.config).items())
        size = f"B{c.B}-T{c.T}" + (f"-S{c.S}" if c.S != c.T else "")
        arrays = "" if self.weights is None else f"-w{self.weights.sha256[:16]}.layer{self.weights.layer}"
        arrays += "" if self.weight_seed == 0 else f"-seed{self.weight_seed}"
        arrays += "" if self.input_seed == 1 else f"-input{self.input_seed}"
        arrays += "" if self.inputs is None else f"-inputs.{self.inputs.sha256[:16]}"
        arrays += "" if self.variant is None else f"-variant.{_part(self.variant)}"
        name = f"{_plain(c.config.name)}{set_otherwise}"
        return f"{_part(c.workload)}-{name}-{c.phase}-{size}-{_part(self.dtype)}{arrays}"

    @cached_property
    def reference_key(self) -> str:
        """A hash of everything that fixes the right answer."""
        where = ("backend", "ops_set", "target", "toolchain", "sharding", "replaced")
        return digest({key: value for key, value in self.keys().items() if key not in where})

    @cached_property
    def name(self) -> str:
        """A name for people and files: two cells of one name are one cell."""
        where = f"{_part(self.backend)}-{_part(self.ops_set)}-{_target(self.target)}"
        where += "" if self.toolchain is None else f"-toolchain.{_part(self.toolchain)}"
        where += "" if self.sharding is None else f"-sharding.{_part(self.sharding)}"
        return f"{self.subject}-{where}" + "".join(
            f"-replaced.{_part(one.operation)}.{_part(one.function)}.{one.sha256[:16]}" for one in self.replaced
        )

    @property
    def ops(self) -> str:
        """The ops set, for people, with what of it is not ours: "kernels, rms_norm=my.py:kernel@1a2b3c4d"."""
        return ", ".join([self.ops_set, *(one.label for one in self.replaced)])

    @property
    def otherwise(self) -> list[str]:
        """What of it is not as by default, for people: ["kv_heads=4", "layer 3 of 1a2b3c4d", "seed 7"]."""
        said = [f"{key}={value}" for key, value in overrides(self.case.config).items()]
        said += [] if self.weights is None else [f"layer {self.weights.layer} of {self.weights.sha256[:8]}"]
        said += [] if self.weights is None or self.weights.stored is None else [f"stored as {self.weights.stored}"]
        said += [] if self.weight_seed == 0 else [f"seed {self.weight_seed}"]
        said += [] if self.input_seed == 1 else [f"input seed {self.input_seed}"]
        said += [] if self.inputs is None else [f"inputs {self.inputs.sha256[:8]}"]
        named = {"variant": self.variant, "sharding": self.sharding, "toolchain": self.toolchain}
        return said + [f"{name} {value}" for name, value in named.items() if value is not None]

    @property
    def assumed(self) -> str | None:
        """The sentence for what a checkpoint's tensors do not tell of its model, and no `config.json` does; or None."""
        if self.weights is None or self.model is not None:
            return None
        told = {name: getattr(self.case.config, name) for name in _ASSUMED}
        said = ", ".join(f"{name}={Config.as_text(value)}" for name, value in told.items())
        return f"no config.json beside the checkpoint: {said} and {self.case.config.family}'s norms assumed"

    @cached_property
    def key(self) -> str:
        """A hash of the whole cell: what must be equal before two records are of one cell."""
        return digest(self.keys())

    def identity(self, tier: str, machine: Mapping[str, Any], software: Mapping[str, Any]) -> str:
        """The name under which it counts as done: a hash of itself and of all that its outcome depends on."""
        return digest([self.keys(), tier, machine, software])

    def weight_arrays(self, workload: Workload) -> Named:
        """Its weights by name, in its dtype: seeded, or a layer of a checkpoint."""
        if self.weights is None:
            return make_weights(workload, self.case, self.dtype, self.weight_seed)
        return load_weights(workload, self.case, self.dtype, Path(self.weights.path), self.weights.layer)

    def input_arrays(self, workload: Workload, number: int = 0) -> Named:
        """Its inputs by name, in its dtype: its own, or of its seed; and others, of the seeds after it."""
        if self.inputs is not None and number == 0:
            return {name: array.copy() for name, array in self._given.items()}
        return self.unseen_arrays(workload, self.input_seed + number)

    def unseen_arrays(self, workload: Workload, seed: int) -> Named:
        """Inputs of another seed, by name, in its dtype: drawn, or much like those that it was given."""
        if self.inputs is not None:
            return varied(self._given, seed)
        return make_inputs(workload, self.case, self.dtype, seed)

    @cached_property
    def _given(self) -> Named:
        """Its own inputs, read once a process."""
        assert self.inputs is not None, "asked of a cell that has some"
        workload, path = load(self.case.workload), Path(self.inputs.path)
        return read_inputs(workload, self.case, self.dtype, path, self.inputs.sha256)

    def keys(self) -> dict[str, Any]:
        """Every property by a dotted name: "case.config.width"; of a checkpoint its hash stands for all of it."""
        return dict(self._keys)

    @cached_property
    def _keys(self) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for field in fields(self):
            flat |= _named(field.name, getattr(self, field.name))
        flat.pop("weights.path", None)
        flat.pop("weights.stored", None)
        flat.pop("inputs.path", None)
        flat.pop("model", None)
        flat["replaced"] = ", ".join(one.key for one in self.replaced) or None
        return flat


def overrides(config: Config) -> dict[str, Any]:
    """What of a configuration is not as in the preset whose name it bears: {"kv_heads": 4}.

    Of one whose name is no preset here, {"config": a hash of it all}: two of that name may differ in anything.
    """
    try:
        known = preset(config.name)
    except LookupError:
        return {"config": digest(asdict(config))}
    if config == known:
        return {}
    base = asdict(known)
    return {key: value for key, value in asdict(config).items() if value != base[key]}


def _plain(value: object) -> str:
    """A value as a part of a name, percent-encoded where it has what separates parts or is special to a file system."""
    scalar = value is None or isinstance(value, str | int | float)
    return quote(str(value), safe="") if scalar else digest(value)


def _part(value: str) -> str:
    """A part of a name that ends at the next "-": one of its own is encoded."""
    return _plain(value).replace("-", "%2D")


def _target(target: Target) -> str:
    """A target as a part of a name: "cuda_sm_90"; encoded where its ":" could not be told from its "_" again."""
    where, at, mesh = target.partition("@")
    joined = where.replace(":", "_")
    told = re.split("(?<!sm)_", joined) == where.split(":") and re.fullmatch(r"\w+(_[\w.]+)?", joined, re.ASCII)
    encoded = joined if told else _part(where).replace("_", "%5F").replace(".", "%2E")
    return f"{encoded}{at}{quote(mesh, safe=',').replace('-', '%2D')}"


def _named(name: str, value: Any) -> dict[str, Any]:
    """A value by its name; the fields of a dataclass, and of those within it, by dotted names."""
    if not hasattr(value, "__dataclass_fields__"):
        return {name: value}
    flat: dict[str, Any] = {}
    for inner in value.__dataclass_fields__:
        flat |= _named(f"{name}.{inner}", getattr(value, inner))
    return flat


def digest(value: object) -> str:
    """A short name for a JSON value: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()[:16]


_CANONICAL = json.JSONEncoder(sort_keys=True, default=str)
