"""GPT-2: LayerNorm, GELU, biases everywhere, and positions that were added before the first block."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Around, Family, Tensors, activation, layers
from oneblock.workloads.models._keys import Keys

_PARTS = {"norm1": "ln_1", "norm2": "ln_2", "proj": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj"}
_PARTS |= dict.fromkeys(("q", "k", "v"), "attn.c_attn")


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same."""
    keys.only("add_cross_attention", False)
    keys.only("scale_attn_weights", True)
    keys.only("scale_attn_by_inverse_layer_idx", False)
    keys.only("reorder_and_upcast_attn", False)
    C, N = keys.size("n_embd"), keys.size("n_head")
    if C % N:
        raise keys.wrong("n_head", f"a divisor of n_embd={C}", N)
    config = Config(
        name=name, family="gpt2", width=C, heads=N, kv_heads=N, head_width=C // N,
        ffn_width=keys.size("n_inner", 4 * C), norm_eps=keys.number("layer_norm_epsilon", 1e-5),
        norm="layer_norm", activation=activation(keys, "activation_function", "gelu_new"), gated=False,
        qkv_bias=True, proj_bias=True, mlp_bias=True,
    )  # fmt: skip
    return [config] * layers(keys, "n_layer", 12)


FAMILY = Family(
    "gpt2",
    presets=(
        # GPT-2 small, 124M: 12 such blocks. https://huggingface.co/openai-community/gpt2/blob/main/config.json
        Config(
            "gpt2", "gpt2", 768, 12, 12, 64, 3072,
            norm="layer_norm", activation="gelu", gated=False, qkv_bias=True, proj_bias=True, mlp_bias=True,
        ),
    ),
    tensors=Tensors(
        "transformer.", "h", _PARTS, transposed=False, ignored=("attn.bias", "attn.masked_bias"),
        embedding="wte", final_norm="ln_f",
    ),
    read=read,
    ties_head=True,
    learned_positions=True,
    around={"gpt2": Around(12, 50_257, tied_head=True, context=1024)},
)  # fmt: skip
