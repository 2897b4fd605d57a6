"""Gemma: Llama's block with a GELU gate, and norms whose weights are stored less 1."""

from __future__ import annotations

from dataclasses import replace

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import ACTIVATIONS, Family, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys, same
from oneblock.workloads.models.llama import TENSORS

_FORMS = ACTIVATIONS | {"gelu": ACTIVATIONS["gelu_pytorch_tanh"]}


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same. Of either name of the activation "gelu" means the tanh form, as in Google's release."""
    keys.only("attention_bias", False)
    keys.only("use_bidirectional_attention", False)
    told = [(one, keys.word(one, _FORMS)) for one in ("hidden_act", "hidden_activation") if keys.has(one)]
    keys.read |= {"hidden_act", "hidden_activation"}
    form = same(keys.where, told) or activation(keys, "hidden_activation", "gelu_pytorch_tanh")
    config = block(keys, "gemma", name, kv_heads=16, head_width=256, activation=form)
    return [config.with_rope(**rope(keys, config.head_width))] * layers(keys, default=28)


FAMILY = Family(
    "gemma",
    presets=(),
    tensors=replace(TENSORS, offset_norms=True),
    read=read,
    ties_head=True,
    scaled_embedding=True,
)
