"""Llama: RMSNorm, RoPE, grouped heads and SwiGLU, no biases. TinyLlama and SmolLM are of it, too."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Around, Family, Tensors, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models._rope_scaling import RopeScaling

PARTS = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm", "proj": "self_attn.o_proj"}
PARTS |= {part: f"self_attn.{part}_proj" for part in ("q", "k", "v")}
PARTS |= {part: f"mlp.{part}_proj" for part in ("gate", "up", "down")}
TENSORS = Tensors("model.", "layers", PARTS, transposed=True, ignored=("self_attn.rotary_emb.inv_freq",))


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same."""
    bias = keys.flag("attention_bias", False)
    config = block(
        keys, "llama", name, qkv_bias=bias, proj_bias=bias, mlp_bias=keys.flag("mlp_bias", False),
        activation=activation(keys),
    )  # fmt: skip
    return [config.with_rope(**rope(keys, config.head_width))] * layers(keys, default=32)


FAMILY = Family(
    "llama",
    presets=(
        # For tests: every feature of the family, small enough for an interpreter.
        Config("tiny", "llama", 64, 4, 2, 16, 128, rope_theta=10_000.0),
        # Llama 3.2 1B: 16 such blocks. https://huggingface.co/meta-llama/Llama-3.2-1B/blob/main/config.json
        Config("llama-1b", "llama", 2048, 32, 8, 64, 8192, 1e-5, 500_000.0, RopeScaling(32.0, 1.0, 4.0, 8192)),
        # Llama 3.1 8B: 32 such blocks. https://huggingface.co/meta-llama/Llama-3.1-8B/blob/main/config.json
        Config("llama-8b", "llama", 4096, 32, 8, 128, 14336, 1e-5, 500_000.0, RopeScaling(8.0, 1.0, 4.0, 8192)),
    ),
    tensors=TENSORS,
    read=read,
    around={
        "tiny": Around(2, 256, tied_head=True, context=256),
        "llama-1b": Around(16, 128_256, tied_head=True, context=131_072),
        "llama-8b": Around(32, 128_256, tied_head=False, context=131_072),
    },
)
