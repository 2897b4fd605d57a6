"""Every family against transformers' own layers in float64, from a checkpoint and a config.json that it wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.models import FAMILIES, Config, read_model
from oneblock.workloads.ops.numpy_ops import NumpyOps

LLAMA: dict[str, Any] = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 96,
    "num_hidden_layers": 2, "vocab_size": 32, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
}  # fmt: skip
NEOX = {name: LLAMA[name] for name in LLAMA if name not in ("num_key_value_heads", "head_dim", "rms_norm_eps")}
EXPERTS = {"num_experts": 7, "num_experts_per_tok": 3, "moe_intermediate_size": 32}
DEEPSEEK = {name: LLAMA[name] for name in LLAMA if name not in ("num_key_value_heads", "head_dim")}
DEEPSEEK |= {
    "q_lora_rank": 40, "kv_lora_rank": 32, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8, "v_head_dim": 20,
    "first_k_dense_replace": 1, "n_routed_experts": 8, "n_shared_experts": 2, "moe_intermediate_size": 32,
    "num_experts_per_tok": 3, "routed_scaling_factor": 2.5,
}  # fmt: skip
GROUPS = {"topk_method": "group_limited_greedy", "n_group": 4, "topk_group": 2, "num_hidden_layers": 3}
YARN = {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 32}  # fmt: skip
LONG = {"rope_type": "longrope", "rope_theta": 10_000.0, "short_factor": [1.0 + 0.1 * i for i in range(8)],
        "long_factor": [1.5 + 0.7 * i for i in range(8)]}  # fmt: skip
# name: (transformers' class of configuration, what it is given). Past the window and past the trained context: T = 40.
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", LLAMA),
    "llama-biases": ("LlamaConfig", LLAMA | {"attention_bias": True, "mlp_bias": True}),
    "llama3": ("LlamaConfig", LLAMA | {"rope_parameters": LLAMA3}),
    "linear": ("LlamaConfig", LLAMA | {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}}),
    "dynamic": (
        "LlamaConfig",
        LLAMA | {"max_position_embeddings": 16,
                 "rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}},
    ),
    "yarn": ("LlamaConfig", LLAMA | {"rope_parameters": YARN}),
    "mistral": ("MistralConfig", LLAMA | {"sliding_window": 12}),
    "mistral-whole": ("MistralConfig", LLAMA | {"sliding_window": None}),
    "qwen2": ("Qwen2Config", LLAMA),
    "qwen2-windows": (
        "Qwen2Config", LLAMA | {"use_sliding_window": True, "sliding_window": 12, "max_window_layers": 1},
    ),
    "qwen3": ("Qwen3Config", LLAMA),
    "qwen3_moe-windows": ("Qwen3MoeConfig", LLAMA | EXPERTS | {"use_sliding_window": True, "sliding_window": 12}),
    "gemma": ("GemmaConfig", LLAMA),
    "gemma2": ("Gemma2Config", LLAMA | {"sliding_window": 12, "attn_logit_softcapping": 3.0,
                                        "query_pre_attn_scalar": 24}),
    "gemma3": ("Gemma3TextConfig", LLAMA | {"sliding_window": 12, "num_hidden_layers": 7}),
    "phi3": ("Phi3Config", LLAMA | {"sliding_window": 12, "pad_token_id": 0}),
    "phi3-long": (
        "Phi3Config",
        LLAMA | {"rope_parameters": LONG, "original_max_position_embeddings": 24, "pad_token_id": 0},
    ),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 64, "vocab_size": 32}),
    "gpt_neox": ("GPTNeoXConfig", NEOX),
    "gpt_neox-serial": (
        "GPTNeoXConfig",
        NEOX | {"use_parallel_residual": False, "rope_parameters": {
            "rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.5}},
    ),
    "mixtral": ("MixtralConfig", LLAMA | {"num_local_experts": 5, "num_experts_per_tok": 2, "sliding_window": 12}),
    "qwen3_moe": ("Qwen3MoeConfig", LLAMA | EXPERTS | {"num_hidden_layers": 3, "decoder_sparse_step": 2}),
    "qwen3_moe-normed": ("Qwen3MoeConfig", LLAMA | EXPERTS | {"norm_topk_prob": True, "mlp_only_layers": [1]}),
    "deepseek_v2": ("DeepseekV2Config", DEEPSEEK | GROUPS),
    "deepseek_v2-lite": ("DeepseekV2Config", DEEPSEEK | {"q_lora_rank": None, "first_k_dense_replace": 0}),
    "deepseek_v2-yarn": (
        "DeepseekV2Config",
        DEEPSEEK | GROUPS | {"rope_parameters": YARN | {"mscale": 0.5, "mscale_all_dim": 0.8}},
    ),
    "olmo2": ("Olmo2Config", LLAMA | {"pad_token_id": 0}),
}  # fmt: skip


def ours(
    folder: Path, layer: int, config: Config, x: np.ndarray, cache: dict[str, np.ndarray],
    checkpoint: str = "model.safetensors",
) -> np.ndarray:  # fmt: skip
    """The block's answer in float64, from the files in a folder."""
    phase = Phase.DECODE if cache else Phase.PREFILL
    S = next(iter(cache.values())).shape[-2] if cache else x.shape[1]
    block, case = workloads.load("block"), Case("block", config, phase, 1, x.shape[1], S)
    weights = load_weights(block, case, "float32", folder / checkpoint, layer)
    arrays = {name: weight.astype(np.float64) for name, weight in weights.items()} | cache | {"x": x}
    tables = {name: spec.table(config, case.T, S) for name, spec in block.specs(case).items() if spec.table is not None}
    return np.asarray(block.program(NumpyOps(), case, arrays | tables)["y"])


def distance(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


@pytest.fixture(scope="module", params=MODELS)
def written(request: pytest.FixtureRequest, authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    from tests.helpers.transformers_models import made

    kind, given = MODELS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    model = made(getattr(authority, kind)(**given))
    model.save_pretrained(folder)
    return model, folder


def test_prefill_is_transformers(written: Any) -> None:
    from tests.helpers.transformers_models import prefill

    model, folder = written
    told = read_model(folder)
    for layer, seen in enumerate(prefill(model, 40)):
        assert distance(ours(folder, layer, told.layer(layer), seen.x, {}), seen.y) <= 1e-10
    assert len(told.layers) == layer + 1


def test_decode_is_transformers(written: Any) -> None:
    from tests.helpers.transformers_models import decode

    model, folder = written
    told, S = read_model(folder), 40
    scaling = told.layer(0).rope_scaling
    if scaling is not None and scaling.kind in ("dynamic", "longrope"):
        S = 16  # beyond the context transformers keeps keys that were rotated by other frequencies
    for layer, seen in enumerate(decode(model, S)):
        cache = _cache(seen, told.layer(layer), S)
        assert distance(ours(folder, layer, told.layer(layer), seen.x, cache), seen.y) <= 1e-10


def _cache(seen: Any, config: Config, S: int) -> dict[str, np.ndarray]:
    """What transformers' cache held, as ours."""
    keys, values = _slots(seen.keys, S), _slots(seen.values, S)
    if config.latent is None:
        return {"k_cache": keys, "v_cache": values}
    # Of latent attention it keeps each token's latent, and its rotated key, whose pairs are neighbours.
    rotated = np.concatenate([values[..., 0::2], values[..., 1::2]], axis=-1)
    return {"latent_cache": np.concatenate([keys, rotated], axis=-1)[:, 0]}


def _slots(held: np.ndarray, S: int) -> np.ndarray:
    """A cache (B, K, n, D) of the last n positions as ours (B, K, S, D), of which the last slot is the new token's."""
    _, K, n, D = held.shape
    before = np.full((1, K, S - 1 - n, D), 7.0)  # no window reaches it
    return np.concatenate([before, held, np.zeros((1, K, 1, D))], axis=2)


def test_every_family_is_held_to_its_own() -> None:
    families = {name.partition("-")[0] for name in MODELS}
    assert set(FAMILIES) <= families


def test_another_property_is_another_answer(written: Any) -> None:
    """The check that says 1e-10 is shown what leaving a property out comes to."""
    from tests.helpers.transformers_models import prefill

    model, folder = written
    told, each = read_model(folder), prefill(model, 40)
    for layer in {0, len(each) - 1}:
        for other in others(told.layer(layer)):
            assert distance(ours(folder, layer, other, each[layer].x, {}), each[layer].y) > 1e-9, other


def others(config: Config) -> Iterator[Config]:
    """A configuration with one property of its own left out or changed, each in turn."""
    yield replace(config, norm_eps=config.norm_eps * 3)
    if config.rope_theta is not None:
        yield replace(config, rope_theta=config.rope_theta * 2)
    for name in ("window", "soft_cap", "score_scale", "rope_scaling"):
        if getattr(config, name) is not None:
            yield replace(config, **{name: None})
    if config.norm == "layer_norm":
        yield replace(config, parallel=not config.parallel)
    if not config.gated:
        yield replace(config, activation="gelu_erf" if config.activation == "gelu" else "gelu")
    if config.experts is not None:
        yield replace(config, renormalised=not config.renormalised)
    if config.expert_scale != 1.0:
        yield replace(config, expert_scale=1.0)
    if config.expert_groups is not None:
        yield replace(config, expert_groups=None, groups_per_token=None)
    if config.latent is not None:
        yield replace(config, latent=replace(config.latent, norm_eps=config.latent.norm_eps * 3))
