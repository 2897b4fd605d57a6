"""A model's parameters against transformers' own models, made without memory (on the meta device)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from oneblock.workloads import _parameters
from oneblock.workloads.models import PRESETS, ModelError, preset_model, read_model
from tests.workloads.models.test_config_json import MISTRAL, write
from tests.workloads.models.test_families import MODELS

# The models of the presets, as their published config.json has them.
_LLAMA: dict[str, Any] = {
    "hidden_size": 2048, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 8192,
    "num_hidden_layers": 16, "vocab_size": 128_256, "tie_word_embeddings": True,
}  # fmt: skip
_QWEN2: dict[str, Any] = {
    "hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2, "intermediate_size": 4864,
    "num_hidden_layers": 24, "vocab_size": 151_936, "tie_word_embeddings": True,
}  # fmt: skip
PUBLISHED: dict[str, tuple[str, dict[str, Any], int]] = {
    "gpt2": ("GPT2Config", {}, 124_439_808),
    "qwen2-0.5b": ("Qwen2Config", _QWEN2, 494_032_768),
    "llama-1b": ("LlamaConfig", _LLAMA, 1_235_814_400),
    "llama-8b": (
        "LlamaConfig",
        _LLAMA | {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                  "tie_word_embeddings": False},
        8_030_261_248,
    ),
}  # fmt: skip


def counted(authority: ModuleType, config: Any) -> int:
    """By transformers, of its own model."""
    import torch

    with torch.device("meta"):
        model = authority.AutoModelForCausalLM.from_config(config)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_knows_its_model(authority: ModuleType, tmp_path: Path, name: str) -> None:
    kind, given, count = PUBLISHED[name]
    config = getattr(authority, kind)(**given)
    config.save_pretrained(tmp_path)
    model = preset_model(name)
    assert model is not None
    parts = _parameters.of_model(model)
    assert sum(parts.values()) == count == counted(authority, config)
    assert parts == _parameters.of_model(read_model(tmp_path)), "and its config.json tells the same"


def test_every_preset_of_ours_is_of_a_model() -> None:
    assert all(preset_model(name) is not None for name in PRESETS)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("tied", [True, False])
def test_every_family_counts_as_transformers_does(authority: ModuleType, tmp_path: Path, name: str, tied: bool) -> None:
    kind, given = MODELS[name]
    config = getattr(authority, kind)(**given, tie_word_embeddings=tied)
    config.save_pretrained(tmp_path)
    model = read_model(tmp_path)
    assert model.tied_head is tied
    assert sum(_parameters.of_model(model).values()) == counted(authority, config)


def test_what_a_config_does_not_say_is_not_guessed(tmp_path: Path) -> None:
    told = {key: value for key, value in MISTRAL.items() if key != "vocab_size"}
    with pytest.raises(ModelError, match="no vocab_size: expected a model that says"):
        _parameters.of_model(read_model(write(tmp_path, told)))


def test_what_is_set_otherwise_is_so_in_every_layer(tmp_path: Path) -> None:
    model = read_model(write(tmp_path, MISTRAL))
    wider = model.with_overrides({"ffn_width": "256"})
    grown = {part: count - _parameters.of_model(model)[part] for part, count in _parameters.of_model(wider).items()}
    assert grown == {"layers": 3 * 3 * 64 * 128, "final norm": 0, "embedding": 0, "head": 0}


@pytest.mark.parametrize(
    ("said", "dtype"),
    [
        ({"torch_dtype": "bfloat16"}, "bfloat16"),
        ({"torch_dtype": None, "dtype": "torch.float16"}, "float16"),
        ({"torch_dtype": None}, None),
        ({"torch_dtype": "auto"}, None),
    ],
)
def test_a_config_says_in_which_dtype_its_weights_are(tmp_path: Path, said: dict[str, Any], dtype: str | None) -> None:
    assert read_model(write(tmp_path, MISTRAL | said)).dtype == dtype
    wrapped = {"model_type": "llava", "text_config": MISTRAL | {"torch_dtype": None}, **said}
    assert read_model(write(tmp_path, wrapped)).dtype == dtype


@pytest.mark.parametrize("said", [{"dtype": "float32"}, {"torch_dtype": 16}, {"torch_dtype": "\x1b[2J"}])
def test_a_dtype_that_is_none_is_refused(tmp_path: Path, said: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"dtype: expected a dtype such as|contradicts itself"):
        read_model(write(tmp_path, MISTRAL | said))
