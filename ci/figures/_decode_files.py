"""The models that the figure of decode compares, each one file of weights that all sides read.

Of SmolLM2, whose file is quantised, the numbers that it stands for are written anew in a dtype; of llama-1b they are
drawn from a seed, and its tokenizer is SmolLM2's with names for the rest of the rows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter, dequantize, quantize

from oneblock.workloads.models import preset_model

MODELS = ("smollm2", "llama-1b")
_TYPES = {name: GGMLQuantizationType[short] for name, short in
          {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}.items()}  # fmt: skip
_SIZES = ("block_count", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv")
_UNUSED = 5  # llama.cpp's type of a token that is none


def installed(folder: Path, packages: tuple[str, ...]) -> Path:
    """A folder with packages that pip installs by name, without what they depend on, once for each."""
    for package in packages:
        done = folder / "peers" / f".{package}"
        if not done.exists():
            command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", done.parent, package]
            no_images = {"CMAKE_ARGS": "-DLLAVA_BUILD=OFF"}  # llama.cpp's, which a third of its build is for
            subprocess.run(command, check=True, env=os.environ | no_images)
            done.touch()
    return folder / "peers"


def written(model: str, dtype: str, source: Path, folder: Path) -> Path:
    """A GGUF file of a model in a dtype, written once; `source` is the file of SmolLM2."""
    path = folder / f"{model}-{dtype}.gguf"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    reader, part = GGUFReader(source), path.with_suffix(".part")
    keys, vocabulary = ({}, None) if model == "smollm2" else _sizes(model)
    writer = GGUFWriter(part, "llama", use_temp_file=True)
    _say(writer, reader, keys, vocabulary)
    for name, numbers in _stored(reader) if vocabulary is None else _drawn(keys, vocabulary):
        kind = GGMLQuantizationType.F32 if numbers.ndim == 1 else _TYPES[dtype]
        writer.add_tensor(name, quantize(numbers, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.rename(path)
    return path


def _sizes(name: str) -> tuple[dict[str, Any], int]:
    """What a GGUF file says of a preset's sizes, and how many rows its embedding has."""
    model = preset_model(name)
    assert model is not None
    assert model.vocabulary is not None
    c = model.layers[0]
    sizes = dict(zip(_SIZES, (len(model.layers), c.width, c.ffn_width, c.heads, c.kv_heads), strict=True))
    sizes |= {"rope.freq_base": float(c.rope_theta or 0), "rope.dimension_count": c.head_width, "context_length": 8192}
    sizes |= {"attention.layer_norm_rms_epsilon": c.norm_eps, "vocab_size": model.vocabulary}
    return {f"llama.{key}": value for key, value in sizes.items()}, model.vocabulary


def _say(writer: GGUFWriter, reader: GGUFReader, keys: dict[str, Any], vocabulary: int | None) -> None:
    """The metadata of the source, with other sizes."""
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        value, kind = keys.get(field.name, field.contents()), field.types[0]
        missing = 0 if vocabulary is None else vocabulary - len(field.data)
        if field.name == "tokenizer.ggml.tokens":
            value = value + [f"[unused{number}]" for number in range(missing)]
        if field.name == "tokenizer.ggml.token_type":
            value = value + [_UNUSED] * missing
        part = field.types[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, kind, sub_type=part)


def _stored(reader: GGUFReader) -> Iterator[tuple[str, np.ndarray]]:
    for tensor in reader.tensors:
        yield tensor.name, np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)


def _drawn(keys: dict[str, Any], vocabulary: int) -> Iterator[tuple[str, np.ndarray]]:
    """Norms of 1 and matrices (O, I) of the variance that keeps a token's."""
    N, C, F, heads, kv_heads = (keys[f"llama.{name}"] for name in _SIZES)
    KD, random = C // heads * kv_heads, np.random.default_rng(0)
    shapes = {"attn_q": (C, C), "attn_k": (KD, C), "attn_v": (KD, C), "attn_output": (C, C)}
    shapes |= {"ffn_gate": (F, C), "ffn_up": (F, C), "ffn_down": (C, F)}
    yield "token_embd.weight", random.standard_normal((vocabulary, C), np.float32) * np.float32(0.02)
    yield "output_norm.weight", np.ones(C, np.float32)
    for layer in range(N):
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{name}.weight", np.ones(C, np.float32)
        for name, (rows, columns) in shapes.items():
            drawn = random.standard_normal((rows, columns), np.float32) * np.float32(columns**-0.5)
            yield f"blk.{layer}.{name}.weight", drawn
