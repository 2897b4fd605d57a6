"""Hugging Face's LlamaDecoderLayer as an executable that is timed as ours are, with our weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaDecoderLayer

from oneblock.backends._torch.arrays import _to_torch as to_torch
from oneblock.workloads.models import preset

CONFIG = preset("llama-1b")


class Layer:
    """Hugging Face's layer as an executable that can be timed as ours are."""

    def __init__(self, arrays: Mapping[str, np.ndarray], *, compiled: bool) -> None:
        self.layer = _layer({name: to_torch(array) for name, array in arrays.items()})
        self.run: Callable[..., Any] = self.layer
        if compiled:
            self.run = torch.compile(self.layer, fullgraph=True, dynamic=False)
        cos, sin = (to_torch(arrays[name]).repeat(1, 2)[None] for name in ("rope_cos", "rope_sin"))  # (1, T, D)
        self.x, self.positions = to_torch(arrays["x"]), (cos, sin)

    def call(self, args: Mapping[str, Any]) -> Any:
        with torch.inference_mode():
            return self.run(self.x, position_embeddings=self.positions)

    def wait(self, out: Any) -> None:
        """On the CPU a call returns when it is done."""


def _layer(tensors: dict[str, Any]) -> Any:
    c = CONFIG
    shape = {"hidden_size": c.width, "intermediate_size": c.ffn_width, "head_dim": c.head_width}
    heads = {"num_attention_heads": c.heads, "num_key_value_heads": c.kv_heads}
    config = LlamaConfig(**shape, **heads, rms_norm_eps=c.norm_eps, attn_implementation="sdpa")
    layer = LlamaDecoderLayer(config, layer_idx=0).to(tensors["x"].dtype).eval()
    theirs = {f"self_attn.{letter}_proj": f"{letter}_weight" for letter in "qkv"}
    theirs |= {"self_attn.o_proj": "proj_weight"} | {
        f"mlp.{part}_proj": f"{part}_weight" for part in ("gate", "up", "down")
    }
    state = {f"{name}.weight": tensors[ours].t().contiguous() for name, ours in theirs.items()}
    state |= {
        "input_layernorm.weight": tensors["norm1_weight"],
        "post_attention_layernorm.weight": tensors["norm2_weight"],
    }
    layer.load_state_dict(state)  # strict: all of it, and nothing else
    return layer
