"""Configurations: the dimensions and the properties of a block, whichever model it is of."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from math import isqrt
from typing import Any, Literal, get_args

from oneblock.workloads.models._latent import Latent
from oneblock.workloads.models._properties import check_types, from_text
from oneblock.workloads.models._rope_scaling import RopeScaling
from oneblock.workloads.ops.nearest import unknown

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
_LARGEST_ANGLE = 1e30  # of a rotation's base or its stretch: beyond what float64 holds their products
# Those that are objects, by the names of their types.
_OBJECTS: dict[str, type] = {"RopeScaling": RopeScaling, "Latent": Latent}


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
    expert_scale: float = 1.0  # what these weights are multiplied with
    expert_groups: int | None = None  # experts are in so many groups, and a token's are of some of them; None: of any
    groups_per_token: int | None = None
    shared_width: int | None = None  # of a feed-forward part that every token takes beside its experts
    latent: Latent | None = None  # keys and values are projected up from a latent; None: from the block's input

    def __post_init__(self) -> None:
        check_types(self, repr(self.name))
        for name, of in (("rope_scaling", RopeScaling), ("latent", Latent)):
            if not isinstance(value := getattr(self, name), (of, type(None))):
                raise ValueError(f"{name} of {self.name!r}: expected a {of.__name__} or None, got {value!r}")
        for name, words in _WORDS.items():
            if (word := getattr(self, name)) not in words:
                raise ValueError(unknown(f"{name} of {self.name}:", str(word), [str(one) for one in words]))
        if (self.activation, self.gated) not in FEED_FORWARDS:
            known = ", ".join(f"activation={a} gated={g}" for a, g in FEED_FORWARDS)
            got = f"activation={self.activation} gated={self.gated}"
            raise ValueError(f"{self.name}: expected one of {known}, got {got}, which no operation does")
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.name}: each key/value head must serve the same number of query heads: "
                f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}; "
                f"kv_heads may be any of {_divisors(self.heads)[:24]}"
            )
        if self.latent is not None:
            self._check_latent(self.latent)
        if self.rope_theta is not None:
            self._check_rotation()
        of_experts = ("experts", "experts_per_token", "expert_groups", "groups_per_token", "shared_width")
        if self.expert_scale != 1.0 or any(getattr(self, name) is not None for name in of_experts):
            self._check_experts()

    def _check_experts(self) -> None:
        """ValueError where a token could not take so many experts, or they are of no sort that is modelled."""
        E, k, G, taken = self.experts, self.experts_per_token, self.expert_groups, self.groups_per_token
        if E is None or k is None or k > E:
            raise ValueError(
                f"{self.name}: expected experts and at most as many experts_per_token, got experts={E} "
                f"experts_per_token={k}"
            )
        if self.feed_forward != "swiglu" or self.mlp_bias:
            raise ValueError(
                f"{self.name}: expected experts of SwiGLU without biases, got activation={self.activation}"
            )
        if G is None and taken is None:
            return
        if G is None or taken is None or E % G or taken > G or k > E // G * taken:
            raise ValueError(
                f"{self.name}: expected expert_groups of equally many experts, and groups_per_token with as many as a "
                f"token takes, got experts={E} experts_per_token={k} expert_groups={G} groups_per_token={taken}"
            )

    def _check_latent(self, latent: Latent) -> None:
        """ValueError where a property is one that latent attention has not, or its widths do not go together."""
        if latent.rope_width >= self.head_width:
            raise ValueError(
                f"{self.name}: expected a rope_width of latent of less than head_width={self.head_width}, "
                f"got {latent.rope_width}"
            )
        modelled = {"kv_heads": self.heads, "qk_norm": None, "qkv_bias": False, "rotary_width": None, "window": None}
        for name, value in modelled.items():
            if (got := getattr(self, name)) != value:
                raise ValueError(f"{self.name}: expected {name}={value} of latent attention, got {name}={got}")
        if self.rope_theta is None:
            raise ValueError(f"{self.name}: expected a rope_theta of latent attention, got rope_theta=None")

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
        if scaling is not None and (why := _no_table(scaling, self.rotated, self.rope_theta)):
            raise ValueError(f"{self.name}: RoPE scaling {scaling.kind}: {why}")
        if scaling is not None and scaling.kind == "longrope":
            for name in ("short_factors", "long_factors"):
                if (got := len(getattr(scaling, name))) != self.rotated // 2:
                    raise ValueError(f"{self.name}: expected {self.rotated // 2} {name} of longrope, got {got}")

    @property
    def feed_forward(self) -> str:
        """The operation between the projections of the feed-forward part."""
        return FEED_FORWARDS[self.activation, self.gated]

    @property
    def rotated(self) -> int:
        """R: of each head so many dimensions are rotated, where the block has RoPE: the first, of latents the last."""
        if self.latent is not None:
            return self.latent.rope_width
        return self.head_width if self.rotary_width is None else self.rotary_width

    @property
    def value_width(self) -> int:
        """Dv: the width of a head's values."""
        return self.head_width if self.latent is None else self.latent.value_width

    def with_rope(self, **properties: Any) -> Config:
        """This configuration with another rotation: rope_theta, rope_scaling, rotary_width."""
        return replace(self, **properties)

    @property
    def qk_scale(self) -> float:
        """What the products of queries and keys are multiplied with."""
        return self.head_width**-0.5 if self.score_scale is None else self.score_scale

    @classmethod
    def settable(cls) -> list[str]:
        """What `with_overrides` replaces: every property, and not whose it is."""
        return [field.name for field in fields(cls) if field.name not in ("name", "family")]

    @staticmethod
    def as_text(value: Any) -> str:
        """A property's value as `with_overrides` reads it."""
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        return "none" if value is None else json.dumps(value) if isinstance(value, bool | dict) else str(value)

    def with_overrides(self, overrides: dict[str, str]) -> Config:
        """This configuration with some properties replaced, e.g. {"kv_heads": "4"}; ValueError says why not."""
        known = self.settable()
        changed = dict[str, Any]()
        for key, text in overrides.items():
            if key not in known:
                raise ValueError(unknown("property", key, known))
            changed[key] = from_text(_type_of(key), key, text, _OBJECTS)
        return replace(self, **changed)


def _type_of(name: str) -> str:
    return {field.name: str(field.type) for field in fields(Config)}[name]


def _no_table(scaling: RopeScaling, rotated: int, theta: float | None) -> str | None:
    """Why a scaling's formula has no value, in words; None where it has."""
    if scaling.kind == "dynamic" and rotated == 2:
        return "expected more than 2 rotated dimensions"
    if scaling.kind == "yarn" and theta == 1.0:
        return "expected a rope_theta other than 1"
    if scaling.kind == "llama3" and scaling.high_freq_factor <= scaling.low_freq_factor:
        return f"expected a high_freq_factor above low_freq_factor={scaling.low_freq_factor}"
    if theta is not None and max(theta, scaling.factor) > _LARGEST_ANGLE:
        return f"expected a rope_theta and a factor of at most {_LARGEST_ANGLE:.0e}"
    return None


def _divisors(n: int) -> list[int]:
    """Of a number up to LARGEST, in the time that its root takes: it may be a stranger's."""
    small = [k for k in range(1, isqrt(n) + 1) if n % k == 0]
    return sorted({*small, *(n // k for k in small)})
