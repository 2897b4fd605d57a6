"""Qwen3-MoE: Qwen3's attention, and of many small feed-forward parts the few that a router chooses for each token."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers, windowed
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS
from oneblock.workloads.models.qwen3 import QK_NORMS

_EXPERTS = {"router": "mlp.gate"} | {
    f"expert_{part}": f"mlp.experts.{{}}.{part}_proj" for part in ("gate", "up", "down")
}


def read(keys: Keys, name: str) -> list[Config]:
    """Layers of `mlp_only_layers`, and those between every `decoder_sparse_step`, have one part for all."""
    bias = keys.flag("attention_bias", False)
    dense = block(
        keys, "qwen3_moe", name, kv_heads=4, qk_norm="head", qkv_bias=bias, proj_bias=bias, activation=activation(keys)
    )
    keys.read.add("max_window_layers")  # which says nothing here: all layers slide, where any does
    slides, count = keys.flag("use_sliding_window", False), layers(keys, default=32)
    window = keys.size("sliding_window", 4096) if slides else None
    keys.read.add("sliding_window")
    dense = dense.with_rope(**rope(keys, dense.head_width))
    each = windowed(keys, dense, count, window, lambda layer: slides)
    taken = {
        "experts": keys.size(keys.one_of("num_experts", "num_local_experts"), 128),
        "experts_per_token": keys.size("num_experts_per_tok", 8),
        "ffn_width": keys.size("moe_intermediate_size", 768), "renormalised": keys.flag("norm_topk_prob", False),
    }  # fmt: skip
    step, whole = keys.size("decoder_sparse_step", 1), keys.values.get("mlp_only_layers") or []
    keys.read.add("mlp_only_layers")
    if not isinstance(whole, list) or not all(type(layer) is int for layer in whole):
        raise keys.wrong("mlp_only_layers", "a list of layers", whole)
    return [
        one if number in whole or (number + 1) % step else replace(one, **taken)  # type: ignore[arg-type]
        for number, one in enumerate(each)
    ]


FAMILY = Family("qwen3_moe", presets=(), tensors=replace(TENSORS, parts=PARTS | QK_NORMS | _EXPERTS), read=read)
