"""DeepSeek-V2: latent attention, and experts of which each token takes a few beside a part that all take.

Its rotation pairs neighbours; the rows of its projections are brought into the order of our text as they are read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, activation, layers
from oneblock.workloads.models._hub_rope import mscale, rope
from oneblock.workloads.models._keys import Keys
from oneblock.workloads.models._latent import Latent
from oneblock.workloads.models.llama import PARTS, TENSORS

_PARTS = {name: part for name, part in PARTS.items() if name not in ("k", "v")}
_PARTS |= {"q_a": "self_attn.q_a_proj", "q_a_norm": "self_attn.q_a_layernorm", "q_b": "self_attn.q_b_proj"}
_PARTS |= {"kv_a": "self_attn.kv_a_proj_with_mqa", "kv_a_norm": "self_attn.kv_a_layernorm"}
_PARTS |= dict.fromkeys(("k_b", "v_b"), "self_attn.kv_b_proj")
_PARTS |= {"router": "mlp.gate"}
for _part in ("gate", "up", "down"):
    _PARTS |= {
        f"expert_{_part}": f"mlp.experts.{{}}.{_part}_proj",
        f"shared_{_part}": f"mlp.shared_experts.{_part}_proj",
    }


def read(keys: Keys, name: str) -> list[Config]:
    """The first `first_k_dense_replace` layers have one part for all tokens, the others experts."""
    for key, modelled in (("attention_bias", False), ("mlp_bias", False), ("moe_layer_freq", 1)):
        keys.only(key, modelled)
    N, width = keys.size("num_attention_heads"), keys.size("qk_nope_head_dim", 128)
    latent = _latent(keys)
    R, D = latent.rope_width, width + latent.rope_width
    for key, told in (("num_key_value_heads", N), ("head_dim", R), ("qk_head_dim", D)):
        keys.only(key, told)
    config = Config(
        name=name, family="deepseek_v2", width=keys.size("hidden_size"), heads=N, kv_heads=N, head_width=D,
        ffn_width=keys.size("intermediate_size"), norm_eps=keys.number("rms_norm_eps", 1e-6),
        activation=activation(keys), latent=latent, **_rotation(keys, R, D),
    )  # fmt: skip
    first, count = keys.size("first_k_dense_replace", 0, least=0), layers(keys)
    experts = replace(config, **_experts(keys))
    return [config if layer < first else experts for layer in range(count)]


def _latent(keys: Keys) -> Latent:
    """Of queries there is a latent of 1536, where it is left out; null is none."""
    of_queries = None
    if "q_lora_rank" not in keys.values or keys.has("q_lora_rank"):
        of_queries = keys.size("q_lora_rank", 1536)
    keys.read.add("q_lora_rank")
    return Latent(
        keys.size("kv_lora_rank", 512), keys.size("qk_rope_head_dim", 64), keys.size("v_head_dim", 128), of_queries
    )  # fmt: skip


def _rotation(keys: Keys, R: int, D: int) -> dict[str, Any]:
    """Of each head all R are rotated. `mscale_all_dim` multiplies scores by the square of YaRN's temperature."""
    rotation = rope(keys, R)
    if rotation.pop("rotary_width") is not None:
        raise keys.refused({"partial_rotary_factor": keys.values.get("partial_rotary_factor")})
    told = keys.object("rope_parameters") or keys.object("rope_scaling")
    scaling = rotation["rope_scaling"]
    if scaling is None or told is None or not told.has("mscale_all_dim"):
        return rotation
    return rotation | {"score_scale": D**-0.5 * mscale(scaling.factor, told.number("mscale_all_dim")) ** 2}


def _experts(keys: Keys) -> dict[str, Any]:
    """What a layer with experts has. Of weights that are to sum to 1, releases differ in whether they are scaled."""
    keys.only("norm_topk_prob", False)
    keys.only("scoring_func", "softmax")
    keys.read |= {"aux_loss_alpha", "seq_aux", "ep_size"}  # of training, and of where experts lie
    F, shared = keys.size("moe_intermediate_size", 1407), keys.size("n_shared_experts")
    found = {
        "experts": keys.size("n_routed_experts"), "experts_per_token": keys.size("num_experts_per_tok"),
        "expert_scale": keys.number("routed_scaling_factor", 1.0), "renormalised": False,
        "ffn_width": F, "shared_width": F * shared,
    }  # fmt: skip
    method = keys.word("topk_method", {one: one for one in ("greedy", "group_limited_greedy")}, "greedy")
    if method == "group_limited_greedy":
        found |= {"expert_groups": keys.size("n_group"), "groups_per_token": keys.size("topk_group")}
    keys.read |= {"n_group", "topk_group"}
    return found


FAMILY = Family(
    "deepseek_v2",
    presets=(),
    tensors=replace(TENSORS, parts=_PARTS, by_head=True, neighbours=("q", "q_b", "kv_a")),
    read=read,
)
