"""Qwen3: Llama's block whose queries and keys are normalised head by head before they are rotated."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS
from oneblock.workloads.models.qwen2 import late_windows

QK_NORMS = {"q_norm": "self_attn.q_norm", "k_norm": "self_attn.k_norm"}


def read(keys: Keys, name: str) -> list[Config]:
    """As Qwen2's."""
    bias = keys.flag("attention_bias", False)
    config = block(
        keys, "qwen3", name, kv_heads=32, head_width=128, qk_norm="head", qkv_bias=bias, proj_bias=bias,
        activation=activation(keys),
    )  # fmt: skip
    return late_windows(keys, config.with_rope(**rope(keys, config.head_width)))


FAMILY = Family("qwen3", presets=(), tensors=replace(TENSORS, parts=PARTS | QK_NORMS), read=read)
