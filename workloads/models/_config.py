"""Configurations: the dimensions and the properties of a block, whichever model it is of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from math import isfinite
from types import NoneType
from typing import Any, Literal, get_args

from oneblock.workloads.ops.nearest import unknown

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")  # a name of cells encodes what separates its parts
LARGEST = 10**12  # of a dimension: beyond what any machine holds, and short of where arithmetic or a name breaks
Norm = Literal["rms_norm", "layer_norm"]
Activation = Literal["silu", "gelu"]
FEED_FORWARDS = {("silu", True): "swiglu", ("gelu", False): "gelu"}  # (activation, gated): the operation that does it


@dataclass(frozen=True)
class RopeScaling:
    """Llama 3's change of the rotary frequencies for long contexts.

    Wavelengths beyond `original_context / low_freq_factor` are stretched by `factor`, those below
    `original_context / high_freq_factor` are kept, and those between are blended (Llama 3.1 model card,
    `rope_scaling` of type "llama3").
    """

    factor: float
    low_freq_factor: float
    high_freq_factor: float
    original_context: int


def _positive(value: object) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0  # type: ignore[arg-type, operator]


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {  # type of a field: (what is expected, whether a value is that)
    "str": ("a word", lambda value: isinstance(value, str) and _WORD.fullmatch(value) is not None),
    "int": ("a whole number", lambda value: type(value) is int),
    "bool": ("True or False", lambda value: type(value) is bool),
    "float": ("a positive number", _positive),
    "float | None": ("a positive number or None", lambda value: value is None or _positive(value)),
    "RopeScaling | None": ("a RopeScaling or None", lambda value: isinstance(value, (RopeScaling, NoneType))),
}


@dataclass(frozen=True)
class Config:
    """The dimensions and properties of one model's block; letters as in the axis legend of ops/definitions.py.

    `family` says whose names the tensors of a checkpoint have, and nothing else follows from it.
    """

    name: str
    family: str  # a file of workloads/models
    width: int  # C
    heads: int  # N
    kv_heads: int  # K
    head_width: int  # D
    ffn_width: int  # F
    norm_eps: float = 1e-5
    rope_theta: float | None = None  # None: no rotary embedding
    rope_scaling: RopeScaling | None = None
    norm: Norm = "rms_norm"
    activation: Activation = "silu"
    gated: bool = True  # the feed-forward part multiplies the activation with a projection of its own
    qkv_bias: bool = False
    proj_bias: bool = False
    mlp_bias: bool = False

    def __post_init__(self) -> None:
        self._check_types()
        if self.norm not in get_args(Norm):
            raise ValueError(unknown(f"norm of {self.name}:", self.norm, list(get_args(Norm))))
        if (self.activation, self.gated) not in FEED_FORWARDS:
            known = ", ".join(f"activation={a} gated={g}" for a, g in FEED_FORWARDS)
            got = f"activation={self.activation} gated={self.gated}"
            raise ValueError(f"{self.name}: expected one of {known}, got {got}, which no operation does")
        for name in self.dimensions():
            size = getattr(self, name)
            if not 1 <= size <= LARGEST:
                bound = "at least 1" if size < 1 else f"at most {LARGEST:,}"
                raise ValueError(f"{name} of {self.name}: expected {bound}, got {size}")
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.name}: each key/value head must serve the same number of query heads: "
                f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}; "
                f"kv_heads may be any of {[k for k in range(1, self.heads + 1) if self.heads % k == 0]}"
            )
        if self.rope_theta is not None and self.head_width % 2:
            raise ValueError(f"{self.name}: RoPE rotates pairs, so head_width must be even, got {self.head_width}")

    def _check_types(self) -> None:
        """ValueError names the first field that is no value of its type: 32.0 and 32 would be two cells of one name."""
        for name, (expected, is_one) in _checked():
            value = getattr(self, name)
            if not is_one(value):
                raise ValueError(f"{name} of {self.name!r}: expected {expected}, got {value!r}")

    @property
    def feed_forward(self) -> str:
        """The operation between the projections of the feed-forward part."""
        return FEED_FORWARDS[self.activation, self.gated]

    @classmethod
    def dimensions(cls) -> list[str]:
        """What `with_overrides` replaces: the fields that are whole numbers."""
        return [name for name, of in _checked() if of is _TYPES["int"]]

    def with_overrides(self, overrides: dict[str, str]) -> Config:
        """This configuration with some integer dimensions replaced, e.g. {"kv_heads": "4"}; ValueError says why not."""
        dims, changed = self.dimensions(), dict[str, Any]()
        for key, value in overrides.items():
            if key not in dims:
                raise ValueError(unknown("dimension", key, dims))
            try:
                changed[key] = int(value)
            except ValueError:
                raise ValueError(f"{key}: expected a whole number, got {value!r}") from None
        return replace(self, **changed)


@cache
def _checked() -> list[tuple[str, tuple[str, Callable[[Any], bool]]]]:
    """The fields of a configuration whose values are looked at, with what is expected of each."""
    return [(field.name, _TYPES[str(field.type)]) for field in fields(Config) if str(field.type) in _TYPES]
