"""Qwen2: Llama's block with biases where it projects into heads; checkpoints in Llama's names."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Around, Family, activation, block, layers, windowed
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import TENSORS


def read(keys: Keys, name: str) -> list[Config]:
    """The layers from `max_window_layers` on slide over a window, where `use_sliding_window` says so."""
    config = block(keys, "qwen2", name, kv_heads=32, qkv_bias=True, activation=activation(keys))
    return late_windows(keys, config.with_rope(**rope(keys, config.head_width)))


def late_windows(keys: Keys, config: Config) -> list[Config]:
    """The configuration of each layer of a Qwen."""
    count, slides = layers(keys, default=32), keys.flag("use_sliding_window", False)
    window = keys.size("sliding_window", 4096) if slides else None
    first = keys.size("max_window_layers", 28, least=0) if slides else count
    keys.read |= {"sliding_window", "max_window_layers"}
    return windowed(keys, config, count, window, lambda layer: slides and layer >= first)


FAMILY = Family(
    "qwen2",
    presets=(
        # Qwen2 0.5B: 24 such blocks. https://huggingface.co/Qwen/Qwen2-0.5B/blob/main/config.json
        Config("qwen2-0.5b", "qwen2", 896, 14, 2, 64, 4864, 1e-6, 1_000_000.0, qkv_bias=True),
    ),
    tensors=TENSORS,
    read=read,
    around={"qwen2-0.5b": Around(24, 151_936, tied_head=True, context=131_072)},
)
