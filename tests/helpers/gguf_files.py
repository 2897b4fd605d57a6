"""GGUF files as llama.cpp's convert_hf_to_gguf.py writes them, by its own package, from what transformers wrote.

What is done to names, rows and norms is stated here once more, from that script, and from nothing of ours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

F32 = gguf.GGMLQuantizationType.F32
ARCHITECTURES = {
    "llama": "llama", "mistral": "llama", "mixtral": "llama", "qwen2": "qwen2", "qwen3": "qwen3", "gemma": "gemma",
    "qwen3_moe": "qwen3moe", "gemma2": "gemma2", "gemma3_text": "gemma3", "phi3": "phi3", "gpt2": "gpt2",
    "gpt_neox": "gptneox", "olmo2": "olmo2",
}  # fmt: skip
Choice = Callable[[str], gguf.GGMLQuantizationType]


def written(folder: Path, path: Path, chosen: Choice = lambda name: F32, **more: Any) -> Path:
    """The model of a folder as a GGUF file; `more` is metadata beside its own, or in its place."""
    told = json.loads((folder / "config.json").read_text())
    name = ARCHITECTURES[told["model_type"]]
    writer = gguf.GGUFWriter(path, name)
    for key, value in (metadata(told) | more).items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string}
        writer.add_array(key, value) if isinstance(value, list) else add[type(value)](key, value)
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "a", "\u0120b"])
    for tensor, array in tensors(folder, told).items():
        kind = chosen(tensor) if array.ndim > 1 else F32
        writer.add_tensor(tensor, gguf.quants.quantize(array, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def metadata(told: dict[str, Any]) -> dict[str, Any]:
    """What `set_gguf_parameters` of a model's class adds."""
    kind = told["model_type"]
    name, rope = ARCHITECTURES[kind], told.get("rope_parameters") or {}
    if kind == "gpt2":
        C = told["n_embd"]
        found = {"block_count": told["n_layer"], "context_length": told["n_positions"], "embedding_length": C,
                 "feed_forward_length": 4 * C, "attention.head_count": told["n_head"],
                 "attention.layer_norm_epsilon": told["layer_norm_epsilon"]}  # fmt: skip
        return {f"{name}.{key}": value for key, value in found.items()}
    C, N = told["hidden_size"], told["num_attention_heads"]
    D = told.get("head_dim") or C // N
    found = {"block_count": told["num_hidden_layers"], "context_length": told["max_position_embeddings"],
             "embedding_length": C, "feed_forward_length": told["intermediate_size"], "attention.head_count": N,
             "vocab_size": told["vocab_size"]}  # fmt: skip
    if kind == "gpt_neox":
        found |= {"attention.layer_norm_epsilon": told["layer_norm_eps"],
                  "use_parallel_residual": told["use_parallel_residual"],
                  "rope.dimension_count": int(rope["partial_rotary_factor"] * D)}  # fmt: skip
        return {f"{name}.{key}": value for key, value in found.items()}
    found |= {"attention.head_count_kv": told["num_key_value_heads"],
              "attention.layer_norm_rms_epsilon": told["rms_norm_eps"]}  # fmt: skip
    if kind != "phi3":
        found |= {"attention.key_length": D, "attention.value_length": D}
    if name in ("llama", "phi3"):
        found |= {"rope.dimension_count": D}
    if kind in ("gemma2", "gemma3_text", "phi3"):
        found |= {"attention.sliding_window": told.get("sliding_window") or 0}
    if kind == "gemma2":
        found |= {key: float(told[key]) for key in ("attn_logit_softcapping", "final_logit_softcapping")}
    if kind == "gemma3_text":
        found |= {"rope.freq_base": rope["full_attention"]["rope_theta"]}
    elif name != "gemma":
        found |= {"rope.freq_base": float(rope["rope_theta"])}
    experts = told.get("num_local_experts") or told.get("num_experts")
    if experts:
        found |= {"expert_count": experts, "expert_used_count": told["num_experts_per_tok"]}
    if name == "qwen3moe":
        found |= {"expert_feed_forward_length": told["moe_intermediate_size"]}
    found |= _scaling(rope, told)
    return {f"{name}.{key}": value for key, value in found.items()}


def _scaling(rope: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    first = {"rope.scaling.original_context_length": told.get("original_max_position_embeddings") or 0}
    match rope.get("rope_type"):
        case "linear":
            return {"rope.scaling.type": "linear", "rope.scaling.factor": rope["factor"]}
        case "yarn":
            return {"rope.scaling.type": "yarn", "rope.scaling.factor": rope["factor"],
                    "rope.scaling.original_context_length": rope["original_max_position_embeddings"]}  # fmt: skip
        case "longrope":
            scale = told["max_position_embeddings"] / told["original_max_position_embeddings"]
            attention = math.sqrt(1 + math.log(scale) / math.log(told["original_max_position_embeddings"]))
            return first | {"rope.scaling.attn_factor": attention}
    return first if told["model_type"] == "phi3" and first["rope.scaling.original_context_length"] else {}


def tensors(folder: Path, told: dict[str, Any]) -> dict[str, np.ndarray]:
    """What `modify_tensors` and `generate_extra_tensors` make of a model's."""
    name = ARCHITECTURES[told["model_type"]]
    count = told.get("num_hidden_layers") or told["n_layer"]
    arch = next(one for one, called in gguf.MODEL_ARCH_NAMES.items() if called == name)
    names = gguf.get_tensor_name_map(arch, count)
    found: dict[str, np.ndarray] = {}
    for theirs, array in _experts_together(load_file(folder / "model.safetensors")).items():
        if theirs.endswith((".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")):
            continue
        called = names.get_name(theirs, try_suffixes=(".weight", ".bias"))
        assert called is not None, theirs
        found[called] = np.ascontiguousarray(_changed(theirs, array, name, told), np.float32)
    return found | _factors(told)


def _experts_together(held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    found = dict[str, np.ndarray]()
    experts = dict[tuple[str, str], dict[int, np.ndarray]]()
    for name, array in held.items():
        before, is_one, after = name.partition(".experts.")
        if is_one:
            number, _, rest = after.partition(".")
            experts.setdefault((before, rest), {})[int(number)] = array
        else:
            found[name] = array
    for (before, rest), each in experts.items():
        # The script calls them "layers.0.feed_forward.experts.w1" and "model.layers.0.mlp.experts.up_proj".
        root = before.replace("model.layers", "layers").replace("block_sparse_moe", "feed_forward")
        found[f"{root if rest.startswith('w') else before}.experts.{rest}"] = np.stack(
            [each[i] for i in range(len(each))]
        )
    return found


def _changed(theirs: str, array: np.ndarray, name: str, told: dict[str, Any]) -> np.ndarray:
    if name == "llama" and theirs.endswith(("q_proj.weight", "q_proj.bias")):
        return permuted(array, told["num_attention_heads"])
    if name == "llama" and theirs.endswith(("k_proj.weight", "k_proj.bias")):
        return permuted(array, told["num_key_value_heads"])
    if name.startswith("gemma") and theirs.endswith("norm.weight"):
        return array + 1
    if name == "gpt2" and theirs.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return array.T
    if name == "gptneox" and ".query_key_value." in theirs:
        N = told["num_attention_heads"]
        each = array.reshape(N, 3, told["hidden_size"] // N, *array.shape[1:])
        return np.concatenate([each[:, i].reshape(-1, *array.shape[1:]) for i in range(3)])
    return array


def permuted(array: np.ndarray, heads: int) -> np.ndarray:
    """`LlamaModel.permute`: of each head the rows i and i + D / 2 at 2 i and 2 i + 1."""
    return array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:]).swapaxes(1, 2).reshape(array.shape)


def _factors(told: dict[str, Any]) -> dict[str, np.ndarray]:
    rope = told.get("rope_parameters") or {}
    if rope.get("rope_type") == "longrope":
        return {f"rope_factors_{end}.weight": np.array(rope[f"{end}_factor"], np.float32) for end in ("long", "short")}
    if rope.get("rope_type") != "llama3":
        return {}
    D, context = told["head_dim"], rope["original_max_position_embeddings"]
    low, high, factor = (rope[key] for key in ("low_freq_factor", "high_freq_factor", "factor"))
    factors = []
    for i in range(0, D, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / D)
        smooth = (context / wavelength - low) / (high - low)
        between = 1 / ((1 - smooth) / factor + smooth)
        factors.append(1.0 if wavelength < context / high else factor if wavelength > context / low else between)
    return {"rope_freqs.weight": np.array(factors, np.float32)}
