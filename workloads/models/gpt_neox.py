"""GPT-NeoX and Pythia: LayerNorm, the exact GELU, biases, both halves in parallel, a part of each head rotated."""

from __future__ import annotations

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, Tensors, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models._keys import Keys, same

_PARTS = {"norm1": "input_layernorm", "norm2": "post_attention_layernorm", "proj": "attention.dense"}
_PARTS |= dict.fromkeys(("q", "k", "v"), "attention.query_key_value")
_PARTS |= {"up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h"}
_TABLES = ("attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq")


def read(keys: Keys, name: str) -> list[Config]:
    """Every layer is the same."""
    bias = keys.flag("attention_bias", True)
    config = block(
        keys, "gpt_neox", name, norm="layer_norm", eps=("layer_norm_eps", 1e-5),
        activation=activation(keys, default="gelu"), gated=False, qkv_bias=bias, proj_bias=bias, mlp_bias=True,
        parallel=keys.flag("use_parallel_residual", True),
    )  # fmt: skip
    base = keys.number("rotary_emb_base", 10_000.0)
    if not keys.has("rope_parameters"):  # there it is called rotary_pct
        keys.only("partial_rotary_factor", keys.values.get("rotary_pct", 0.25))
    rotation = rope(keys, config.head_width, base, 0.25)
    if keys.has("rotary_emb_base"):
        same(keys.where, [("rotary_emb_base", base), ("rope_theta", rotation["rope_theta"])])
    return [config.with_rope(**rotation)] * layers(keys, default=44)


FAMILY = Family(
    "gpt_neox",
    presets=(),
    tensors=Tensors(
        "gpt_neox.", "layers", _PARTS, transposed=True, by_head=True, ignored=_TABLES,
        embedding="embed_in", final_norm="final_layer_norm", head="embed_out",
    ),
    read=read,
)  # fmt: skip
