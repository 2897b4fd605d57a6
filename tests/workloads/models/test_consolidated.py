"""Mistral's own files, `params.json` and `consolidated.safetensors`, against transformers' layers in float64."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from oneblock.workloads.answers.checkpoint import check_layer, stored_as
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import ModelError, read_model
from tests.workloads.models.test_families import LLAMA, distance, ours

N, K, D = 4, 2, 16
PARAMS = {"dim": 64, "n_layers": 2, "head_dim": D, "hidden_dim": 96, "n_heads": N, "n_kv_heads": K, "norm_eps": 1e-5,
          "vocab_size": 32, "sliding_window": 12, "rope_theta": 10_000.0}  # fmt: skip
# Hugging Face's name -> Mistral's, as transformers' own convert_mistral_weights_to_hf.py has them.
NAMES = {
    "self_attn.q_proj": "attention.wq", "self_attn.k_proj": "attention.wk", "self_attn.v_proj": "attention.wv",
    "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1", "mlp.down_proj": "feed_forward.w2",
    "mlp.up_proj": "feed_forward.w3", "input_layernorm": "attention_norm", "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def own(held: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors as Mistral has them: of each head the rows i and i + D / 2 at 2 i and 2 i + 1."""
    found = {"tok_embeddings.weight": held["model.embed_tokens.weight"], "norm.weight": held["model.norm.weight"]}
    for name, array in held.items():
        if not name.startswith("model.layers."):
            continue
        root, number, part = name.removeprefix("model.").removesuffix(".weight").split(".", 2)
        if part in ("self_attn.q_proj", "self_attn.k_proj"):
            rows = [
                h * D + half * (D // 2) + i for h in range(len(array) // D) for i in range(D // 2) for half in (0, 1)
            ]
            array = array[rows]
        found[f"{root}.{number}.{NAMES[part]}.weight"] = np.ascontiguousarray(array)
    return found


@pytest.fixture(scope="module")
def both(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    from tests.helpers.transformers_models import made

    folder = tmp_path_factory.mktemp("mistral")
    model = made(authority.MistralConfig(**LLAMA | {"sliding_window": 12}))
    model.save_pretrained(folder)
    save_file(own(load_file(folder / "model.safetensors")), folder / "consolidated.safetensors")
    (folder / "model.safetensors").unlink()
    return model, folder


def say(folder: Path, params: dict[str, Any]) -> Path:
    (folder / "params.json").write_text(json.dumps(params))
    return folder / "params.json"


def test_its_layers_are_transformers(both: Any) -> None:
    from tests.helpers.transformers_models import prefill

    model, folder = both
    told, whole = read_model(say(folder, PARAMS)), read_model(folder)
    assert told.layers == whole.layers
    for layer, seen in enumerate(prefill(model, 40)):
        assert distance(ours(folder, layer, told.layer(layer), seen.x, {}, "consolidated.safetensors"), seen.y) <= 1e-10
    check_layer(told.layer(0), folder / "consolidated.safetensors", 0)
    assert stored_as(told.layer(0), folder / "consolidated.safetensors", 0) == "F64"


def test_rows_that_pair_neighbours_are_not_taken_for_halves(both: Any, tmp_path: Path) -> None:
    from tests.helpers.transformers_models import prefill

    model, folder = both
    tensors = load_file(folder / "consolidated.safetensors")
    back = {theirs: name for name, theirs in NAMES.items()}
    renamed = {}
    for name, array in tensors.items():
        if name.startswith("layers."):
            number, part = name.removeprefix("layers.").removesuffix(".weight").split(".", 1)
            renamed[f"model.layers.{number}.{back[part]}.weight"] = array
    save_file(renamed, tmp_path / "model.safetensors")
    seen = prefill(model, 40)[0]
    assert distance(ours(tmp_path, 0, read_model(folder).layer(0), seen.x, {}), seen.y) > 1e-3


def test_a_folder_without_a_config_json_is_told_by_its_params(both: Any, tmp_path: Path) -> None:
    say(tmp_path, PARAMS)
    (tmp_path / "consolidated.safetensors").symlink_to(both[1] / "consolidated.safetensors")
    assert read_model(tmp_path).layers == read_model(both[1]).layers


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"moe": {"num_experts": 8, "num_experts_per_tok": 2}}, "not modelled: moe="),
        ({"vision_encoder": {"hidden_size": 1024}}, "not modelled: vision_encoder="),
        ({"quantization": {"qformat_weight": "fp8_e4m3"}}, "not modelled: quantization="),
        ({"yarn": {"beta": 32}}, "not modelled: yarn="),
        ({"n_heads": 5}, "heads=5 is not a multiple of kv_heads=2"),
        ({"hidden_dim": None}, "no hidden_dim, which a params.json of Mistral's has"),
        ({"rope_theta": None, "sliding_window": None}, "no rope_theta: Mistral's own code has had several"),
        ({"dim": "64"}, r"params\.json, as a config\.json: hidden_size: expected a whole number"),
    ],
)
def test_what_is_not_modelled_is_refused(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        read_model(say(tmp_path, PARAMS | changed))


def test_the_first_mistrals_base_is_what_its_own_code_had(tmp_path: Path) -> None:
    config = read_model(say(tmp_path, PARAMS | {"rope_theta": None})).layer(0)
    assert (config.rope_theta, config.window) == (10_000.0, 12)
    assert read_model(say(tmp_path, PARAMS | {"sliding_window": None})).layer(0).window is None


@pytest.mark.parametrize("name", ["attention.wq.qscale_weight", "attention.q_norm.weight", "feed_forward.w4.weight"])
def test_a_tensor_without_a_place_is_named(both: Any, tmp_path: Path, name: str) -> None:
    tensors = load_file(both[1] / "consolidated.safetensors")
    save_file(tensors | {f"layers.0.{name}": np.ones(1, np.float32)}, tmp_path / "consolidated.safetensors")
    with pytest.raises(CheckpointError, match=rf"layers\.0\.{name}: no place in the block"):
        check_layer(read_model(both[1]).layer(0), tmp_path / "consolidated.safetensors", 0)
