"""How models stretch their rotary embedding beyond the context that they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal, get_args

from oneblock.workloads.ops.nearest import unknown

RopeKind = Literal["linear", "dynamic", "llama3", "yarn", "longrope"]


@dataclass(frozen=True)
class RopeScaling:
    """One change of the rotary frequencies f; `attention_factor` multiplies both tables.

    linear: f / factor (Chen et al. 2023). dynamic: beyond `original_context` positions the base grows with them, "NTK".
    llama3: wavelengths beyond `original_context / low_freq_factor` are stretched by `factor`, those below
    `original_context / high_freq_factor` are kept, those between are blended (Llama 3.1 model card).
    yarn: the same by the number of turns, between `beta_slow` and `beta_fast` (Peng et al. 2023).
    longrope: each f by a factor of its own, one list up to `original_context` positions and another beyond (Ding et
    al. 2024).
    """

    EXAMPLE: ClassVar = '{"kind": "linear", "factor": 2}'
    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_context: int = 8192
    kind: RopeKind = "llama3"
    attention_factor: float = 1.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    whole_dimensions: bool = True  # yarn rounds the borders of its blend to whole dimensions
    short_factors: tuple[float, ...] = ()
    long_factors: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in get_args(RopeKind):
            raise ValueError(unknown("RoPE scaling", str(self.kind), list(get_args(RopeKind))))
        if type(self.whole_dimensions) is not bool:
            raise ValueError(f"RoPE scaling: whole_dimensions: expected true or false, got {self.whole_dimensions!r}")
        if type(self.original_context) is not int:
            raise ValueError(f"RoPE scaling: original_context: expected a whole number, got {self.original_context!r}")
        numbers = ("factor", "low_freq_factor", "high_freq_factor", "original_context", "attention_factor")
        lists = [(name, one) for name in ("short_factors", "long_factors") for one in getattr(self, name)]
        each = [*((name, getattr(self, name)) for name in (*numbers, "beta_fast", "beta_slow")), *lists]
        for name, value in each:
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
                raise ValueError(f"RoPE scaling: {name}: expected a positive number, got {value!r}")
