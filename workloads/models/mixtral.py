"""Mixtral: Mistral's attention, and of eight feed-forward parts the two that a router chooses for each token."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS

ATTENTION = {name: part for name, part in PARTS.items() if name not in ("gate", "up", "down")}
_EXPERT = "block_sparse_moe.experts.{}."
_EXPERTS = {"router": "block_sparse_moe.gate", "expert_gate": f"{_EXPERT}w1", "expert_up": f"{_EXPERT}w3"}
_EXPERTS |= {"expert_down": f"{_EXPERT}w2"}


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same, with a window where there is one."""
    keys.only("attention_bias", False)
    config = block(
        keys, "mixtral", name, kv_heads=8, eps=("rms_norm_eps", 1e-5), activation=activation(keys),
        experts=keys.size(keys.one_of("num_local_experts", "num_experts"), 8),
        experts_per_token=keys.size("num_experts_per_tok", 2),
    )  # fmt: skip
    config = config.with_rope(**rope(keys, config.head_width, 1_000_000.0))
    window = keys.size("sliding_window") if keys.has("sliding_window") else None
    keys.read.add("sliding_window")
    return [replace(config, window=window)] * layers(keys, default=32)


FAMILY = Family("mixtral", presets=(), tensors=replace(TENSORS, parts=ATTENTION | _EXPERTS), read=read)
