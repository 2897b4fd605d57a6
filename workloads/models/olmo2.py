"""OLMo 2: Llama's block with its norms after each half, and norms over all queries and all keys at once."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import PARTS, TENSORS
from oneblock.workloads.models.qwen3 import QK_NORMS

_PARTS = {name: part for name, part in PARTS.items() if not name.startswith("norm")} | QK_NORMS
_PARTS |= {"post_norm1": "post_attention_layernorm", "post_norm2": "post_feedforward_layernorm"}


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same."""
    keys.only("attention_bias", False)
    config = block(
        keys, "olmo2", name, eps=("rms_norm_eps", 1e-5), norms="after", qk_norm="whole", activation=activation(keys)
    )
    return [config.with_rope(**rope(keys, config.head_width))] * layers(keys, default=32)


FAMILY = Family("olmo2", presets=(), tensors=replace(TENSORS, parts=_PARTS), read=read)
