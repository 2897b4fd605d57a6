"""The whole block against transformers' own layers, built from the same weights (random, from no hub)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.models import PRESETS, Config
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.helpers.cases import TINY, TINY_GPT2, TINY_QWEN2, case

NARROW = Config("narrow-llama3", "llama", 64, 4, 2, 64, 96, 1e-5, 500_000.0, PRESETS["llama-1b"].rope_scaling)


def ours(c: Case) -> tuple[dict[str, np.ndarray], np.ndarray]:
    w = workloads.load("block")
    a = make_weights(w, c, "float32", 0) | make_inputs(w, c, "float32", 1)
    return a, w.program(NumpyOps(), c, {n: x.astype(np.float64) for n, x in a.items()})["y"]


def llama(transformers: ModuleType, c: Config) -> tuple[Any, Any]:
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

    rope: dict[str, Any] = {"rope_type": "default", "rope_theta": c.rope_theta}
    if c.rope_scaling is not None:
        s = c.rope_scaling
        rope |= {"rope_type": "llama3", "factor": s.factor, "low_freq_factor": s.low_freq_factor}
        rope |= {"high_freq_factor": s.high_freq_factor, "original_max_position_embeddings": s.original_context}
    config = transformers.LlamaConfig(
        hidden_size=c.width, num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, head_dim=c.head_width,
        intermediate_size=c.ffn_width, rms_norm_eps=c.norm_eps, rope_parameters=rope, attn_implementation="eager",
        num_hidden_layers=1, max_position_embeddings=131072,
    )  # fmt: skip
    return LlamaDecoderLayer(config, 0).eval(), LlamaRotaryEmbedding(config)


def qwen2(transformers: ModuleType, c: Config) -> tuple[Any, Any]:
    from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer, Qwen2RotaryEmbedding

    config = transformers.Qwen2Config(
        hidden_size=c.width, num_attention_heads=c.heads, num_key_value_heads=c.kv_heads, rms_norm_eps=c.norm_eps,
        intermediate_size=c.ffn_width, rope_parameters={"rope_type": "default", "rope_theta": c.rope_theta},
        num_hidden_layers=1, attn_implementation="eager", max_position_embeddings=131072,
    )  # fmt: skip
    return Qwen2DecoderLayer(config, 0).eval(), Qwen2RotaryEmbedding(config)


@pytest.mark.parametrize("c", [TINY, NARROW, TINY_QWEN2, PRESETS["qwen2-0.5b"]], ids=lambda c: c.name)
def test_the_block_is_transformers_decoder_layer(authority: ModuleType, c: Config) -> None:
    import torch

    prefill = case(config=c, n=48)
    a, y = ours(prefill)
    layer, rotary = (qwen2 if c.family == "qwen2" else llama)(authority, c)
    names = {"q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "proj": "self_attn.o_proj"}
    names |= {"gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
    state = {f"{theirs}.weight": torch.from_numpy(a[f"{our}_weight"].T.copy()) for our, theirs in names.items()}
    biases = {f"{theirs}.bias": a[f"{our}_bias"] for our, theirs in names.items() if f"{our}_bias" in a}
    assert len(biases) == (3 if c.qkv_bias else 0)
    state |= {name: torch.from_numpy(bias) for name, bias in biases.items()}
    state["input_layernorm.weight"] = torch.from_numpy(a["norm1_weight"])
    state["post_attention_layernorm.weight"] = torch.from_numpy(a["norm2_weight"])
    layer.load_state_dict(state, strict=True)
    x = torch.from_numpy(a["x"])
    positions = torch.arange(48)[None]
    mask = torch.full((48, 48), -torch.inf).triu(1)[None, None]
    with torch.no_grad():
        out = layer(x, attention_mask=mask, position_ids=positions, position_embeddings=rotary(x, positions))
    theirs = (out[0] if isinstance(out, tuple) else out).numpy().reshape(y.shape)
    np.testing.assert_allclose(theirs, y, rtol=2e-4, atol=2e-5)


def test_the_gpt2_block_is_transformers_gpt2_block(authority: ModuleType) -> None:
    import torch
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    c = TINY_GPT2
    a, y = ours(case(config=c, n=48))
    config = authority.GPT2Config(
        n_embd=c.width, n_head=c.heads, n_inner=c.ffn_width, layer_norm_epsilon=c.norm_eps, attn_implementation="eager"
    )
    block = GPT2Block(config, 0).eval()
    state = {
        "attn.c_attn.weight": np.concatenate([a["q_weight"], a["k_weight"], a["v_weight"]], axis=1),
        "attn.c_attn.bias": np.concatenate([a["q_bias"], a["k_bias"], a["v_bias"]]),
    }
    for theirs, our in (
        ("ln_1", "norm1"),
        ("ln_2", "norm2"),
        ("attn.c_proj", "proj"),
        ("mlp.c_fc", "up"),
        ("mlp.c_proj", "down"),
    ):
        state |= {f"{theirs}.weight": a[f"{our}_weight"], f"{theirs}.bias": a[f"{our}_bias"]}
    block.load_state_dict({n: torch.from_numpy(np.ascontiguousarray(w)) for n, w in state.items()}, strict=False)
    mask = torch.full((48, 48), -torch.inf).triu(1)[None, None]
    with torch.no_grad():
        out = block(torch.from_numpy(a["x"]), attention_mask=mask)
    theirs_y = (out[0] if isinstance(out, tuple) else out).numpy().reshape(y.shape)
    np.testing.assert_allclose(theirs_y, y, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("c", [TINY, TINY_GPT2, TINY_QWEN2, PRESETS["gpt2"]], ids=lambda c: c.name)
@pytest.mark.parametrize("phase", Phase)
def test_flops_of_the_products_are_those_that_torch_counts(authority: ModuleType, c: Config, phase: Phase) -> None:
    """torch's own counter sees the matrix products, the masked half of the scores too, and nothing elementwise."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from oneblock import backends
    from oneblock.backends.api.target import Target

    del authority
    k = case(config=c, phase=phase, n=64)
    w = workloads.load("block")
    a = make_weights(w, k, "float32", 0) | make_inputs(w, k, "float32", 1)
    executable = backends.load("torch_eager").compile(w, k, a, "plain", Target("cpu")).executable
    assert executable is not None
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        executable.program(executable.put(a))  # type: ignore[attr-defined]
    masked = 4 * k.B * c.heads * c.head_width * (k.T * (k.T - 1) // 2)  # seen by the counter, not by the formula
    formula = sum(cost.flops for cost in w.costs(k, 4))
    assert 0 <= formula - (counter.get_total_flops() - masked) <= 0.10 * formula
