"""Configurations: the dimensions of real models, as frozen presets."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from oneblock.workloads.ops.nearest import unknown

Family = Literal["llama", "gpt2"]


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


@dataclass(frozen=True)
class Config:
    """The dimensions of one model's block; letters as in the axis legend of `_ops.py`.

    `family` chooses the block's form: "llama" is RMSNorm, RoPE, grouped heads and SwiGLU without biases; "gpt2" is
    LayerNorm, GELU and biases everywhere.
    """

    name: str
    family: Family
    width: int  # C
    heads: int  # N
    kv_heads: int  # K
    head_width: int  # D
    ffn_width: int  # F
    norm_eps: float = 1e-5
    rope_theta: float | None = None
    rope_scaling: RopeScaling | None = None

    def __post_init__(self) -> None:
        for name in ("width", "heads", "kv_heads", "head_width", "ffn_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} of {self.name}: expected at least 1, got {getattr(self, name)}")
        if self.heads % self.kv_heads:
            raise ValueError(
                f"{self.name}: each key/value head must serve the same number of query heads: "
                f"heads={self.heads} is not a multiple of kv_heads={self.kv_heads}; "
                f"kv_heads may be any of {[k for k in range(1, self.heads + 1) if self.heads % k == 0]}"
            )
        if self.rope_theta is not None and self.head_width % 2:
            raise ValueError(f"{self.name}: RoPE rotates pairs, so head_width must be even, got {self.head_width}")

    def with_overrides(self, overrides: dict[str, str]) -> Config:
        """This configuration with some integer dimensions replaced, e.g. {"kv_heads": "4"}; ValueError says why not."""
        dims = [f.name for f in fields(self) if f.type == "int"]
        changed: dict[str, Any] = {}
        for key, value in overrides.items():
            if key not in dims:
                raise ValueError(unknown("dimension", key, dims))
            try:
                changed[key] = int(value)
            except ValueError:
                raise ValueError(f"{key}: expected a whole number, got {value!r}") from None
        return replace(self, **changed)


PRESETS = {
    config.name: config
    for config in (
        # For tests: every feature of the llama family, small enough for an interpreter.
        Config("tiny", "llama", 64, 4, 2, 16, 128, rope_theta=10_000.0),
        # GPT-2 small, 124M: 12 such blocks. https://huggingface.co/openai-community/gpt2/blob/main/config.json
        Config("gpt2", "gpt2", 768, 12, 12, 64, 3072),
        # Llama 3.2 1B: 16 such blocks. https://huggingface.co/meta-llama/Llama-3.2-1B/blob/main/config.json
        Config("llama-1b", "llama", 2048, 32, 8, 64, 8192, 1e-5, 500_000.0, RopeScaling(32.0, 1.0, 4.0, 8192)),
        # Llama 3.1 8B: 32 such blocks. https://huggingface.co/meta-llama/Llama-3.1-8B/blob/main/config.json
        Config("llama-8b", "llama", 4096, 32, 8, 128, 14336, 1e-5, 500_000.0, RopeScaling(8.0, 1.0, 4.0, 8192)),
    )
}


def preset(name: str) -> Config:
    """The configuration of that name; LookupError offers the nearest names."""
    if name not in PRESETS:
        raise LookupError(unknown("preset", name, list(PRESETS)))
    return PRESETS[name]
