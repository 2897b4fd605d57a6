"""A layer of a checkpoint becomes a workload's weights, exactly; a bad file becomes a sentence, and nothing else."""

from __future__ import annotations

import json
import os
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_weights
from oneblock.workloads.answers.checkpoint import fingerprint, load_weights, unchanged
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.models import Config, preset
from oneblock.workloads.ops.dtypes import dtype_of

LLAMA = preset("tiny")  # 4 query heads on 2 key/value heads
GPT2 = replace(preset("gpt2"), name="tiny-gpt2", width=64, heads=4, kv_heads=4, head_width=16, ffn_width=128)
NORM = "model.layers.0.input_layernorm.weight"
QWEN2 = replace(LLAMA, name="tiny-qwen2", family="qwen2", qkv_bias=True)
CONFIGS = pytest.mark.parametrize("config", [LLAMA, GPT2, QWEN2], ids=["llama", "gpt2", "qwen2"])
Tensors = dict[str, np.ndarray]


def case_of(config: Config, workload: str = "block", phase: Phase = Phase.PREFILL) -> Case:
    return Case(workload, config, phase, B=1, T=4 if phase is Phase.PREFILL else 1, S=4)


def weights_of(config: Config, layer: int, dtype: str = "float32", workload: str = "block") -> Tensors:
    return make_weights(load(workload), case_of(config, workload), dtype, seed=layer)


def hugging_face(config: Config, layer: int, stored: str = "float32", prefix: bool = True) -> Tensors:
    """The block's weights under the names and in the layouts of Hugging Face, written out from its model code."""
    w = weights_of(config, layer)
    if config.family in ("llama", "qwen2"):
        root = f"model.layers.{layer}." if prefix else f"layers.{layer}."
        tensors = {
            "input_layernorm.weight": w["norm1_weight"],
            "self_attn.q_proj.weight": w["q_weight"].T,
            "self_attn.k_proj.weight": w["k_weight"].T,
            "self_attn.v_proj.weight": w["v_weight"].T,
            "self_attn.o_proj.weight": w["proj_weight"].T,
            "post_attention_layernorm.weight": w["norm2_weight"],
            "mlp.gate_proj.weight": w["gate_weight"].T,
            "mlp.up_proj.weight": w["up_weight"].T,
            "mlp.down_proj.weight": w["down_weight"].T,
        }
        tensors |= {f"self_attn.{part}_proj.bias": w[f"{part}_bias"] for part in "qkv" if f"{part}_bias" in w}
    else:
        root = f"transformer.h.{layer}." if prefix else f"h.{layer}."
        fused = {kind: [w[f"{part}_{kind}"] for part in ("q", "k", "v")] for kind in ("weight", "bias")}
        tensors = {
            "ln_1.weight": w["norm1_weight"],
            "ln_1.bias": w["norm1_bias"],
            "attn.c_attn.weight": np.concatenate(fused["weight"], axis=1),
            "attn.c_attn.bias": np.concatenate(fused["bias"]),
            "attn.c_proj.weight": w["proj_weight"],
            "attn.c_proj.bias": w["proj_bias"],
            "ln_2.weight": w["norm2_weight"],
            "ln_2.bias": w["norm2_bias"],
            "mlp.c_fc.weight": w["up_weight"],
            "mlp.c_fc.bias": w["up_bias"],
            "mlp.c_proj.weight": w["down_weight"],
            "mlp.c_proj.bias": w["down_bias"],
            "attn.bias": np.tril(np.ones((1, 1, 4, 4), np.uint8)),  # the causal mask that GPT-2's files carry
        }
    dtype = np.dtype(np.float64) if stored == "float64" else dtype_of(stored)
    return {root + n: t if t.dtype == np.uint8 else t.astype(dtype, order="C") for n, t in tensors.items()}


def save(path: Path, *layers: Tensors) -> Path:
    save_file({name: t for tensors in layers for name, t in tensors.items()}, path)
    return path


def write_raw(path: Path, header: object, contents: bytes, length: int | None = None) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + contents)
    return path


def assert_same(got: Tensors, expected: Tensors) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype, name
        assert got[name].shape == array.shape, name
        assert got[name].flags.c_contiguous, name
        assert got[name].tobytes() == array.tobytes(), name


def refusal(path: Path, config: Config = LLAMA, layer: int = 0, workload: str = "block", dtype: str = "float32") -> str:
    """What the person is told; any other exception fails the test."""
    with pytest.raises(CheckpointError) as caught:
        load_weights(load(workload), case_of(config, workload), dtype, path, layer)
    return str(caught.value)


# ---------------------------------------------------------------- good checkpoints


@CONFIGS
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("stored", ["float64", "float32", "bfloat16", "float16"])
def test_a_layer_comes_back_exactly(tmp_path: Path, config: Config, stored: str, dtype: str) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(config, 0, stored))
    expected = weights_of(config, 0, dtype)
    if stored in ("bfloat16", "float16"):  # the checkpoint has been rounded once already; the tables have not
        for name, exact in weights_of(config, 0).items():
            if not name.startswith("rope"):
                expected[name] = exact.astype(dtype_of(stored)).astype(dtype_of(dtype))
    assert_same(load_weights(load("block"), case_of(config), dtype, path, 0), expected)


@CONFIGS
@pytest.mark.parametrize("prefix", [True, False])
def test_layers_are_told_apart_with_and_without_prefix(tmp_path: Path, config: Config, prefix: bool) -> None:
    # Layer 11 begins with the digit of layer 1.
    layers = [hugging_face(config, layer, prefix=prefix) for layer in (0, 1, 11)]
    path = save(tmp_path / "model.safetensors", *layers)
    for layer in (0, 1, 11):
        assert_same(load_weights(load("block"), case_of(config), "float32", path, layer), weights_of(config, layer))


@CONFIGS
@pytest.mark.parametrize(
    ("workload", "parts"), [("mlp", ("mlp.",)), ("attention", ("attn.",)), ("norm", ("input_layernorm.", "ln_1."))]
)
def test_a_part_needs_only_its_own_tensors(
    tmp_path: Path, config: Config, workload: str, parts: tuple[str, ...]
) -> None:
    tensors = {name: t for name, t in hugging_face(config, 0).items() if any(part in name for part in parts)}
    path = save(tmp_path / "model.safetensors", tensors)
    got = load_weights(load(workload), case_of(config, workload), "float32", path, 0)
    assert_same(got, weights_of(config, 0, workload=workload))


def test_grouped_heads_keep_their_width(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(LLAMA, 0))
    got = load_weights(load("attention"), case_of(LLAMA, "attention"), "float32", path, 0)
    assert (got["q_weight"].shape, got["k_weight"].shape, got["v_weight"].shape) == ((64, 64), (64, 32), (64, 32))


def test_decode_has_the_tables_of_its_position(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(LLAMA, 0))
    case = case_of(LLAMA, phase=Phase.DECODE)
    expected = make_weights(load("block"), case, "bfloat16", seed=0)
    assert_same(load_weights(load("block"), case, "bfloat16", path, 0), expected)


def test_what_is_loaded_outlives_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(GPT2, 0))
    got = load_weights(load("block"), case_of(GPT2), "float32", path, 0)
    path.write_bytes(b"")  # a view of the mapped file would now be a bus error
    assert_same(got, weights_of(GPT2, 0))


# ---------------------------------------------------------------- sharded checkpoints


def save_shards(folder: Path, config: Config = LLAMA) -> Path:
    """Every second tensor in the second file, so that a layer lies in both."""
    tensors = hugging_face(config, 0) | hugging_face(config, 1)
    shards = {name: f"model-0000{i % 2 + 1}-of-00002.safetensors" for i, name in enumerate(sorted(tensors))}
    for shard in set(shards.values()):
        save(folder / shard, {name: tensors[name] for name in tensors if shards[name] == shard})
    return save_index(folder, {"metadata": {"total_size": 1}, "weight_map": shards})


def save_index(folder: Path, index: object) -> Path:
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps(index))
    return path


@CONFIGS
def test_a_layer_is_gathered_from_shards(tmp_path: Path, config: Config) -> None:
    path = save_shards(tmp_path, config)
    assert_same(load_weights(load("block"), case_of(config), "float32", path, 1), weights_of(config, 1))


def test_one_shard_alone_points_to_the_index(tmp_path: Path) -> None:
    save_shards(tmp_path)
    assert "index.json" in refusal(tmp_path / "model-00001-of-00002.safetensors")


def test_shards_of_other_layers_need_not_be_there(tmp_path: Path) -> None:
    tensors = [hugging_face(LLAMA, layer) for layer in (0, 1)]
    save(tmp_path / "second.safetensors", tensors[1])
    shards = dict.fromkeys(tensors[0], "first.safetensors") | dict.fromkeys(tensors[1], "second.safetensors")
    path = save_index(tmp_path, {"weight_map": shards})
    assert_same(load_weights(load("block"), case_of(LLAMA), "float32", path, 1), weights_of(LLAMA, 1))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    path = save_shards(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors: cannot be read: No such file" in refusal(path)


def test_a_shard_that_is_no_file_is_neither_waited_for_nor_hashed_for_ever(tmp_path: Path) -> None:
    index = save_shards(tmp_path)
    shard = tmp_path / "model-00002-of-00002.safetensors"
    huge = tmp_path / "of-nothing"
    with huge.open("wb") as file:
        file.truncate(2**42)
    for make in (lambda: os.mkfifo(shard), lambda: shard.symlink_to("/dev/zero"), lambda: huge.rename(shard)):
        shard.unlink(missing_ok=True)
        make()
        with pytest.raises(CheckpointError, match=shard.name):
            fingerprint(index, 0)


def test_a_shard_without_its_tensor_is_named(tmp_path: Path) -> None:
    path = save_shards(tmp_path)
    save(tmp_path / "model-00002-of-00002.safetensors", {"other": np.zeros(1, np.float32)})
    assert "00002-of-00002.safetensors: the index says that model.layers.0." in refusal(path)


@pytest.mark.parametrize(
    "shard",
    [
        "../secret.safetensors",
        "..",
        "",
        ".",
        "sub/x.safetensors",
        "/etc/passwd",
        r"..\x",
        r"C:\x",
        "C:x",
        "a\0b",
        "\x1b[2J",
    ],
)
def test_an_index_may_not_leave_its_folder(tmp_path: Path, shard: str) -> None:
    folder = tmp_path / "sub"
    folder.mkdir()
    save(tmp_path / "secret.safetensors", hugging_face(LLAMA, 0))
    path = save_index(folder, {"weight_map": dict.fromkeys(hugging_face(LLAMA, 0), shard)})
    told = refusal(path)
    assert repr(shard) in told
    assert told.isprintable()


def test_one_hostile_shard_is_enough_to_refuse_an_index(tmp_path: Path) -> None:
    path = save_shards(tmp_path)
    shards = json.loads(path.read_text())["weight_map"] | {"model.layers.9.x": "../x.safetensors"}
    assert "'../x.safetensors'" in refusal(save_index(tmp_path, {"weight_map": shards}))


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"null",
        b"{}",
        b'{"weight_map": []}',
        b'{"weight_map": {"a": 1}}',
    ],
    ids=lambda index: repr(index[:20]),
)
def test_a_broken_index_is_refused(tmp_path: Path, index: bytes) -> None:
    path = tmp_path / "model.safetensors.index.json"
    path.write_bytes(index)
    assert str(path) in refusal(path)


def test_a_shard_name_too_long_for_the_file_system_is_refused(tmp_path: Path) -> None:
    path = save_index(tmp_path, {"weight_map": dict.fromkeys(hugging_face(LLAMA, 0), "x" * 5000)})
    assert "cannot be read" in refusal(path)


def test_a_huge_index_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors.index.json"
    with path.open("wb") as file:
        file.truncate(10**10)  # sparse
    assert "at most 100000000 bytes" in refusal(path)


# ---------------------------------------------------------------- the wrong checkpoint


@pytest.mark.parametrize("layer", [2, 99, -1])
@CONFIGS
def test_a_layer_that_is_not_there_tells_which_are(tmp_path: Path, config: Config, layer: int) -> None:
    path = save(tmp_path / "model.safetensors", *[hugging_face(config, i) for i in (0, 1, 3, 4)])
    assert refusal(path, config, layer) == f"{path}: expected a layer among 0, 1, 3, 4, got {layer}"


def test_many_layers_are_told_as_a_range(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", *[hugging_face(LLAMA, i) for i in range(3)])
    assert "a layer among 0 to 2, got 3" in refusal(path, layer=3)


@pytest.mark.parametrize(("config", "other"), [(LLAMA, GPT2), (GPT2, LLAMA)], ids=["llama", "gpt2"])
def test_the_other_family_is_recognised(tmp_path: Path, config: Config, other: Config) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(other, 0))
    told = refusal(path, config)
    assert re.search(rf"as in the {config.family} family, got names as in .*\b{other.family}\b", told)
    assert "--preset" in told


@pytest.mark.parametrize("tensors", [{}, {"encoder.layer.0.weight": np.zeros(3, np.float32)}], ids=["none", "bert"])
def test_neither_family_is_recognised(tmp_path: Path, tensors: Tensors) -> None:
    path = save(tmp_path / "model.safetensors", tensors)
    assert f"expected tensors named model.layers.0.* as in the llama family, got {len(tensors)}" in refusal(path)


@CONFIGS
def test_each_missing_tensor_is_named(tmp_path: Path, config: Config) -> None:
    tensors = hugging_face(config, 0)
    for missing in tensors.keys() - {"transformer.h.0.attn.bias"}:
        path = save(tmp_path / "model.safetensors", {n: t for n, t in tensors.items() if n != missing})
        assert f"no tensor {missing};" in refusal(path, config)


@CONFIGS
def test_each_misshapen_tensor_is_named_with_both_shapes(tmp_path: Path, config: Config) -> None:
    tensors = hugging_face(config, 0)
    for name in tensors.keys() - {"transformer.h.0.attn.bias"}:
        shape = tensors[name].shape
        for wrong in ((*shape[:-1], shape[-1] + 1), (*shape, 1), (0, *shape[1:])):
            path = save(tmp_path / "model.safetensors", tensors | {name: np.zeros(wrong, np.float32)})
            told = refusal(path, config)
            assert f"{name}: expected shape {shape} for {config.name}, got {wrong}; the preset or model" in told


def test_another_size_of_model_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", hugging_face(LLAMA, 0))
    assert "q_proj.weight: expected shape (128, 64) for tiny, got (64, 64)" in refusal(path, replace(LLAMA, heads=8))
    assert "k_proj.weight: expected shape (64, 64) for tiny, got (32, 64)" in refusal(path, replace(LLAMA, kv_heads=4))


def test_biases_that_the_workload_cannot_hold_are_refused(tmp_path: Path) -> None:
    bias = {"model.layers.0.self_attn.q_proj.bias": np.zeros(64, np.float32)}  # Qwen2
    path = save(tmp_path / "model.safetensors", hugging_face(LLAMA, 0), bias)
    for workload in ("block", "mlp"):  # whose own tensors are whole, and still it is another model's
        assert "model.layers.0.self_attn.q_proj.bias: no place in the block" in refusal(path, workload=workload)


@pytest.mark.parametrize(
    ("kind", "width"),
    [("F8_E4M3", 1), ("F8_E5M2", 1), ("F8_E8M0", 1), ("I32", 4), ("I8", 1), ("U8", 1), ("BOOL", 1), ("C64", 8)],
)
def test_a_quantised_tensor_is_refused_by_dtype(tmp_path: Path, kind: str, width: int) -> None:
    header = {NORM: {"dtype": kind, "shape": [64], "data_offsets": [0, 64 * width]}}
    path = write_raw(tmp_path / "model.safetensors", header, bytes(64 * width))
    told = refusal(path, workload="norm")
    assert f"{NORM}: expected F64, F32, F16, BF16, got {kind}" in told


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("stored", ["float64", "float32", "bfloat16", "float16"])
def test_values_that_are_not_finite_are_refused(tmp_path: Path, value: float, stored: str) -> None:
    tensors = hugging_face(LLAMA, 0, stored)
    tensors["model.layers.0.mlp.down_proj.weight"][3, 5] = value
    path = save(tmp_path / "model.safetensors", tensors)
    assert "model.layers.0.mlp.down_proj.weight: 1 of 8192 values are not finite" in refusal(path)


@pytest.mark.parametrize(("kind", "bits"), [("F32", 0x7F800001), ("BF16", 0x7F81), ("F16", 0x7C01)])
def test_a_signalling_nan_is_refused_without_a_warning(tmp_path: Path, kind: str, bits: int) -> None:
    itemsize = 4 if kind == "F32" else 2
    header = {NORM: {"dtype": kind, "shape": [64], "data_offsets": [0, 64 * itemsize]}}
    contents = bits.to_bytes(itemsize, "little") + bytes(63 * itemsize)
    path = write_raw(tmp_path / "model.safetensors", header, contents)
    assert f"{NORM}: 1 of 64 values are not finite" in refusal(path, workload="norm")


@pytest.mark.parametrize(("stored", "dtype", "value"), [("bfloat16", "float16", 1e5), ("float64", "bfloat16", 1e300)])
def test_values_beyond_the_dtype_are_refused(tmp_path: Path, stored: str, dtype: str, value: float) -> None:
    tensors = hugging_face(LLAMA, 0, stored)
    tensors[NORM][3] = -value
    path = save(tmp_path / "model.safetensors", tensors)
    told = refusal(path, dtype=dtype)
    assert f"{NORM}: " in told
    assert f"is beyond {dtype}; choose another --dtype" in told


# ---------------------------------------------------------------- files that are no checkpoint


@pytest.mark.parametrize("name", ["model.safetensors", "model.safetensors.index.json"])
def test_a_path_that_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / name)
    assert "cannot be read" in refusal(tmp_path / "a\0b" / name)
    assert "cannot be read" in refusal(tmp_path / ("a" * 5000) / name)
    (tmp_path / "folder" / name).mkdir(parents=True)
    assert "is a folder" in refusal(tmp_path / "folder" / name)
    os.mkfifo(tmp_path / name)
    assert "a pipe" in refusal(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("name", ["model.safetensors", "model.safetensors.index.json"])
def test_a_file_without_permission_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / name).chmod(0)
    assert refusal(tmp_path / name) == f"{tmp_path / name}: cannot be read: Permission denied"


WHOLE = {NORM: {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}}


def header_with(**changes: object) -> dict[str, object]:
    return {NORM: WHOLE[NORM] | changes}


@pytest.mark.parametrize(
    ("header", "size", "length"),
    [
        (WHOLE, 256, 1 << 20),
        (WHOLE, 256, (1 << 64) - 1),
        (WHOLE, 256, 5),
        (WHOLE, 256, 0),
        (WHOLE, 255, None),
        (WHOLE, 257, None),
        (WHOLE | {"x": {"dtype": "F32", "shape": [64], "data_offsets": [128, 384]}}, 384, None),
        (WHOLE | {"x": {"dtype": "F32", "shape": [64], "data_offsets": [0, 256]}}, 256, None),
        (WHOLE | {"x": {"dtype": "F32", "shape": [1], "data_offsets": [260, 264]}}, 264, None),
        (header_with(data_offsets=[256, 0]), 256, None),
        (header_with(data_offsets=[0, 1 << 63]), 256, None),
        (header_with(data_offsets=[-256, 0]), 256, None),
        (header_with(data_offsets=[0, 128]), 256, None),
        (header_with(shape=[1 << 62, 64]), 256, None),
        (header_with(shape=[-64]), 256, None),
        (header_with(shape="64"), 256, None),
        (header_with(dtype="F99"), 256, None),
        ({NORM: {}}, 256, None),
        ([], 256, None),
        (None, 256, None),
        ("x", 256, None),
    ],
)
def test_a_hostile_header_is_refused(tmp_path: Path, header: object, size: int, length: int | None) -> None:
    path = write_raw(tmp_path / "model.safetensors", header, bytes(size), length)
    told = refusal(path, workload="norm")
    assert told.startswith(f"{path}: not a readable .safetensors file")
    assert told.isprintable()


def test_the_headers_above_are_bad_for_their_one_change(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "model.safetensors", WHOLE, bytes(256))
    assert load_weights(load("norm"), case_of(LLAMA, "norm"), "float32", path, 0).keys() == {"norm1_weight"}


@pytest.mark.parametrize(
    "contents", [b"", b"\0" * 8, b"\0" * 4096, b"PK\x03\x04" * 99, b"version https://git-lfs", b"\x80\x02}q"]
)
def test_garbage_is_refused(tmp_path: Path, contents: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(contents)
    assert refusal(path).startswith(f"{path}: not a readable .safetensors file")


def test_a_download_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.safetensors", hugging_face(LLAMA, 0)).read_bytes()
    header = 8 + struct.unpack("<Q", whole[:8])[0]
    path = tmp_path / "model.safetensors"
    for kept in (0, 1, 7, 8, 9, header // 2, header - 1, header, header + 1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert refusal(path).startswith(f"{path}: not a readable .safetensors file")


def test_control_characters_of_a_file_never_reach_the_terminal(tmp_path: Path) -> None:
    path = save(tmp_path / "model.safetensors", {"\x1b[2J\x07": np.zeros(1, np.float32)})
    assert refusal(path).isprintable()
    broken = {"\x1b[2J\x07": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}
    assert refusal(write_raw(path, broken, bytes(8))).isprintable()


@pytest.mark.parametrize("indexed", [False, True])
def test_no_damage_raises_anything_else(tmp_path: Path, indexed: bool) -> None:
    # The smallest block, so that the header, where damage is interesting, is a good part of the file.
    config = replace(LLAMA, width=2, heads=2, kv_heads=1, head_width=2, ffn_width=2)
    file = save(tmp_path / "model.safetensors", hugging_face(config, 0, "bfloat16"))
    path = file
    if indexed:
        file = path = save_index(tmp_path, {"weight_map": dict.fromkeys(load_file(file), file.name)})
    whole, random, refused = file.read_bytes(), np.random.default_rng(0), 0
    for _ in range(200):
        damaged = bytearray(whole)
        for at in random.integers(len(whole), size=random.integers(1, 4)):
            damaged[at] ^= 1 << int(random.integers(8))
        if random.random() < 0.2:
            del damaged[int(random.integers(len(whole))) :]
        file.write_bytes(damaged)
        try:
            got = load_weights(load("block"), case_of(config), "bfloat16", path, 0)
        except CheckpointError:
            refused += 1
        else:
            assert all(np.isfinite(array).all() for array in got.values())
    assert refused > 100
    file.write_bytes(whole)
    load_weights(load("block"), case_of(config), "bfloat16", path, 0)  # it was the damage that was refused


def test_what_is_read_is_what_the_hash_is_of(tmp_path: Path) -> None:
    one, other = (save(tmp_path / name, hugging_face(LLAMA, layer=0)) for name in ("one", "other"))
    save(other, {name: t + 1 for name, t in hugging_face(LLAMA, layer=0).items()})
    path = tmp_path / "m.safetensors"
    path.write_bytes(one.read_bytes())
    sha256 = fingerprint(path, 0)
    with unchanged(path, 0, sha256):
        load_weights(load("block"), case_of(LLAMA), "float32", path, 0)

    with pytest.raises(CheckpointError, match="expected the SHA-256"), unchanged(path, 0, sha256):
        os.replace(other, path)  # before, amid or after it is read
    with pytest.raises(CheckpointError, match="changed while it was read"), unchanged(path, 0, sha256):
        os.replace(one, path)  # back again: what was read between the two is not known
    with pytest.raises(CheckpointError, match="changed while it was read"), unchanged(path, 0, sha256):
        path.write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match="cannot be read"), unchanged(path, 0, sha256):
        path.unlink()


def test_a_shard_that_is_put_in_the_place_of_another_is_another_checkpoint(tmp_path: Path) -> None:
    tensors = hugging_face(LLAMA, layer=0)
    save(tmp_path / "1.safetensors", tensors)
    save(tmp_path / "2.safetensors", {name: t + 1 for name, t in tensors.items()})
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(tensors, "1.safetensors")}))
    with pytest.raises(CheckpointError, match="changed since"), unchanged(index, 0, fingerprint(index, 0)):
        os.replace(tmp_path / "2.safetensors", tmp_path / "1.safetensors")
