"""Latent attention: keys and values of all heads from one narrow vector a token, which is all that a cache keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from oneblock.workloads.models._properties import check_types


@dataclass(frozen=True)
class Latent:
    """Multi-head latent attention (DeepSeek-AI 2024, DeepSeek-V2, section 2.1).

    A token's latent is projected down from the block's input and normalised; the keys of each head, less their rotated
    part, and its values are projected up from it. Of each head the last dimensions are rotated: for keys they are
    straight from the block's input, and the same for all heads.
    """

    EXAMPLE: ClassVar = '{"width": 32, "rope_width": 8, "value_width": 12}'
    width: int  # L
    rope_width: int  # R: so many dimensions of each head are rotated, its last
    value_width: int  # Dv
    query_width: int | None = None  # Lq, of a latent of queries; None: they are projected from the block's input
    norm_eps: float = 1e-6  # of the norms of both latents

    def __post_init__(self) -> None:
        check_types(self, "latent")
        if self.rope_width % 2:
            raise ValueError(f"latent: RoPE rotates pairs, so rope_width must be even, got {self.rope_width}")
