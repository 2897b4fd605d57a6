"""Mistral: Llama's block, of which each query may see a window of keys alone."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import TENSORS


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer slides over the window, where there is one: null is none, and what is left out is 4,096."""
    config = block(keys, "mistral", name, kv_heads=8, activation=activation(keys))
    config = config.with_rope(**rope(keys, config.head_width))
    window = None if "sliding_window" in keys.values and not keys.has("sliding_window") else 4096
    if window is not None:
        window = keys.size("sliding_window", window)
    keys.read.add("sliding_window")
    return [replace(config, window=window)] * layers(keys, default=32)


FAMILY = Family("mistral", presets=(), tensors=TENSORS, read=read)
