"""The metadata of a GGUF file as the `config.json` that its model had, so that one text reads and refuses both.

The names are those of gguf-py's constants.py. What llama.cpp computes where a key is absent is in its llama-model.cpp,
and which key of a `config.json` became which of these in its convert_hf_to_gguf.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oneblock.workloads.gguf.header import GgufError
from oneblock.workloads.gguf.rotation import rotation
from oneblock.workloads.gguf.tensors import opened_gguf

_ALL_NEED = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count")


@dataclass(frozen=True)
class _Architecture:
    """One of llama.cpp's architectures: whose family it is, and what it has beside the keys of most."""

    family: str
    keys: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ("attention.layer_norm_rms_epsilon",)
    renamed: Mapping[str, str] = field(default_factory=dict)  # how its config.json calls what most call otherwise
    biases: Mapping[str, str] = field(default_factory=dict)  # keys that its tensors alone tell, and by which
    default: Mapping[str, Any] = field(default_factory=dict)  # what llama.cpp computes where no key says so
    scaled_by_width: tuple[int, ...] = ()  # of models of so many layers scores are scaled by C / N, of others by D


_WINDOW = {"attention.sliding_window": "sliding_window"}
_CAPS = {"attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping"}
_LOCAL = {"rope.freq_base_swa": "rope_local_base_freq", "attention.sliding_window_pattern": "sliding_window_pattern"}
_SOME = {"expert_count": "num_local_experts", "expert_used_count": "num_experts_per_tok"}
_MANY = _SOME | {"expert_count": "num_experts", "expert_feed_forward_length": "moe_intermediate_size"}
_PARALLEL = {"attention.layer_norm_epsilon": "layer_norm_eps", "use_parallel_residual": "use_parallel_residual"}
_GPT2 = {"hidden_size": "n_embd", "num_attention_heads": "n_head", "num_hidden_layers": "n_layer"}
_GPT2 |= {"intermediate_size": "n_inner", "max_position_embeddings": "n_positions"}
_OF_ATTENTION = {"attention_bias": "blk.0.attn_q.bias"}
_RMS = _Architecture.needs
ARCHITECTURES = {
    "llama": _Architecture("llama", _WINDOW | _SOME, biases=_OF_ATTENTION | {"mlp_bias": "blk.0.ffn_down.bias"}),
    "qwen2": _Architecture("qwen2"),
    "qwen3": _Architecture("qwen3", biases=_OF_ATTENTION),
    "qwen3moe": _Architecture(
        "qwen3_moe", _MANY | {"expert_weights_norm": "norm_topk_prob"}, (*_RMS, *_MANY), biases=_OF_ATTENTION,
        default={"norm_topk_prob": True},
    ),
    "gemma": _Architecture("gemma"),
    "gemma2": _Architecture("gemma2", _WINDOW | _CAPS, scaled_by_width=(46,)),
    "gemma3": _Architecture("gemma3", _WINDOW | _CAPS | _LOCAL, (*_RMS, *_WINDOW), scaled_by_width=(62,)),
    "phi3": _Architecture("phi3", _WINDOW),
    "gpt2": _Architecture(
        "gpt2", {"attention.layer_norm_epsilon": "layer_norm_epsilon"}, ("attention.layer_norm_epsilon",), _GPT2
    ),
    "gptneox": _Architecture("gpt_neox", _PARALLEL, tuple(_PARALLEL)),
    "olmo2": _Architecture("olmo2"),
}  # fmt: skip
# Llama's graph in llama.cpp is also that of models whose config.json calls itself otherwise.
FAMILIES = {name: (one.family,) for name, one in ARCHITECTURES.items()} | {"llama": ("llama", "mistral", "mixtral")}
# Of these it rotates neighbours, and whoever converts puts the rows of q and k in that order.
NEIGHBOURS = ("llama",)
_KEYS = {
    "embedding_length": "hidden_size", "block_count": "num_hidden_layers", "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads", "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "context_length": "max_position_embeddings", "vocab_size": "vocab_size",
}  # fmt: skip
# What says nothing if it has one of these values; None: whatever it has.
_HARMLESS: dict[str, tuple[Any, ...] | None] = {
    "attention.causal": (True,), "attention.sliding_window": (0,), "expert_count": (0,), "expert_gating_func": (0, 1),
    "expert_shared_count": (0,), "expert_used_count": (0,), "expert_weights_scale": (0.0, 1.0),
    "leading_dense_block_count": (0,), "pooling_type": None, "rope.scaling.finetuned": None,
    "tensor_data_layout": ("Meta AI original pth",),
}  # fmt: skip


def config_of(path: Path) -> dict[str, Any]:
    """What a file tells, in the keys of a `config.json`; what has none there keeps its name, and is refused by it."""
    file = opened_gguf(path)
    told, name = file.header.metadata, file.architecture
    if name not in ARCHITECTURES:
        raise GgufError(f"{path}: general.architecture: expected one of {', '.join(ARCHITECTURES)}, got {name[:60]!a}")
    for key, expected in (("general.type", "model"), ("split.count", 1)):
        if told.get(key, expected) != expected:
            what = "join its parts with llama-gguf-split, and give the whole model"
            raise GgufError(f"{path}: {key}: expected {expected}, got {str(told[key])[:60]!a}: {what}")
    own = {key.removeprefix(f"{name}."): value for key, value in told.items() if key.startswith(f"{name}.")}
    for key, values in _HARMLESS.items():
        if key in own and (values is None or own[key] in values):
            del own[key]
    one = ARCHITECTURES[name]
    for key in (*_ALL_NEED, *one.needs):
        if key not in own:
            raise GgufError(f"{path}: no {name}.{key}, which a model of this architecture needs")
    called = str(told.get("general.name", "")).replace(" ", "-")
    found: dict[str, Any] = {"model_type": _model_type(one.family, own), "_name_or_path": called}
    if "token_embd.weight" in file.names:
        found["vocab_size"] = file.get_slice("token_embd.weight").get_shape()[0]
    found |= {**one.default, "tie_word_embeddings": "output.weight" not in file.names}
    found |= {key: True for key, tensor in one.biases.items() if tensor in file.names}
    found |= {key: own.pop(theirs) for theirs, key in (_KEYS | dict(one.keys)).items() if theirs in own}
    found |= _heads(one, own, found)
    if one.family != "gpt2":
        found |= rotation(file, own, found.get("head_dim"), one.family)
    found = {one.renamed.get(key, key): value for key, value in found.items() if value is not None}
    return found | {f"{name}.{key}": value for key, value in own.items()}


def _model_type(family: str, own: Mapping[str, Any]) -> str:
    """What its config.json called it: of Llama's graph there are three."""
    if family != "llama":
        return family
    return "mixtral" if "expert_count" in own else "mistral" if "attention.sliding_window" in own else "llama"


def _heads(one: _Architecture, own: dict[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Of heads their width and their number, as llama.cpp has them where no key says so."""
    C, N = found["hidden_size"], found["num_attention_heads"]
    if type(C) is not int or type(N) is not int or N < 1:
        return {}  # whoever reads them refuses them
    whole = C // N if C % N == 0 else None
    if one.family == "gpt2":  # whose config.json has no keys for them
        for key, value in (("head_count_kv", N), ("key_length", whole), ("value_length", whole)):
            if own.get(f"attention.{key}") == value:
                del own[f"attention.{key}"]
        return {}
    width = own.pop("attention.key_length", whole)
    if own.get("attention.value_length") == width:
        del own["attention.value_length"]
    heads = {"head_dim": width, "num_key_value_heads": own.pop("attention.head_count_kv", N)}
    if one.family in ("gemma2", "gemma3"):
        heads["query_pre_attn_scalar"] = whole if found["num_hidden_layers"] in one.scaled_by_width else width
    return heads
