"""float8 weights are their values times their scales: against transformers, and no scale is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file

from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.checkpoint import check_layer, load_weights, stored_as
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import ModelError, read_model
from tests.workloads.models.test_families import distance, ours

SIZES = {"hidden_size": 192, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 48,
         "intermediate_size": 320, "num_hidden_layers": 1, "vocab_size": 32}  # fmt: skip
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128], "activation_scheme": "dynamic", "fmt": "e4m3"}
WEIGHTS = {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True, "dynamic": False}
GROUP = {"weights": WEIGHTS, "targets": ["Linear"], "input_activations": {"dynamic": True}}
COMPRESSED = {"quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": GROUP}}
# name: (what is behind a weight's name, the shape of its scales, what config.json says)
WAYS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "blocks": ("_scale_inv", lambda out, into: (-(-out // 128), -(-into // 128)), FP8),
    "rows": ("_scale", lambda out, into: (out, 1), COMPRESSED),
    "row": ("_scale", lambda out, into: (out,), COMPRESSED),
    "one": ("_scale", lambda out, into: (), FP8 | {"weight_block_size": None, "activation_scheme": "static"}),
    "one of one": ("_scale_inv", lambda out, into: (1,), FP8 | {"weight_block_size": None}),
}
Tensors = dict[str, np.ndarray]
_NAMES = {"float32": "F32", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e8m0fnu": "F8_E8M0"}


def save(path: Path, tensors: Tensors) -> Path:
    """By hand, as safetensors has no name for float8 in NumPy."""
    header, at = dict[str, Any](), 0
    for name, array in tensors.items():
        told = {"dtype": _NAMES[array.dtype.name], "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        header, at = header | {name: told}, at + array.nbytes
    head = json.dumps(header).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + b"".join(array.tobytes() for array in tensors.values()))
    return path


def quantised(held: Tensors, end: str, shape: Any) -> tuple[Tensors, Tensors]:
    """(float8 projections with scales, their numbers): scales of few digits, so that float32 holds the products."""
    rng, stored = np.random.default_rng(0), {name: array.astype(np.float32) for name, array in held.items()}
    numbers = dict(stored)
    for name in (one for one in held if one.endswith("_proj.weight")):
        scales = (rng.integers(1, 2**10, shape(*held[name].shape)) * 2.0**-13).astype(np.float32)
        each = scales.reshape(-1, 1) if scales.ndim < 2 else scales
        sides = zip(each.shape, held[name].shape, strict=True)
        repeated = np.kron(each, np.ones([1 if n == side else side if n == 1 else 128 for n, side in sides]))
        whole = repeated[: held[name].shape[0], : held[name].shape[1]]
        packed = np.clip(held[name] / whole, -448, 448).astype(ml_dtypes.float8_e4m3fn)
        stored |= {name: packed, name + end: scales}
        numbers[name] = packed.astype(np.float64) * whole
    return stored, numbers


@pytest.fixture(scope="module")
def model(authority: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    from tests.helpers.transformers_models import made

    folder = tmp_path_factory.mktemp("llama")
    model = made(authority.LlamaConfig(**SIZES))
    model.save_pretrained(folder)
    return model, folder


def say(folder: Path, into: Path, config: dict[str, Any]) -> None:
    told = json.loads((folder / "config.json").read_text())
    (into / "config.json").write_text(json.dumps(told | {"quantization_config": config}))


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_with_scales_is_transformers_with_their_products(model: Any, tmp_path: Path, way: str) -> None:
    import torch

    from tests.helpers.transformers_models import layers_of, prefill

    whole, folder = model
    end, shape, config = WAYS[way]
    stored, numbers = quantised(load_file(folder / "model.safetensors"), end, shape)
    save(tmp_path / "model.safetensors", stored)
    say(folder, tmp_path, config)
    with torch.no_grad():
        for name, weight in layers_of(whole)[0].named_parameters():
            weight.copy_(torch.from_numpy(numbers[f"model.layers.0.{name}"].astype(np.float64)))
    told = read_model(tmp_path).layer(0)
    check_layer(told, tmp_path / "model.safetensors", 0)
    (seen,) = prefill(whole, 24)
    assert distance(ours(tmp_path, 0, told, seen.x, {}), seen.y) <= 1e-10
    assert stored_as(told, tmp_path / "model.safetensors", 0) == "F32, F8_E4M3 with scales"


def test_blocks_are_what_transformers_makes_of_them(
    authority: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own loader multiplies where no GPU is, and asks for a package that it leaves alone then."""
    from transformers.quantizers import quantizer_finegrained_fp8

    monkeypatch.setattr(quantizer_finegrained_fp8, "is_accelerate_available", lambda: True)
    config = authority.LlamaConfig(**SIZES | {"hidden_size": 128, "head_dim": 32, "intermediate_size": 256})
    authority.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    end, shape, told = WAYS["blocks"]
    stored, _ = quantised(load_file(tmp_path / "model.safetensors"), end, shape)
    save(tmp_path / "model.safetensors", stored)
    say(tmp_path, tmp_path, told)
    theirs = authority.AutoModelForCausalLM.from_pretrained(tmp_path, dtype="float32").model.layers[0]
    case = Case("block", read_model(tmp_path).layer(0), Phase.PREFILL, 1, 4, 4)
    got = load_weights(load("block"), case, "float32", tmp_path / "model.safetensors", 0)
    for name, weight in (
        ("q", theirs.self_attn.q_proj),
        ("k", theirs.self_attn.k_proj),
        ("down", theirs.mlp.down_proj),
    ):
        assert np.array_equal(got[f"{name}_weight"].T, weight.weight.detach().numpy())


UP = "model.layers.0.mlp.up_proj"
Change = dict[str, np.ndarray | None]
ONE = np.ones((), np.float32)


@pytest.fixture
def rows(model: Any, tmp_path: Path) -> tuple[Path, Tensors]:
    stored, _ = quantised(load_file(model[1] / "model.safetensors"), *WAYS["rows"][:2])
    say(model[1], tmp_path, COMPRESSED)
    return tmp_path, stored


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({f"{UP}.weight_scale": None}, "up_proj.weight: expected F64, F32, F16, BF16, got F8_E4M3"),
        ({f"{UP}.weight": np.ones((320, 192), np.float32)}, "F8_E4M3, as .*weight_scale is beside it, got F32"),
        ({f"{UP}.weight_scale_inv": ONE}, "expected one tensor of scales beside it, got .*_scale_inv and .*_scale"),
        ({f"{UP}.weight_scale": np.ones((192, 1), np.float32)}, r"one for each row or .*, got the shape \(192, 1\)"),
        ({f"{UP}.weight_scale": np.ones((2, 2), np.float32)}, r"of \(320, 192\), got the shape \(2, 2\)"),
        ({f"{UP}.weight_scale": np.ones((320, 2), np.float32)}, r"got the shape \(320, 2\)"),
        ({f"{UP}.weight_scale": np.ones((), ml_dtypes.float8_e8m0fnu)}, "weight_scale: expected .*, got F8_E8M0"),
        ({f"{UP}.weight": None}, "up_proj.weight_scale: no place in the block"),
        ({"model.layers.0.self_attn.k_scale": ONE}, "self_attn.k_scale: no place in the block: scales of quantised"),
        ({f"{UP}.weight_zero_point": ONE}, "up_proj.weight_zero_point: no place in the block"),
        ({"model.layers.0.input_layernorm.weight_scale": ONE}, "expected F8_E4M3, as .* is beside it, got F32"),
        ({"model.layers.0.input_layernorm.input_scale": ONE}, "expected F8_E4M3, as .* is beside it, got F32"),
        ({f"{UP}.weight": np.ones((320, 192), ml_dtypes.float8_e4m3fn)[:, :96].copy()}, r"expected shape \(320, 192\)"),
    ],
)  # fmt: skip
def test_a_scale_is_used_or_named(rows: Any, changed: Change, says: str) -> None:
    folder, stored = rows
    path = save(folder / "model.safetensors", {k: v for k, v in (stored | changed).items() if v is not None})
    config = read_model(folder).layer(0)
    with pytest.raises(CheckpointError, match=says):
        check_layer(config, path, 0)
    with pytest.raises(CheckpointError, match=says):
        load_weights(load("block"), Case("block", config, Phase.PREFILL, 1, 4, 4), "float32", path, 0)


def test_every_scale_counts(rows: Any) -> None:
    folder, stored = rows
    case = Case("block", read_model(folder).layer(0), Phase.PREFILL, 1, 4, 4)

    def loaded(tensors: Tensors) -> Tensors:
        return load_weights(load("block"), case, "float32", save(folder / "model.safetensors", tensors), 0)

    before = loaded(stored)
    for name in stored:
        if name.endswith("_scale"):
            after = loaded(stored | {name: stored[name] * 2})
            assert sum(not np.array_equal(after[one], before[one]) for one in before) == 1, name
    scales = stored[f"{UP}.weight_scale"].copy()
    scales[7] = np.nan
    with pytest.raises(CheckpointError, match=r"up_proj\.weight: 192 of 61440 values are not finite"):
        loaded(stored | {f"{UP}.weight_scale": scales})


def test_scales_may_lie_in_another_shard_and_those_of_activations_are_told(rows: Any) -> None:
    folder, stored = rows
    case = Case("block", read_model(folder).layer(0), Phase.PREFILL, 1, 4, 4)
    expected = load_weights(load("block"), case, "float32", save(folder / "model.safetensors", stored), 0)
    stored[f"{UP}.input_scale"] = ONE
    shards = {name: f"{int(name.endswith('scale'))}.safetensors" for name in stored}
    for shard in set(shards.values()):
        save(folder / shard, {name: array for name, array in stored.items() if shards[name] == shard})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": shards}))
    got = load_weights(load("block"), case, "float32", index, 0)
    assert all(np.array_equal(got[name], expected[name]) for name in expected)
    said = stored_as(case.config, index, 0)
    assert said == "F32, F8_E4M3 with scales; scales of activations are not applied"


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"bits": 4, "quant_method": "gptq"}, "not modelled: quantization_config="),
        (FP8 | {"weight_block_size": [64, 64]}, r"quantization_config: not modelled: weight_block_size=\[64, 64\]"),
        (FP8 | {"fmt": "e5m2"}, "not modelled: fmt=e5m2"),
        (FP8 | {"surprise": 1}, "not modelled: surprise=1"),
        (COMPRESSED | {"kv_cache_scheme": {"num_bits": 8}}, "not modelled: kv_cache_scheme="),
        (COMPRESSED | {"format": "pack-quantized"}, "not modelled: format='pack-quantized'"),
        (COMPRESSED | {"transform_config": {"R1": 1}}, "not modelled: transform_config="),
        (COMPRESSED | {"config_groups": {"g": {"weights": WEIGHTS | {"num_bits": 4}}}}, "not modelled: num_bits=4"),
        (COMPRESSED | {"config_groups": {"g": {"weights": WEIGHTS | {"type": "int"}}}}, "not modelled: type=int"),
        (COMPRESSED | {"config_groups": {"g": {"weights": WEIGHTS | {"strategy": "group"}}}}, "strategy: expected one"),
        (COMPRESSED | {"config_groups": {"g": {"weights": WEIGHTS, "output_activations": {"a": 1}}}}, "output_activ"),
        (COMPRESSED | {"config_groups": {"g": 7}}, "g: expected an object, got 7"),
        ("fp8", "quantization_config: expected an object"),
    ],
)  # fmt: skip
def test_another_quantisation_is_refused_by_its_key(model: Any, tmp_path: Path, told: Any, says: str) -> None:
    say(model[1], tmp_path, told)
    with pytest.raises(ModelError, match=says):
        read_model(tmp_path)
    config = json.loads((model[1] / "config.json").read_text())
    seeing = {"model_type": "llava", "text_config": config, "quantization_config": told}
    (tmp_path / "config.json").write_text(json.dumps(seeing))
    with pytest.raises(ModelError, match=says):
        read_model(tmp_path)
