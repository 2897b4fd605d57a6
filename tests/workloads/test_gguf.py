"""GGUF files: the numbers are llama.cpp's to the bit, and a bad file becomes a sentence at once, and nothing else."""

from __future__ import annotations

import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock.workloads import load
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.checkpoint import check_layer, fingerprint, load_weights, stored_as
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.gguf.blocks import PACKINGS, name_of, unpacked
from oneblock.workloads.gguf.tensors import opened_gguf
from oneblock.workloads.models import ModelError, read_model

C, N, K, D, F = 64, 4, 2, 16, 256
TOLD: dict[str, Any] = {
    "general.architecture": "llama", "llama.embedding_length": C, "llama.block_count": 1, "llama.context_length": 32,
    "llama.feed_forward_length": F, "llama.attention.head_count": N, "llama.attention.head_count_kv": K,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
}  # fmt: skip
SHAPES = {"attn_norm": (C,), "attn_q": (N * D, C), "attn_k": (K * D, C), "attn_v": (K * D, C),
          "attn_output": (C, N * D), "ffn_norm": (C,), "ffn_gate": (F, C), "ffn_up": (F, C),
          "ffn_down": (C, F)}  # fmt: skip
LAYER = {f"blk.0.{name}.weight": shape for name, shape in SHAPES.items()}


def text(value: str | bytes) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def value(one: Any) -> bytes:
    if isinstance(one, bytes):
        return one  # as it is: its kind, and what is behind it
    if isinstance(one, bool):
        return struct.pack("<IB", 7, one)
    if isinstance(one, int):
        return struct.pack("<IQ", 10, one) if one >= 0 else struct.pack("<Iq", 11, one)
    return struct.pack("<If", 6, one) if isinstance(one, float) else struct.pack("<I", 8) + text(one)


def tensor(name: str | bytes, shape: tuple[int, ...], kind: int, offset: int, dims: int | None = None) -> bytes:
    sides = struct.pack(f"<{len(shape)}Q", *reversed(shape))
    return (
        text(name) + struct.pack("<I", len(shape) if dims is None else dims) + sides + struct.pack("<IQ", kind, offset)
    )


def write(
    path: Path, told: dict[Any, Any] | None = None, listed: list[bytes] | None = None, data: bytes | None = None,
    head: bytes = struct.pack("<4sI", b"GGUF", 3), counts: tuple[int, int] | None = None,
) -> Path:  # fmt: skip
    """A file of ggml's docs/gguf.md by hand: by default a layer of float32 that is whole."""
    told = TOLD if told is None else told
    if listed is None:
        numbers = np.random.default_rng(0).standard_normal(sum(int(np.prod(shape)) for shape in LAYER.values()))
        data, ends = numbers.astype("<f4").tobytes(), np.cumsum([0, *(4 * int(np.prod(s)) for s in LAYER.values())])
        listed = [tensor(name, LAYER[name], 0, int(at)) for name, at in zip(LAYER, ends[:-1], strict=True)]
    pairs = [text(key) + value(one) for key, one in told.items()]
    before = head + struct.pack("<QQ", *(counts or (len(listed), len(pairs)))) + b"".join(pairs + listed)
    path.write_bytes(before + bytes(-len(before) % 32) + (data or b""))
    return path


def loaded(path: Path, workload: str = "block") -> dict[str, np.ndarray]:
    case = Case(workload, read_model(path).layer(0), Phase.PREFILL, 1, 4, 4)
    return load_weights(load(workload), case, "float32", path, 0)


def refusal(act: Callable[[], Any]) -> str:
    """What the person is told, without memory; any other exception fails the test."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((CheckpointError, ModelError)) as caught:
        act()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "KiB: it allocated what it was told"
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 600
    return said


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("number", PACKINGS, ids=name_of)
def test_every_type_is_llama_cpps_to_the_bit(number: int, tmp_path: Path) -> None:
    """Of random bytes, among which are scales that are no numbers, infinite and denormal."""
    gguf = pytest.importorskip("gguf")
    packing, kind = PACKINGS[number], gguf.GGMLQuantizationType(number)
    assert (packing.name, packing.numbers, packing.bytes) == (kind.name, *gguf.GGML_QUANT_SIZES[kind])
    count = 70_000 if packing.numbers == 1 else 2_000  # the first is more than are unpacked at once
    raw = np.random.default_rng(number).integers(0, 256, (count, packing.bytes), np.uint8)
    with np.errstate(all="ignore"):
        expected = gguf.quants.dequantize(raw, kind).astype(np.float32)
    got = unpacked(packing, raw.reshape(-1))
    assert np.array_equal(got.view(np.uint32), expected.reshape(-1).view(np.uint32))
    assert packing.numbers == 1 or not np.array_equal(unpacked(packing, raw[::-1].reshape(-1)), got, equal_nan=True)


def test_types_that_are_not_read_are_called_as_llama_cpp_calls_them() -> None:
    gguf = pytest.importorskip("gguf")
    for kind in gguf.GGMLQuantizationType:
        assert name_of(kind) == (kind.name if kind in PACKINGS else f"{kind.name} (type {int(kind)})")


@pytest.mark.parametrize("kind", ["Q8_0", "Q5_1", "Q4_0", "BF16", "F16"])
def test_a_layer_is_what_its_blocks_say(tmp_path: Path, kind: str) -> None:
    """As llama.cpp's package reads it, with the rows of q and k put back here by a loop."""
    gguf = pytest.importorskip("gguf")
    number = gguf.GGMLQuantizationType[kind]
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    for key, one in list(TOLD.items())[1:]:
        writer.add_float32(key, one) if isinstance(one, float) else writer.add_uint32(key, one)
    for name, shape in LAYER.items():
        drawn = rng.standard_normal(shape).astype(np.float32)
        packed = drawn if len(shape) == 1 else gguf.quants.quantize(drawn, number)
        writer.add_tensor(name, packed, raw_dtype=gguf.GGMLQuantizationType.F32 if len(shape) == 1 else number)
    for finish in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        finish()
    held = {one.name: gguf.quants.dequantize(one.data, one.tensor_type)
            for one in gguf.GGUFReader(tmp_path / "model.gguf").tensors}  # fmt: skip
    got = loaded(tmp_path / "model.gguf")
    assert np.array_equal(got["down_weight"].T, held["blk.0.ffn_down.weight"])
    for ours, heads in (("q", N), ("k", K)):
        for head in range(heads):
            for i in range(D // 2):
                for half in range(2):
                    row = got[f"{ours}_weight"][:, head * D + half * (D // 2) + i]
                    assert np.array_equal(row, held[f"blk.0.attn_{ours}.weight"][head * D + 2 * i + half])
    config = read_model(tmp_path / "model.gguf").layer(0)
    assert stored_as(config, tmp_path / "model.gguf", 0) == ", ".join(sorted({"F32", kind}))


def test_a_part_of_a_tensor_is_all_that_is_read(tmp_path: Path) -> None:
    whole = opened_gguf(write(tmp_path / "model.gguf")).get_slice("blk.0.attn_q.weight")
    assert np.array_equal(whole[16:32], whole[...][16:32])
    assert whole[16:32].shape == (16, C)
    with (tmp_path / "model.gguf").open("r+b") as file:
        file.truncate(whole.told.start + 40 * C * 4)
    assert whole[16:32].shape == (16, C), "what is behind it is not looked at"
    with pytest.raises(ValueError, match="changed while it was read"):
        whole[32:48]


def test_a_layer_of_a_huge_file_takes_no_more_than_itself(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    spread = [tensor(name, shape, 0, 2**40 + 2**20 * i) for i, (name, shape) in enumerate(LAYER.items())]
    write(path, listed=[tensor("token_embd.weight", (2**18, 2**20), 0, 0), *spread])
    with path.open("r+b") as file:
        file.truncate(2**40 + 2**24)  # of nothing, as far as the disk is concerned
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert not loaded(path)["q_weight"].any()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_its_hash_is_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "model.gguf")
    before, raw = fingerprint(path, 0), bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert fingerprint(path, 0) != before


# ---------------------------------------------------------------- files that are none

NORM = "blk.0.attn_norm.weight"
ROW = [tensor(NORM, (C,), 0, 0)]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"head": struct.pack("<4sI", b"GGML", 3)}, "does not begin with GGUF"),
        ({"head": struct.pack("<4sI", b"GGUF", 1)}, "expected GGUF version 2 or 3, little-endian, got 1"),
        ({"head": struct.pack("<4sI", b"GGUF", 4)}, "got 4"),
        ({"head": struct.pack(">4sI", b"GGUF", 3)}, "got big-endian"),
        ({"counts": (2**63, 1)}, "expected at most 100,000 of either"),
        ({"counts": (0, 2**64 - 1)}, "expected at most 100,000 of either"),
        ({"counts": (99_999, 8)}, "not a readable GGUF file"),
        ({"counts": (10, 8)}, "expected 1 to 4"),
        ({"counts": (9, 9)}, "not a readable GGUF file"),
        ({"told": TOLD | {b"x" * 9: struct.pack("<IQ", 8, 10**18)}}, "of 1000000000000000000 bytes"),
        ({"told": TOLD | {"x": struct.pack("<IIQ", 9, 8, 10**18)}}, "'x' with 1000000000000000000 texts"),
        ({"told": TOLD | {"tokenizer.x": struct.pack("<IIQ", 9, 8, 10**5)}}, "cut short"),
        ({"told": TOLD | {"tokenizer.x": struct.pack("<IIQQ", 9, 8, 2, 2**63)}}, "cut short"),
        ({"told": TOLD | {"x": struct.pack("<IIQ", 9, 6, 10**18)}}, "cut short"),
        ({"told": TOLD | {"x": struct.pack("<IIQ", 9, 9, 1)}}, "a list 'x' of the kind 9"),
        ({"told": TOLD | {"x": struct.pack("<I", 99)}}, "'x' of the kind 99"),
        ({"told": TOLD | {b"\xff": 1}}, "a key that is no UTF-8"),
        ({"told": TOLD | {b"llama.block_count": 1}}, "the key 'llama.block_count' twice"),
        ({"told": TOLD | {"general.alignment": 0}}, "an alignment of 0: expected a power of two"),
        ({"told": TOLD | {"general.alignment": 48}}, "an alignment of 48: expected a power of two"),
        ({"told": TOLD | {"general.alignment": "32"}}, "an alignment of 32: expected a power of two"),
        ({"listed": ROW * 2, "data": bytes(256)}, "twice"),
        ({"listed": ROW, "data": bytes(255)}, "cut short"),
        ({"listed": [tensor(NORM, (C,), 0, 8)], "data": bytes(512)}, "expected a multiple of its alignment 32"),
        ({"listed": [tensor(NORM, (C,), 0, 2**63)]}, "cut short"),
        ({"listed": [tensor(NORM, (C,), 99, 2**63)]}, "cut short"),
        ({"listed": [tensor(NORM, (2**63, 2**63, 2**63), 0, 0)]}, "cut short"),
        ({"listed": [tensor(NORM, (0,), 0, 0)]}, "of the shape"),
        ({"listed": [tensor(NORM, (), 0, 0)], "data": bytes(64)}, "of 0 dimensions: expected 1 to 4"),
        ({"listed": [tensor(NORM, (1,) * 5, 0, 0)]}, "of 5 dimensions: expected 1 to 4"),
        ({"listed": [tensor(NORM, (C,), 0, 0, dims=2**31)]}, "dimensions: expected 1 to 4"),
        ({"listed": [tensor(NORM, (33,), 8, 0)], "data": bytes(999)}, "Q8_0 has 32 in a block"),
        ({"listed": [*ROW, tensor("b", (C,), 0, 224)], "data": bytes(512)}, "in the same bytes"),
        ({"listed": [*ROW, tensor("b", (C,), 99, 32)], "data": bytes(512)}, "in the same bytes"),
        ({"listed": [tensor(b"\xfe", (C,), 0, 0)], "data": bytes(512)}, "a name that is no UTF-8"),
    ],
)
def test_what_cannot_be_is_said_at_once(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    path = write(tmp_path / "model.gguf", **changed)
    assert says in refusal(lambda: read_model(path))


def test_the_files_above_are_bad_for_their_one_change(tmp_path: Path) -> None:
    assert loaded(write(tmp_path / "model.gguf")).keys() > {"q_weight", "norm2_weight"}
    assert loaded(write(tmp_path / "model.gguf", listed=ROW, data=bytes(256)), "norm").keys() == {"norm1_weight"}
    assert loaded(write(tmp_path / "model.gguf", head=struct.pack("<4sI", b"GGUF", 2))).keys() > {"q_weight"}


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(lambda: read_model(tmp_path / "model.gguf"))
    (tmp_path / "folder.gguf" / "x").mkdir(parents=True)
    assert "there is no such file" in refusal(lambda: read_model(tmp_path / "folder.gguf"))
    (tmp_path / "empty.gguf").touch()
    assert "does not begin with GGUF" in refusal(lambda: read_model(tmp_path / "empty.gguf"))
    assert "expected a GGUF file, got a folder" in refusal(lambda: opened(Path("/dev"), "null.gguf", tmp_path))


def opened(folder: Path, name: str, tmp_path: Path) -> Any:
    (tmp_path / name).symlink_to(folder / "zero")
    return read_model(tmp_path / name)


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gguf").read_bytes()
    for kept in (*range(0, 800, 7), len(whole) // 2, len(whole) - 1):
        (tmp_path / "model.gguf").write_bytes(whole[:kept])
        assert "model.gguf" in refusal(lambda: read_model(tmp_path / "model.gguf"))


def test_no_damage_raises_anything_else(tmp_path: Path) -> None:
    whole, rng, refused = write(tmp_path / "model.gguf").read_bytes(), np.random.default_rng(0), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for at in rng.integers(1100, size=rng.integers(1, 4)):  # of the header
            damaged[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "model.gguf").write_bytes(damaged)
        try:
            loaded(tmp_path / "model.gguf", "norm")
        except (CheckpointError, ModelError):
            refused += 1
    assert refused > 150


# ---------------------------------------------------------------- what is not modelled


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"general.architecture": "mamba"}, "general.architecture: expected one of llama, qwen2"),
        ({"general.type": "adapter"}, "general.type: expected model, got 'adapter'"),
        ({"split.count": 3}, "split.count: expected 1, got '3': join its parts"),
        ({"llama.attention.clamp_kqv": 8.0}, "not modelled: 'llama.attention.clamp_kqv'=8.0"),
        ({"llama.attention.causal": False}, "not modelled: 'llama.attention.causal'=False"),
        ({"llama.rope.scaling.type": "su"}, "not modelled: 'llama.rope.scaling.type'=su"),
        ({"llama.rope.scaling.attn_factor": 1.5}, "not modelled: 'llama.rope.scaling.attn_factor'=1.5"),
        ({"llama.rope.dimension_count": 8}, "not modelled: 'llama.rope.dimension_count'=8"),
        ({"llama.attention.value_length": 8}, "not modelled: 'llama.attention.value_length'=8"),
        ({"llama.expert_shared_count": 1}, "not modelled: 'llama.expert_shared_count'=1"),
        ({"llama.expert_gating_func": 2}, "not modelled: 'llama.expert_gating_func'=2"),
        ({"llama.attention.head_count_kv": 3}, "heads=4 is not a multiple of kv_heads=3"),
        ({"llama.embedding_length": 2**63}, "hidden_size: expected a whole number from 1"),
        ({"llama.attention.head_count": 0}, "num_attention_heads: expected a whole number from 1"),
        ({"llama.attention.head_count": -4}, "num_attention_heads: expected a whole number from 1"),
        ({"llama.feed_forward_length": struct.pack("<IIQII", 9, 4, 2, 8, 8)}, "intermediate_size: expected a whole"),
        ({"llama.tags": struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")}, "'llama.tags'='2 texts'"),
        ({"llama.mask": struct.pack("<IIQ", 9, 7, 20_000) + bytes(20_000)}, "'llama.mask'='20000 numbers'"),
        ({"llama.block_count": 10**9}, "num_hidden_layers: expected at most 10,000"),
        ({"llama.rope.freq_base": float("nan")}, "rope_theta: expected a positive number, got nan"),
        ({"llama.attention.layer_norm_rms_epsilon": None}, "no llama.attention.layer_norm_rms_epsilon, which"),
        ({"llama.block_count": None}, "no llama.block_count, which"),
        ({"general.name": "\x1b[2J", "llama.surprise": "\x1b[31m"}, "not modelled: 'llama.surprise'="),
    ],
)
def test_a_key_without_a_place_is_refused_by_its_name(tmp_path: Path, more: dict[str, Any], says: str) -> None:
    told = {key: one for key, one in (TOLD | more).items() if one is not None}
    assert says in refusal(lambda: read_model(write(tmp_path / "model.gguf", told)))


def test_what_says_nothing_is_read_over(tmp_path: Path) -> None:
    plain = read_model(write(tmp_path / "model.gguf"))
    more = {"llama.rope.scaling.type": "none", "llama.expert_count": 0, "llama.attention.causal": True,
            "llama.rope.scaling.finetuned": False, "llama.rope.dimension_count": D, "llama.attention.key_length": D,
            "tokenizer.ggml.tokens": struct.pack("<IIQ", 9, 8, 2) + text("a") + text(b"\xff")}  # fmt: skip
    assert read_model(write(tmp_path / "model.gguf", TOLD | more)).layers == plain.layers
    assert plain.layer(0).norm_eps == 1e-5, "of which the file has the nearest float32"


@pytest.mark.parametrize(("layers", "scale"), [(46, 8**-0.5), (26, 16**-0.5)])
def test_scores_of_the_largest_gemma_are_scaled_as_llama_cpp_does(tmp_path: Path, layers: int, scale: float) -> None:
    told = {key.replace("llama", "gemma2"): one for key, one in TOLD.items()} | {"general.architecture": "gemma2"}
    told |= {"gemma2.attention.key_length": D, "gemma2.attention.value_length": D, "gemma2.attention.head_count": 8}
    config = read_model(write(tmp_path / "model.gguf", told | {"gemma2.block_count": layers})).layer(0)
    assert config.score_scale == scale


def with_factors(path: Path, factors: Any, told: dict[str, Any] = TOLD) -> Path:
    raw = np.asarray(factors, "<f4")
    listed = [*ROW, tensor("rope_freqs.weight", raw.shape, 0, 256)]
    return write(path, told, listed, bytes(256) + raw.tobytes())


def test_factors_of_frequencies_have_their_place_or_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    scaling = read_model(with_factors(path, range(1, 9))).layer(0).rope_scaling
    assert scaling is not None
    assert scaling.short_factors == scaling.long_factors == tuple(range(1, 9))
    assert read_model(with_factors(path, np.ones(8))).layer(0).rope_scaling is None
    for factors, more, says in (
        (range(8), {}, "expected a positive number, got 0.0"),
        ([*range(1, 8), np.nan], {}, "expected a list of numbers, got"),
        (range(1, 8), {}, "expected 8 short_factors of longrope, got 7"),
        (np.ones((2, 4)) * 2, {}, "rope_freqs.weight: expected a list of at most 4096 F32, got F32 (2, 4)"),
        (range(1, 9), {"llama.rope.scaling.factor": 2.0}, "not modelled: 'llama.rope.scaling.factor'=2.0"),
    ):
        said = refusal(lambda: read_model(with_factors(path, factors, TOLD | more)))  # noqa: B023  it is called at once
        assert says in said


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"blk.0.attn_q.weight": None}, "no tensor blk.0.attn_q.weight"),
        ({"blk.0.attn_sinks.weight": (N,)}, "blk.0.attn_sinks.weight: no place in the block"),
        ({"blk.0.attn_q.scale": (1,)}, "blk.0.attn_q.scale: no place in the block"),
        ({"blk.0.ffn_up.weight": (F, 2 * C)}, "expected shape (256, 64)"),
        ({"blk.0.ffn_gate_exps.weight": (2, F, C)}, "blk.0.ffn_gate_exps.weight: no place in the block"),
    ],
)
def test_a_tensor_without_a_place_is_named(tmp_path: Path, changed: dict[str, Any], says: str) -> None:
    shapes = {name: shape for name, shape in (LAYER | changed).items() if shape is not None}
    ends = np.cumsum([0, *(-(-4 * int(np.prod(shape)) // 32) * 32 for shape in shapes.values())])
    listed = [tensor(name, shapes[name], 0, int(at)) for name, at in zip(shapes, ends[:-1], strict=True)]
    path = write(tmp_path / "model.gguf", listed=listed, data=bytes(int(ends[-1])))
    assert says in refusal(lambda: check_layer(read_model(path).layer(0), path, 0))
    assert says in refusal(lambda: loaded(path))


def test_a_type_that_is_not_read_is_named_with_its_number(tmp_path: Path) -> None:
    for kind, said in ((10, "Q2_K (type 10)"), (20, "IQ4_NL (type 20)"), (77, "unknown (type 77)")):
        path = write(tmp_path / "model.gguf", listed=[tensor(NORM, (C,), kind, 0)], data=bytes(256))
        told = refusal(lambda path=path: loaded(path, "norm"))  # type: ignore[misc]
        assert f"{NORM}: expected F32, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, Q5_K, Q6_K, BF16, got {said}" in told


def test_values_that_are_not_finite_name_their_tensor(tmp_path: Path) -> None:
    data = np.ones(C, "<f4")
    data[3] = np.nan
    path = write(tmp_path / "model.gguf", listed=ROW, data=data.tobytes())
    assert f"{NORM}: 1 of 64 values are not finite" in refusal(lambda: loaded(path, "norm"))
    path = write(tmp_path / "model.gguf", listed=[tensor(NORM, (C,), 8, 0)], data=b"\x00\x7e" + bytes(66))
    assert f"{NORM}: 32 of 64 values are not finite" in refusal(lambda: loaded(path, "norm"))


def test_another_architectures_file_is_no_checkpoint_of_a_family(tmp_path: Path) -> None:
    """Llama's names and shapes to the letter, and its rows in another order."""
    from dataclasses import replace

    path = write(tmp_path / "model.gguf")
    config = replace(read_model(path).layer(0), family="qwen2")
    said = refusal(lambda: check_layer(config, path, 0))
    assert "expected an architecture of the qwen2 family, got 'llama'" in said
