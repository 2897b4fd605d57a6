"""A config.json is read whole: what is not modelled, contradicts itself or is broken is refused in a sentence."""

from __future__ import annotations

import json
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase, Spec
from oneblock.workloads.models import FAMILIES, Config, Latent, Model, ModelError, read_model

MISTRAL: dict[str, Any] = {
    "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 128, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
    "rope_scaling": None, "hidden_act": "silu", "num_hidden_layers": 3, "torch_dtype": "bfloat16", "vocab_size": 99,
}  # fmt: skip
LLAMA = MISTRAL | {"model_type": "llama", "max_position_embeddings": 8192}
QWEN2 = MISTRAL | {"model_type": "qwen2"}
GEMMA2 = MISTRAL | {"model_type": "gemma2"}
GEMMA3, GEMMA = MISTRAL | {"model_type": "gemma3_text"}, MISTRAL | {"model_type": "gemma", "hidden_act": None}
NEOX = {name: MISTRAL[name] for name in MISTRAL if name not in ("num_key_value_heads", "hidden_act", "rms_norm_eps")}
NEOX |= {"model_type": "gpt_neox"}


def write(folder: Path, told: Any) -> Path:
    path = folder / "config.json"
    path.write_bytes(told if isinstance(told, bytes) else json.dumps(told).encode())
    return path


def refusal(folder: Path, told: Any) -> str:
    with pytest.raises(ModelError) as error:
        read_model(write(folder, told))
    said = str(error.value)
    assert said.isprintable()
    assert len(said) < 1500
    return said


def test_a_model_is_what_its_config_says_and_what_it_leaves_out_is_told(tmp_path: Path) -> None:
    model = read_model(write(tmp_path, MISTRAL))
    config = model.layer(2)
    assert (config.rope_theta, config.norm_eps, config.window, config.family) == (10_000.0, 1e-6, 4096, "mistral")
    assert (len(model.layers), model.vocabulary, model.tied_head, model.context) == (3, 99, False, None)
    assert dict(model.assumed) == {"sliding_window": 4096, "tie_word_embeddings": False}
    assert read_model(tmp_path) == model, "its folder"
    with pytest.raises(ModelError, match="expected a layer from 0 to 2, got 3"):
        model.layer(3)


@pytest.mark.parametrize(
    ("told", "says"),
    [
        (MISTRAL | {"quantization_config": {"bits": 4}}, "not modelled: quantization_config="),
        (MISTRAL | {"attention_sinks": 4, "hidden_size": 64}, "not modelled: attention_sinks=4"),
        (MISTRAL | {"rope_scaling": {"rope_type": "mrope"}}, "rope_type: expected one of default"),
        (MISTRAL | {"rope_scaling": {"type": "linear", "factor": 2, "warp": 3}}, "rope_scaling: not modelled: warp=3"),
        (LLAMA | {"rope_scaling": {"type": "linear", "rope_type": "dynamic", "factor": 2}}, "contradicts itself"),
        (LLAMA | {"rope_parameters": {"rope_theta": 5.0}}, "itself: rope_theta=10000.0, rope_parameters=5.0"),
        (MISTRAL | {"hidden_act": "relu"}, "hidden_act: expected one of silu, .* got relu"),
        (MISTRAL | {"hidden_act": "gelu"}, "activation=gelu_erf gated=True, which no operation does"),
        (MISTRAL | {"num_key_value_heads": 3}, "heads=4 is not a multiple of kv_heads=3"),
        (MISTRAL | {"num_attention_heads": 10**12, "num_key_value_heads": 7}, "is not a multiple of kv_heads=7"),
        (MISTRAL | {"num_hidden_layers": 10**9}, "num_hidden_layers: expected at most 10,000, got 1000000000"),
        (MISTRAL | {"hidden_size": -64}, "hidden_size: expected a whole number from 1"),
        (MISTRAL | {"hidden_size": 64.0}, "hidden_size: expected a whole number from 1"),
        (MISTRAL | {"hidden_size": True}, "hidden_size: expected a whole number from 1"),
        (MISTRAL | {"intermediate_size": 10**300}, "intermediate_size: expected a whole number from 1"),
        (MISTRAL | {"rms_norm_eps": "1e-6"}, "rms_norm_eps: expected a positive number, got '1e-6'"),
        (MISTRAL | {"sliding_window": 0}, "sliding_window: expected a whole number from 1"),
        (MISTRAL | {"sliding_window": [4096]}, "sliding_window: expected a whole number from 1"),
        ({k: v for k, v in MISTRAL.items() if k != "hidden_size"}, "no hidden_size, which this family needs"),
        (MISTRAL | {"head_dim": None, "hidden_size": 66}, "hidden_size=66 is no multiple of 4 heads"),
        (MISTRAL | {"head_dim": 15}, "head_width must be even, got 15"),
        (QWEN2 | {"layer_types": ["full_attention"]}, "layer_types: expected 3 words"),
        (QWEN2 | {"layer_types": ["linear_attention"] * 3}, "not modelled: layer_types=linear_attention"),
        (GEMMA2 | {"attention_bias": True}, "not modelled: attention_bias=True"),
        (GEMMA2 | {"use_bidirectional_attention": True}, "not modelled: use_bidirectional_attention=True"),
        (MISTRAL | {"model_type": "mistrall"}, "unknown model_type 'mistrall'; did you mean 'mistral'"),
        (MISTRAL | {"model_type": "granite"}, "unknown model_type 'granite'"),
        (MISTRAL | {"model_type": None}, "model_type: expected one of"),
        (MISTRAL | {"model_type": ["mistral"]}, "model_type: expected one of"),
        (MISTRAL | {"model_type": "\x1b[31mred"}, "model_type: expected one of"),
        ({"model_type": "llava", "text_config": MISTRAL | {"surprise": 1}}, "text_config: not modelled: surprise=1"),
        ({"model_type": "paligemma", "text_config": MISTRAL}, "model_type around text_config: expected one of gemma3"),
        (LLAMA | {"rope_scaling": {"type": "linear", "factor": 2, "rope_theta": 5}}, "contradicts itself: rope_theta"),
        (LLAMA | {"partial_rotary_factor": 0.5}, "not modelled: partial_rotary_factor=0.5 .this family rotates all"),
        (LLAMA | {"rope_scaling": {"partial_rotary_factor": 0.5}}, "not modelled: partial_rotary_factor=0.5"),
        (LLAMA | {"rope_theta": 10**400}, "rope_theta: expected a positive number"),
        (LLAMA | {"rms_norm_eps": 10**400}, "rms_norm_eps: expected a positive number"),
        (LLAMA | {"rope_interleaved": True}, "not modelled: rope_interleaved=True"),
        (QWEN2 | {"use_mrope": True}, "not modelled: use_mrope=True"),
        (NEOX | {"rotary_emb_base": 500}, "contradicts itself: rotary_emb_base=500.0, rope_theta=10000.0"),
        (NEOX | {"partial_rotary_factor": 0.5}, "not modelled: partial_rotary_factor=0.5 .modelled: 0.25"),
        (GEMMA | {"hidden_act": "silu", "hidden_activation": "gelu_pytorch_tanh"}, "itself: hidden_act=silu"),
        (GEMMA3 | {"attn_logit_softcapping": 3.0}, "not modelled: attn_logit_softcapping=3.0"),
        (GEMMA2 | {"sliding_window_size": 7}, "not modelled: sliding_window_size=7"),
        (LLAMA | {"head_dim": 2, "rope_scaling": {"type": "dynamic", "factor": 2}}, "more than 2 rotated dimensions"),
        (LLAMA | {"rope_theta": 1e308, "rope_scaling": {"type": "dynamic", "factor": 1e300}}, "at most 1e.30"),
        (LLAMA | {"rope_theta": 1, "rope_scaling": {"type": "yarn", "factor": 2}}, "a rope_theta other than 1"),
        ([MISTRAL], "expected a JSON object, got a list"),
        (b"\xff\xfe{", "not a readable JSON file"),
        (b"{" * 100, "not a readable JSON file"),
        (b"[" * 10**6, "not a readable JSON file"),
        (b"", "not a readable JSON file"),
        (MISTRAL | {"x" * 10**5 + "\x1b[2J": 1}, "not modelled: 'x+"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, told: Any, says: str) -> None:
    assert re.search(says, refusal(tmp_path, told))


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.json", Path("/dev/null")):
        with pytest.raises(ModelError, match=r"expected a model's config\.json, or a folder with one"):
            read_model(path)
    huge = tmp_path / "config.json"
    with huge.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(ModelError, match="at most 16777216 bytes, got 1000000000"):
        read_model(huge)


def test_a_model_that_sees_keeps_its_text_in_an_object_of_its_own(tmp_path: Path) -> None:
    told = {"model_type": "llava", "text_config": MISTRAL, "vision_config": {"hidden_size": 1}}
    assert read_model(write(tmp_path, told)).layers == read_model(write(tmp_path, MISTRAL)).layers


@pytest.mark.parametrize(
    ("told", "more"),
    [
        (LLAMA, {"is_llama_config": True, "rope_interleaved": False, "transformers.js_config": {"dtype": "q4"}}),
        (LLAMA, {"max_sequence_length": 2048}),
        (QWEN2, {"use_mrope": False, "max_window_layers": 0}),
        (GEMMA2, {"sliding_window_size": 4096}),
        (GEMMA, {"hidden_act": "gelu"}),
        (GEMMA, {"hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh"}),
        (MISTRAL | {"model_type": "phi3"}, {"full_attn_mod": 1, "interpolate_factor": 1, "lm_head_bias": False}),
        (NEOX, {"attention_probs_dropout_prob": 0, "hidden_dropout_prob": 0}),
    ],
)
def test_what_published_models_have_and_computes_nothing_is_read(
    tmp_path: Path, told: dict[str, Any], more: dict[str, Any]
) -> None:
    assert read_model(write(tmp_path, told | more)).layers == read_model(write(tmp_path, told)).layers


def test_a_base_within_the_scaling_counts(tmp_path: Path) -> None:
    told = {name: value for name, value in LLAMA.items() if name != "rope_theta"}
    scaling = {"rope_type": "linear", "factor": 8, "rope_theta": 55}
    assert read_model(write(tmp_path, told | {"rope_scaling": scaling})).layer(0).rope_theta == 55


def test_both_forms_of_a_rotation_are_one(tmp_path: Path) -> None:
    scaling = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 512}
    older = LLAMA | {"rope_scaling": scaling | {"rope_type": "llama3"}}
    newer = {k: v for k, v in LLAMA.items() if not k.startswith("rope_")}
    newer |= {"rope_parameters": scaling | {"rope_type": "llama3", "rope_theta": 10_000.0}}
    assert read_model(write(tmp_path, older)) == read_model(write(tmp_path, newer))


def test_every_key_that_transformers_writes_is_read_or_harmless(tmp_path: Path, authority: Any) -> None:
    """What its classes write by default is read for each family, and a property that is not default is not lost."""
    classes = {
        "llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config",
        "gemma": "GemmaConfig", "gemma2": "Gemma2Config", "gemma3": "Gemma3TextConfig", "phi3": "Phi3Config",
        "mixtral": "MixtralConfig", "qwen3_moe": "Qwen3MoeConfig",
        "gpt2": "GPT2Config", "gpt_neox": "GPTNeoXConfig", "olmo2": "Olmo2Config",
        "deepseek_v2": "DeepseekV2Config",
    }  # fmt: skip
    assert classes.keys() == FAMILIES.keys()
    for family, name in classes.items():
        given = getattr(authority, name)(**({"num_experts_per_tok": 6} if family == "deepseek_v2" else {}))
        given.save_pretrained(tmp_path)
        model = read_model(tmp_path)
        assert model.family == family
        assert len(model.layers) == given.num_hidden_layers
        assert model.layer(0).width == given.hidden_size
        assert model.tied_head == given.tie_word_embeddings


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"topk_method": "noaux_tc"}, "topk_method: expected one of greedy, group_limited_greedy, got noaux_tc"),
        ({"scoring_func": "sigmoid"}, "not modelled: scoring_func=sigmoid"),
        ({"norm_topk_prob": True}, "not modelled: norm_topk_prob=True"),
        ({"moe_layer_freq": 2}, "not modelled: moe_layer_freq=2"),
        ({"attention_bias": True}, "not modelled: attention_bias=True"),
        ({"num_key_value_heads": 2}, "not modelled: num_key_value_heads=2"),
        ({"n_group": 3}, "expected expert_groups of equally many experts, .* expert_groups=3"),
        ({"topk_group": 1, "num_experts_per_tok": 3}, "as many as a token takes, .* groups_per_token=1"),
        ({"n_group": None}, "no n_group, which this family needs"),
        ({"n_routed_experts": None}, "no n_routed_experts, which this family needs"),
        ({"qk_rope_head_dim": 7}, "rope_width must be even, got 7"),
        ({"partial_rotary_factor": 0.5}, "not modelled: partial_rotary_factor=0.5"),
        ({"first_k_dense_replace": -1}, "first_k_dense_replace: expected a whole number from 0"),
        ({"model_type": "deepseek_v3"}, "unknown model_type 'deepseek_v3'; did you mean 'deepseek_v2'"),
    ],
)
def test_what_is_not_modelled_of_deepseek_is_refused(tmp_path: Path, told: dict[str, Any], says: str) -> None:
    assert re.search(says, refusal(tmp_path, WHOLE["deepseek_v2"] | told))


def test_the_published_config_of_deepseek_v2_is_read(tmp_path: Path) -> None:
    """The keys of deepseek-ai/DeepSeek-V2's own config.json, with its numbers."""
    scaling = {"beta_fast": 32, "beta_slow": 1, "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
               "original_max_position_embeddings": 4096, "type": "yarn"}  # fmt: skip
    told = {
        "architectures": ["DeepseekV2ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0,
        "aux_loss_alpha": 0.001, "bos_token_id": 100000, "eos_token_id": 100001, "ep_size": 1,
        "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02,
        "intermediate_size": 12288, "kv_lora_rank": 512, "max_position_embeddings": 163840,
        "model_type": "deepseek_v2", "moe_intermediate_size": 1536, "moe_layer_freq": 1, "n_group": 8,
        "n_routed_experts": 160, "n_shared_experts": 2, "norm_topk_prob": False, "num_attention_heads": 128,
        "num_experts_per_tok": 6, "num_hidden_layers": 60, "num_key_value_heads": 128, "pretraining_tp": 1,
        "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "rms_norm_eps": 1e-06,
        "rope_scaling": scaling, "rope_theta": 10000, "routed_scaling_factor": 16.0, "scoring_func": "softmax",
        "seq_aux": True, "tie_word_embeddings": False, "topk_group": 3, "topk_method": "group_limited_greedy",
        "torch_dtype": "bfloat16", "use_cache": True, "v_head_dim": 128, "vocab_size": 102400,
    }  # fmt: skip
    model = read_model(write(tmp_path, told))
    first, other = model.layer(0), model.layer(59)
    assert first.latent == other.latent == Latent(512, 64, 128, 1536)
    assert (first.experts, first.ffn_width, first.head_width) == (None, 12288, 192)
    assert (other.experts, other.ffn_width, other.shared_width, other.expert_scale) == (160, 1536, 3072, 16.0)
    assert other.score_scale == pytest.approx(192**-0.5 * (0.1 * 0.707 * math.log(40) + 1) ** 2)
    assert other.rope_scaling is not None
    assert other.rope_scaling.attention_factor == 1.0
    # "236B total parameters, of which 21B are activated for each token" (DeepSeek-AI 2024, abstract).
    each = [sum(math.prod(s.shape) for s in stored(config).values()) for config in model.layers]
    assert sum(each) + 2 * 102400 * 5120 == pytest.approx(236e9, rel=0.005)
    idle = 59 * (160 - 6) * 3 * 5120 * 1536
    assert sum(each) + 2 * 102400 * 5120 - idle == pytest.approx(21e9, rel=0.03)


def stored(config: Config) -> dict[str, Spec]:
    """The weights of a layer."""
    specs = workloads.load("block").specs(Case("block", config, Phase.PREFILL, 1, 2, 2))
    return {name: spec for name, spec in specs.items() if not spec.is_input and spec.table is None}


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=True), st.text(max_size=30),
    st.lists(st.integers(-5, 5), max_size=4), st.dictionaries(st.text(max_size=8), st.integers(), max_size=3),
    st.just({"rope_type": "yarn", "factor": 1e-300}), st.just({"rope_type": "longrope", "short_factor": [0.0]}),
)  # fmt: skip
OF_DEEPSEEK = {
    "num_key_value_heads": None, "head_dim": None, "q_lora_rank": 24, "kv_lora_rank": 32, "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8, "v_head_dim": 20, "first_k_dense_replace": 1, "n_routed_experts": 8, "n_shared_experts": 2,
    "moe_intermediate_size": 32, "num_experts_per_tok": 3, "n_group": 4, "topk_group": 2,
    "topk_method": "group_limited_greedy", "scoring_func": "softmax",
}  # fmt: skip
EXTRA: dict[str, dict[str, Any]] = {
    "deepseek_v2": OF_DEEPSEEK,
    "mixtral": {"num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen3_moe": {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
    "phi3": {"max_position_embeddings": 64},
    "gpt2": {"n_embd": 64, "n_head": 4, "n_layer": 3},
    "gpt_neox": {"rms_norm_eps": None, "layer_norm_eps": 1e-5, "hidden_act": "gelu"},
}
WHOLE = {
    name: ({} if name == "gpt2" else MISTRAL) | EXTRA.get(name, {}) | {"model_type": family.types[0]}
    for name, family in FAMILIES.items()
}
for _name in ("gemma", "gemma2", "gemma3"):
    WHOLE[_name] = WHOLE[_name] | {"hidden_act": None, "hidden_activation": "gelu_pytorch_tanh"}
OWN = (
    "use_sliding_window", "sliding_window", "max_window_layers", "layer_types", "attn_logit_softcapping", "rotary_pct",
    "query_pre_attn_scalar", "rope_parameters", "partial_rotary_factor", "num_experts_per_tok", "mlp_only_layers",
    "decoder_sparse_step", "text_config", "_name_or_path", "sliding_window_pattern", "n_inner", *OF_DEEPSEEK,
)  # fmt: skip


@pytest.mark.parametrize("family", WHOLE)
def test_each_family_is_read_by_itself(tmp_path: Path, family: str) -> None:
    assert read_model(write(tmp_path, WHOLE[family])).family == family


def read(path: Path) -> Model | str:
    """The model, or the sentence."""
    try:
        return read_model(path)
    except ModelError as error:
        return str(error)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.dictionaries(st.sampled_from([*MISTRAL, *OWN]), ODD, max_size=4))
def test_whatever_a_file_says_the_answer_is_a_model_or_a_sentence(family: str, odd: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = read(write(Path(folder), WHOLE[family] | odd))
    if isinstance(found, str):
        assert found.isprintable()
        assert len(found) < 1500
        return
    assert 1 <= len(found.layers) <= 10_000
    block = workloads.load("block")
    for config in set(found.layers):
        assert block.specs(Case("block", config, Phase.PREFILL, 1, 2, 2)).keys() & {"q_weight", "q_b_weight"}
