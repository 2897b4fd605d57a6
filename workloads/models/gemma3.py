"""Gemma 3: Gemma 2's block without soft caps, with norms of queries and keys, and a local rotation in five of six."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, layers, windowed
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.gemma2 import FOUR_NORMS, gemma
from oneblock.workloads.models.llama import PARTS, TENSORS
from oneblock.workloads.models.qwen3 import QK_NORMS


def read(keys: Keys, name: str) -> list[Config]:
    """Of `sliding_window_pattern` layers the last sees all; the others slide, and rotate by a base of their own."""
    keys.only("attn_logit_softcapping")
    config = gemma(keys, "gemma3", name, None, qk_norm="head")
    count = layers(keys, default=26)
    name_of_pattern = "_sliding_window_pattern" if keys.has("_sliding_window_pattern") else "sliding_window_pattern"
    pattern = keys.size(name_of_pattern, 6)  # transformers 5 writes it beside the list of kinds that it stands for
    window = keys.size("sliding_window", 4096)
    kinds = keys.object("rope_parameters")
    if kinds is not None and any(isinstance(one, dict) for one in kinds.values.values()):
        told = {kind: kinds.object(f"{kind}_attention") for kind in ("full", "sliding")}
        kinds.rest()
        full, sliding = (
            rope(Keys(dict(keys.values) | {"rope_parameters": one.values if one else None}, keys.where, keys.assumed),
                 config.head_width, theta)
            for one, theta in zip(told.values(), (1_000_000.0, 10_000.0), strict=True)
        )  # fmt: skip
    else:
        full = rope(keys, config.head_width, 1_000_000.0)
        sliding = {"rope_theta": keys.number("rope_local_base_freq", 10_000.0)}
    keys.read |= {"rope_local_base_freq", "rope_theta", "rope_scaling"}
    each = windowed(keys, config, count, window, lambda layer: bool((layer + 1) % pattern))
    return [one.with_rope(**(full if one.window is None else sliding)) for one in each]


FAMILY = Family(
    "gemma3",
    presets=(),
    tensors=replace(TENSORS, parts=PARTS | FOUR_NORMS | QK_NORMS, offset_norms=True),
    read=read,
    model_types=("gemma3_text", "gemma3"),
    ties_head=True,
    scaled_embedding=True,
)
