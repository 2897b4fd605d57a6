"""Whose block a cell is: a model's, by its folder or config.json, or a preset's, which a checkpoint may contradict."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.format.errors import Refused
from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_weights
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import ModelError, preset
from oneblock.workloads.models.llama import PARTS

TOLD: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 128, "num_hidden_layers": 2, "rms_norm_eps": 1e-5, "rope_theta": 10_000.0,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of two layers as `tiny`."""
    case, tensors = Case("block", preset("tiny"), Phase.PREFILL, 1, 4, 4), dict[str, np.ndarray]()
    for layer in range(2):
        for name, weight in make_weights(load("block"), case, "float32", layer).items():
            if name.endswith("_weight"):
                part = PARTS[name.removesuffix("_weight")]
                tensors[f"model.layers.{layer}.{part}.weight"] = np.ascontiguousarray(weight.T)
    where = tmp_path / "mine"
    where.mkdir()
    save_file(tensors, where / "model.safetensors")
    (where / "config.json").write_text(json.dumps(TOLD))
    return where


def query(**asked: Any) -> CellQuery:
    usual: dict[str, Any] = {"presets": (), "phases": ("prefill",), "B": (1,), "T": (8,), "S": (8,)}
    usual |= {"dtypes": ("float32",), "backends": ("reference",), "ops_sets": ("plain",), "targets": ("cpu",)}
    return CellQuery(("block",), **usual | asked)


def cells(**asked: Any) -> list[Cell]:
    return query(**asked).cells([PlatformProbe("reference", "", None, None, None, None)])


def test_a_folder_has_the_models_properties_and_its_weights(folder: Path) -> None:
    (cell,) = cells(models=(folder,), layer=1)
    assert replace(cell.case.config, name="tiny") == preset("tiny")
    assert cell.case.config.name == "llama", "the file has no name of its own"
    assert cell.weights is not None
    assert (cell.weights.path, cell.weights.layer) == (str(folder / "model.safetensors"), 1)
    expected = make_weights(load("block"), cell.case, "float32", 1)
    got = cell.weight_arrays(load("block"))
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    assert cell.assumed is None
    assert cell.weights.stored == "F32"


def test_its_config_alone_has_seeded_weights(folder: Path) -> None:
    (cell,) = cells(models=(folder / "config.json",))
    assert cell.weights is None
    (set_otherwise,) = cells(models=(folder / "config.json",), overrides=("rope_theta=5e5", "qk_norm=head"))
    assert (set_otherwise.case.config.rope_theta, set_otherwise.case.config.qk_norm) == (5e5, "head")
    assert set_otherwise.key != cell.key
    assert set_otherwise.model is None, "the file no longer tells it"


def test_a_model_and_a_preset_are_two_cells(folder: Path) -> None:
    assert [cell.case.config.name for cell in cells(models=(folder,), presets=("gpt2",))] == ["gpt2", "llama"]


def test_where_it_lies_is_no_part_of_what_it_is(folder: Path, tmp_path: Path) -> None:
    (cell,) = cells(models=(folder,))
    elsewhere = folder.rename(tmp_path / "another")
    (again,) = cells(models=(elsewhere,))
    assert (again.key, again.name) == (cell.key, cell.name)


def test_a_layer_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="a layer from 0 to 1, got 2"):
        cells(models=(folder,), layer=2)


def test_other_files_than_safetensors_are_named(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(Refused, match=r"has pytorch_model\.bin and none of model\.safetensors"):
        cells(models=(folder,))


@pytest.fixture
def packed(folder: Path, tmp_path: Path) -> Path:
    """The same model as a GGUF file, by llama.cpp's own package."""
    gguf, where = pytest.importorskip("gguf"), tmp_path / "tiny.gguf"
    from tests.helpers.gguf_files import written

    rope = {"rope_theta": TOLD["rope_theta"], "rope_type": "default"}
    more = {"max_position_embeddings": 64, "vocab_size": 32, "rope_parameters": rope}
    (folder / "config.json").write_text(json.dumps(TOLD | more))
    written(folder, where, lambda name: gguf.GGMLQuantizationType.Q8_0)
    (folder / "config.json").write_text(json.dumps(TOLD))
    return where


def test_a_gguf_file_has_its_models_properties_and_its_weights(folder: Path, packed: Path) -> None:
    (cell,), (whole,) = cells(models=(packed,), layer=1), cells(models=(folder,), layer=1)
    assert cell.case.config == whole.case.config
    assert cell.weights is not None
    assert (cell.weights.path, cell.weights.stored, cell.model) == (str(packed), "F32, Q8_0", str(packed))
    assert "stored as F32, Q8_0" in cell.otherwise
    got, exact = cell.weight_arrays(load("block")), whole.weight_arrays(load("block"))
    for name, array in exact.items():
        assert np.abs(got[name] - array).max() <= np.abs(array).max() / 127, "half a step of its blocks of 32"
    where = packed.parent / "folder"
    where.mkdir()
    packed.rename(where / packed.name)
    (again,) = cells(models=(where,), layer=1)
    assert again.key == cell.key
    assert again.weights is not None
    assert again.weights.path == str(where / packed.name)
    (where / "other.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match=r"has 2 \.gguf files and no config\.json: say which"):
        cells(models=(where,))


def test_a_gguf_file_says_what_a_preset_must(packed: Path) -> None:
    (cell,) = cells(presets=("tiny",), weights=packed)
    assert (cell.model, cell.assumed) == (str(packed), None)
    with pytest.raises(Refused, match=rf"kv_heads is 2 and not 4\. --model {packed} takes it as it is"):
        cells(presets=("tiny",), weights=packed, overrides=("kv_heads=4",))


def test_mistrals_own_file_is_taken_where_there_is_no_other(folder: Path) -> None:
    (folder / "consolidated.safetensors").write_bytes(b"")
    (cell,) = cells(models=(folder,))
    assert cell.weights is not None
    assert cell.weights.path == str(folder / "model.safetensors"), "the same model twice, as Mistral publishes it"
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"consolidated\.safetensors: not a readable \.safetensors file"):
        cells(models=(folder,))


def test_what_a_config_says_of_a_checkpoint_wins_over_the_preset(folder: Path) -> None:
    checkpoint = folder / "model.safetensors"
    (cell,) = cells(presets=("tiny",), weights=checkpoint)
    assert cell.model == str(folder / "config.json")
    assert cell.assumed is None
    (folder / "config.json").write_text(json.dumps(TOLD | {"rope_theta": 5e5, "rms_norm_eps": 1e-6}))
    with pytest.raises(Refused, match=r"norm_eps is 1e-06 and not 1e-05; rope_theta is 500000\.0 and not 10000\.0"):
        cells(presets=("tiny",), weights=checkpoint)
    (folder / "config.json").write_text(json.dumps(TOLD | {"model_type": "granite"}))
    with pytest.raises(ModelError, match="unknown model_type 'granite'"):
        cells(presets=("tiny",), weights=checkpoint)


def test_a_checkpoint_without_its_config_has_a_doubt_that_says_what_was_assumed(folder: Path) -> None:
    (folder / "config.json").unlink()
    (cell,) = cells(presets=("tiny",), weights=folder / "model.safetensors")
    assert cell.assumed is not None
    for said in ("rope_theta=10000.0", "rope_scaling=none", "norm_eps=1e-05", "window=none", "activation=silu"):
        assert said in cell.assumed
    assert cells(presets=("tiny",))[0].assumed is None, "of seeded weights nothing is assumed"


def test_a_model_is_called_as_its_file_calls_it(folder: Path) -> None:
    named = {"meta-llama/Llama-3.2-1B": "Llama-3.2-1B", "/a/b/mine": "mine", "\x1b[2J": "llama", "": "llama"}
    for told, name in named.items():
        (folder / "config.json").write_text(json.dumps(TOLD | {"_name_or_path": told}))
        assert cells(models=(folder,))[0].case.config.name == name


def test_a_layer_that_does_not_fit_its_config_is_refused_before_anything_runs(folder: Path) -> None:
    checkpoint = folder / "model.safetensors"
    tensors = load_file(checkpoint)
    name = "model.layers.0.mlp.up_proj.weight"
    for changed, says in (
        ({name: tensors[name][:, :32].copy()}, r"expected shape \(128, 64\) for llama, got \(128, 32\)"),
        ({name: tensors[name].astype(np.int8)}, "expected F64, F32, F16, BF16, got I8"),
        ({"model.layers.0.self_attn.q_norm.weight": np.ones(16, np.float32)}, "no place in the block: as in "),
    ):
        save_file(tensors | changed, checkpoint)
        with pytest.raises(CheckpointError, match=says):
            cells(models=(folder,))
    save_file({one: tensor for one, tensor in tensors.items() if one != name}, checkpoint)
    with pytest.raises(CheckpointError, match=f"no tensor {name}"):
        cells(models=(folder,))
    assert cells(models=(folder,), layer=1), "of another layer it is whole"


def test_a_checkpoint_beside_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    """Whether a preset or a model was named: what stands beside the weights is of them."""
    weights, other = folder / "model.safetensors", tmp_path / "other.json"
    other.write_text(json.dumps(TOLD | {"rope_theta": 777}))
    with pytest.raises(
        Refused, match=r"config\.json says of this checkpoint what .*other\.json does not: rope_theta is"
    ):
        cells(models=(other,), weights=weights)
    gemma = TOLD | {"model_type": "gemma", "hidden_activation": "gelu_pytorch_tanh"}
    (folder / "config.json").write_text(json.dumps(gemma))
    with pytest.raises(Refused, match="family is gemma and not llama"):
        cells(presets=("tiny",), overrides=("activation=gelu",), weights=weights)


def test_norms_that_look_as_if_stored_less_1_are_remarked_on(folder: Path) -> None:
    assert not any("negative" in one for one in query(models=(folder,)).remarks())
    tensors = load_file(folder / "model.safetensors")
    less = {name: one - 1 if "layernorm" in name else one for name, one in tensors.items()}
    save_file(less, folder / "model.safetensors")
    (said,) = [one for one in query(models=(folder,)).remarks() if "negative" in one]
    assert "of the norms' weights of layer 0 are negative, as where a family stores" in said
