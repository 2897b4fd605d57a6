"""Phi-3: Llama's block in two fused projections, with a rotation for long contexts; Phi-4 is of it, too."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS

_FUSED = dict.fromkeys(("q", "k", "v"), "self_attn.qkv_proj") | dict.fromkeys(("gate", "up"), "mlp.gate_up_proj")


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same, with a window where there is one."""
    keys.only("attention_bias", False)
    config = block(keys, "phi3", name, eps=("rms_norm_eps", 1e-5), activation=activation(keys))
    config = config.with_rope(**rope(keys, config.head_width, part=1.0))
    window = keys.size("sliding_window") if keys.has("sliding_window") else None
    keys.read |= {"sliding_window", "original_max_position_embeddings"}
    return [replace(config, window=window)] * layers(keys, default=32)


FAMILY = Family("phi3", presets=(), tensors=replace(TENSORS, parts=PARTS | _FUSED), read=read)
