"""Checkpoints of other architectures: none passes for one of ours, and each refusal names the cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_weights
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import PRESETS, Config, ModelError, read_model
from oneblock.workloads.models.llama import PARTS

SMALL: dict[str, Any] = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128,
    "num_hidden_layers": 1, "vocab_size": 32, "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
PLAIN = {name: value for name, value in SMALL.items() if name not in ("num_key_value_heads", "head_dim")}
T5 = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 1, "num_heads": 4, "vocab_size": 32}
GPT = {"n_embd": 64, "n_head": 4, "n_layer": 1, "n_positions": 64, "vocab_size": 32}
WHISPER = {
    "d_model": 64, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "vocab_size": 64, "pad_token_id": 0, "decoder_start_token_id": 1,
    "num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 16,
}  # fmt: skip
OPT = {"hidden_size": 64, "num_attention_heads": 4, "ffn_dim": 128, "num_hidden_layers": 1, "vocab_size": 32,
       "word_embed_proj_dim": 64, "max_position_embeddings": 64}  # fmt: skip
NEO = {"hidden_size": 64, "num_layers": 1, "attention_types": [[["global"], 1]], "num_heads": 4, "vocab_size": 32,
       "max_position_embeddings": 64}  # fmt: skip
MOE = SMALL | {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
BLOOM = {"hidden_size": 64, "n_head": 4, "n_layer": 1, "vocab_size": 32}
MAMBA = {"hidden_size": 64, "num_hidden_layers": 1, "vocab_size": 32}
DEEPSEEK_V3 = PLAIN | {
    "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 12,
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "n_group": 2, "topk_group": 1,
    "first_k_dense_replace": 0,
}  # fmt: skip
OTHERS: dict[str, dict[str, Any]] = {
    "T5": T5, "MT5": T5, "Falcon": PLAIN, "Bloom": BLOOM, "Mamba": MAMBA, "Whisper": WHISPER, "Bart": WHISPER,
    "OPT": OPT, "GPTJ": GPT | {"rotary_dim": 8}, "CodeGen": GPT | {"rotary_dim": 8}, "GPTNeo": NEO, "Phi": PLAIN,
    "StableLm": SMALL, "Cohere": SMALL, "Starcoder2": SMALL, "Bert": PLAIN, "Roberta": PLAIN, "Electra": PLAIN,
    "DistilBert": {"dim": 64, "n_heads": 4, "n_layers": 1, "hidden_dim": 128, "vocab_size": 32}, "GPTBigCode": GPT,
    "Persimmon": PLAIN, "Olmo": SMALL, "Granite": SMALL, "Nemotron": SMALL, "Qwen2Moe": MOE, "Ernie4_5_Moe": MOE,
    "DeepseekV3": DEEPSEEK_V3, "SmolLM3": SMALL, "Glm": SMALL, "Helium": SMALL, "Arcee": SMALL,
}  # fmt: skip


@pytest.fixture(params=OTHERS)
def folder(request: pytest.FixtureRequest, authority: Any, tmp_path: Path) -> Path:
    if not hasattr(authority, f"{request.param}Config"):
        pytest.skip(f"this transformers has no {request.param}")
    config = getattr(authority, f"{request.param}Config")(**OTHERS[request.param])
    authority.AutoModel.from_config(config).save_pretrained(tmp_path)
    return tmp_path


def fitting(family: str) -> Config:
    """Our configuration with the sizes of these."""
    return Config("small", family, 64, 4, 2 if family == "llama" else 4, 16, 128, rope_theta=1e4)


def test_none_passes_for_one_of_ours(folder: Path, request: pytest.FixtureRequest) -> None:
    with pytest.raises(ModelError, match="unknown model_type"):
        read_model(folder)
    block = workloads.load("block")
    refusals = []
    for config in (fitting("llama"), PRESETS["tiny"], PRESETS["gpt2"]):
        case = Case("block", config, Phase.PREFILL, 1, 4, 4)
        try:
            load_weights(block, case, "float32", folder / "model.safetensors", 0)
        except CheckpointError as error:
            refusals.append(str(error))
    same_tensors = request.node.callspec.params["folder"] in ("Granite", "SmolLM3", "Helium", "Ernie4_5_Moe")
    assert len(refusals) == (1 if same_tensors else 3), "Llama's tensors to the letter: its config.json alone can tell"
    assert all(said.startswith(str(folder)) for said in refusals)


def test_an_adapter_alone_is_no_layer(tmp_path: Path) -> None:
    part, path = "base_model.model.model.layers.0.self_attn.q_proj", tmp_path / "adapter_model.safetensors"
    save_file({f"{part}.lora_{end}.weight": np.zeros((8, 64), np.float32) for end in "AB"}, path)
    case = Case("block", fitting("llama"), Phase.PREFILL, 1, 4, 4)
    with pytest.raises(CheckpointError, match=r"q_proj\.lora_A\.weight, .*: no place in the block: an adapter"):
        load_weights(workloads.load("block"), case, "float32", path, 0)


@pytest.mark.parametrize("prefix", ["language_model.model.", "model.language_model.", "base_model.model.model.", ""])
def test_names_around_a_text_model_are_known(tmp_path: Path, prefix: str) -> None:
    case, block = Case("block", PRESETS["tiny"], Phase.PREFILL, 1, 4, 4), workloads.load("block")
    weights = make_weights(block, case, "float32", 0)
    tensors = {
        f"{prefix}layers.0.{PARTS[name.removesuffix('_weight')]}.weight": np.ascontiguousarray(weight.T)
        for name, weight in weights.items()
        if name.endswith("_weight")
    }
    save_file(tensors | {"model.vision_tower.layers.0.norm.weight": np.ones(8)}, tmp_path / "model.safetensors")
    got = load_weights(block, case, "float32", tmp_path / "model.safetensors", 0)
    assert all(np.array_equal(got[name], weight) for name, weight in weights.items())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("self_attn.qkv_proj.weight", "as in phi3: give --model its folder"),
        ("block_sparse_moe.experts.3.w1.weight", "as in mixtral: give --model its folder"),
        ("self_attn.q_norm.weight", "as in gemma3, olmo2, qwen3, qwen3_moe: give --model its folder"),
        ("self_attn.q_proj.bias", "its family has them, and this configuration has not"),
        ("mlp.down_proj.weight_scale", "scales of quantised weights"),
        ("self_attn.q_proj.qweight", "packed integers"),
        ("attention.wq.weight", "own names"),
        ("mixer.A_log", "this is another architecture"),
    ],
)
def test_a_tensor_without_a_place_is_told_whose_it_is(tmp_path: Path, name: str, says: str) -> None:
    path, case = tmp_path / "model.safetensors", Case("block", PRESETS["tiny"], Phase.PREFILL, 1, 4, 4)
    save_file({f"model.layers.0.{name}": np.ones(8, np.float32)}, path)
    with pytest.raises(CheckpointError) as error:
        load_weights(workloads.load("block"), case, "float32", path, 0)
    assert f"model.layers.0.{name}: no place in the block: " in str(error.value)
    assert says in str(error.value)
