"""Gemma: Llama's block with a GELU gate, and norms whose weights are stored less 1."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models.llama import TENSORS


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same. `hidden_activation` is what counts where it is told, as in Google's own release."""
    keys.only("attention_bias", False)
    keys.only("use_bidirectional_attention", False)
    keys.read.add("hidden_act")
    told = "hidden_activation" if keys.has("hidden_activation") else "hidden_act"
    keys.read.add("hidden_activation")
    form = activation(keys, told, "gelu_pytorch_tanh")
    config = block(keys, "gemma", name, kv_heads=16, head_width=256, activation=form)
    return [config.with_rope(**rope(keys, config.head_width))] * layers(keys, default=28)


FAMILY = Family("gemma", presets=(), tensors=replace(TENSORS, offset_norms=True), read=read, ties_head=True)
