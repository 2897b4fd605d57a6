"""Configurations: the dimensions and the properties of a block, whichever model it is of."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from math import isfinite, isqrt
from types import NoneType
from typing import Any, Literal, get_args

from oneblock.workloads.models._rope_scaling import RopeScaling
from oneblock.workloads.ops.nearest import unknown

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+=-]*")  # a name of cells encodes what separates its parts
LARGEST = 10**12  # of a dimension: beyond what any machine holds, and short of where arithmetic or a name breaks
Norm = Literal["rms_norm", "layer_norm"]
Activation = Literal["silu", "gelu", "gelu_erf"]  # "gelu" is the tanh form, "gelu_erf" the exact one
NormPlace = Literal["before", "after", "both"]  # of each half of the block
QkNorm = Literal["head", "whole"]  # over each head's D, or over all heads' N*D and K*D
# (activation, gated): the operation that does it
FEED_FORWARDS = {
    ("silu", True): "swiglu",
    ("gelu", True): "geglu",
    ("gelu", False): "gelu",
    ("gelu_erf", False): "gelu_erf",
}


# Properties that are one of a few words.
_WORDS: dict[str, tuple[str | None, ...]] = {
    "norm": get_args(Norm),
    "activation": get_args(Activation),
    "norms": get_args(NormPlace),
    "qk_norm": (None, *get_args(QkNorm)),
}


def _positive(value: object) -> bool:
    return type(value) in (int, float) and isfinite(value) and value > 0  # type: ignore[arg-type, operator]


_TYPES: dict[str, tuple[str, Callable[[Any], bool]]] = {  # type of a field: (what is expected, whether a value is that)
    "str": ("a word", lambda value: isinstance(value, str) and _WORD.fullmatch(value) is not None),
    "int": ("a whole number", lambda value: type(value) is int),
    "bool": ("True or False", lambda value: type(value) is bool),
    "float": ("a positive number", _positive),
    "float | None": ("a positive number or None", lambda value: value is None or _positive(value)),
    "int | None": ("a whole number from 1 or None", lambda value: value is None or (type(value) is int and value > 0)),
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
    norms: NormPlace = "before"
    qk_norm: QkNorm | None = None  # RMSNorm of queries and keys before they are rotated
    parallel: bool = False  # both halves read the block's input, and their sum is added to it
    rotary_width: int | None = None  # of each head the first so many are rotated; None: all D
    window: int | None = None  # each query sees so many keys, its own the last; None: all before it
    soft_cap: float | None = None  # scores become soft_cap * tanh(score / soft_cap)
    score_scale: float | None = None  # of the products of q and k; None: 1 / sqrt(D)
    experts: int | None = None  # E, of which a token takes some; None: one feed-forward part for all
    experts_per_token: int | None = None
    renormalised: bool = True  # the weights of a token's experts sum to 1

    def __post_init__(self) -> None:
        self._check_types()
        for name, words in _WORDS.items():
            if (word := getattr(self, name)) not in words:
                raise ValueError(unknown(f"{name} of {self.name}:", str(word), [str(one) for one in words]))
        if (self.activation, self.gated) not in FEED_FORWARDS:
            known = ", ".join(f"activation={a} gated={g}" for a, g in FEED_FORWARDS)
            got = f"activation={self.activation} gated={self.gated}"
            raise ValueError(f"{self.name}: expected one of {known}, got {got}, which no operation does")
        for name, size in ((name, getattr(self, name)) for name in self.dimensions()):
            if size is not None and not 1 <= size <= LARGEST:
                bound = "at least 1" if size < 1 else f"at most {LARGEST:,}"
                raise ValueError(f"{name} of {self.name}: expected {bound}, got {size}")
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.name}: each key/value head must serve the same number of query heads: "
                f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}; "
                f"kv_heads may be any of {_divisors(self.heads)[:24]}"
            )
        if self.rope_theta is not None:
            self._check_rotation()
        if self.experts is not None or self.experts_per_token is not None:
            self._check_experts()

    def _check_experts(self) -> None:
        """ValueError where a token could not take so many experts, or they are of no sort that is modelled."""
        if self.experts is None or self.experts_per_token is None or self.experts_per_token > self.experts:
            raise ValueError(
                f"{self.name}: expected experts and at most as many experts_per_token, got experts={self.experts} "
                f"experts_per_token={self.experts_per_token}"
            )
        if self.feed_forward != "swiglu" or self.mlp_bias:
            raise ValueError(
                f"{self.name}: expected experts of SwiGLU without biases, got activation={self.activation}"
            )

    def _check_rotation(self) -> None:
        """ValueError where RoPE has no pairs to rotate, or a scaling of it lacks a factor of each."""
        if self.rotated % 2:
            what = "head_width" if self.rotary_width is None else "rotary_width"
            raise ValueError(f"{self.name}: RoPE rotates pairs, so {what} must be even, got {self.rotated}")
        if self.rotated > self.head_width:
            raise ValueError(
                f"{self.name}: expected a rotary_width of at most head_width={self.head_width}, got {self.rotated}"
            )
        scaling = self.rope_scaling
        if scaling is not None and scaling.kind == "longrope":
            for name in ("short_factors", "long_factors"):
                if (got := len(getattr(scaling, name))) != self.rotated // 2:
                    raise ValueError(f"{self.name}: expected {self.rotated // 2} {name} of longrope, got {got}")

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

    @property
    def rotated(self) -> int:
        """R: of each head the first so many dimensions are rotated, where the block has RoPE."""
        return self.head_width if self.rotary_width is None else self.rotary_width

    def with_rope(self, **properties: Any) -> Config:
        """This configuration with another rotation: rope_theta, rope_scaling, rotary_width."""
        return replace(self, **properties)

    @property
    def qk_scale(self) -> float:
        """What the products of queries and keys are multiplied with."""
        return self.head_width**-0.5 if self.score_scale is None else self.score_scale

    @classmethod
    def dimensions(cls) -> list[str]:
        """The fields that are whole numbers."""
        return [name for name, of in _checked() if of in (_TYPES["int"], _TYPES["int | None"])]

    @classmethod
    def settable(cls) -> list[str]:
        """What `with_overrides` replaces: every property, and not whose it is."""
        return [field.name for field in fields(cls) if field.name not in ("name", "family")]

    @staticmethod
    def as_text(value: Any) -> str:
        """A property's value as `with_overrides` reads it."""
        if isinstance(value, RopeScaling):
            value = asdict(value)
        return "none" if value is None else json.dumps(value) if isinstance(value, bool | dict) else str(value)

    def with_overrides(self, overrides: dict[str, str]) -> Config:
        """This configuration with some properties replaced, e.g. {"kv_heads": "4"}; ValueError says why not."""
        known = self.settable()
        changed = dict[str, Any]()
        for key, text in overrides.items():
            if key not in known:
                raise ValueError(unknown("property", key, known))
            changed[key] = _value(key, text)
        return replace(self, **changed)


def _value(name: str, text: str) -> Any:
    """A property from its text: a number, true or false, none, a word, or a RoPE scaling as a JSON object."""
    of = {field.name: str(field.type) for field in fields(Config)}[name]
    if "None" in of and text.lower() == "none":
        return None
    try:
        if of.startswith("RopeScaling"):
            return RopeScaling(**{key: _tuple(one) for key, one in json.loads(text).items()})
        if of.startswith("int"):
            return int(text)
        if of.startswith("float"):
            return float(text)
        if of == "bool":
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f": {error}" if of.startswith("RopeScaling") else ""
        raise ValueError(f"{name}: expected {_expected(of)}, got {text!r}{why}") from None
    return text


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _expected(of: str) -> str:
    if of.startswith("RopeScaling"):
        return 'none or a JSON object such as {"kind": "linear", "factor": 2}'
    return {"bool": "true or false"}.get(of) or _TYPES[of][0]


def _divisors(n: int) -> list[int]:
    """Of a number up to LARGEST, in the time that its root takes: it may be a stranger's."""
    small = [k for k in range(1, isqrt(n) + 1) if n % k == 0]
    return sorted({*small, *(n // k for k in small)})


@cache
def _checked() -> list[tuple[str, tuple[str, Callable[[Any], bool]]]]:
    """The fields of a configuration whose values are looked at, with what is expected of each."""
    return [(field.name, _TYPES[str(field.type)]) for field in fields(Config) if str(field.type) in _TYPES]
