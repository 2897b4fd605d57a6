"""Gemma 2: Gemma's block with norms before and after each half, soft caps, and a window in every other layer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers, windowed
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS

FOUR_NORMS = {
    "post_norm1": "post_attention_layernorm",
    "norm2": "pre_feedforward_layernorm",
    "post_norm2": "post_feedforward_layernorm",
}


def gemma(keys: Keys, family: str, name: str, cap: float | None, **properties: Any) -> Config:
    """What Gemma 2 and 3 share, but for the rotation."""
    keys.only("attention_bias", False)
    keys.only("use_bidirectional_attention", False)
    keys.read |= {"hidden_act", "final_logit_softcapping"}  # after the last layer, and so in none
    if "attn_logit_softcapping" in keys.values or cap is None:
        cap = keys.number("attn_logit_softcapping") if keys.has("attn_logit_softcapping") else None
    keys.read.add("attn_logit_softcapping")
    return block(
        keys, family, name, kv_heads=4, head_width=256, norms="both", soft_cap=cap,
        activation=activation(keys, "hidden_activation", "gelu_pytorch_tanh"),
        score_scale=keys.number("query_pre_attn_scalar", 256) ** -0.5, **properties,
    )  # fmt: skip


def read(keys: Keys, name: str) -> list[Config]:
    """The first layer slides over the window, the second sees all, and so on."""
    config = gemma(keys, "gemma2", name, 50.0)
    config = config.with_rope(**rope(keys, config.head_width))
    window = keys.size("sliding_window", 4096)
    keys.only("sliding_window_size", window)
    return windowed(keys, config, layers(keys, default=26), window, lambda layer: layer % 2 == 0)


FAMILY = Family(
    "gemma2",
    presets=(),
    tensors=replace(TENSORS, parts=PARTS | FOUR_NORMS, offset_norms=True),
    read=read,
    ties_head=True,
    scaled_embedding=True,
    logit_cap=30.0,
)
