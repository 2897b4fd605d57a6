"""Whole models of transformers', small and random, and ours of the same weights in float64."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.bench.runs.decoding import Decoder
from oneblock.bench.runs.model_weights import Exact
from oneblock.workloads.answers.around import Ends
from oneblock.workloads.models import read_model

WORDS = [chr(ord("a") + i) for i in range(26)] + [
    "\u0120",
    "\u010a",
    ".",
    ",",
    "!",
    "?",
]  # as many as a vocabulary of 32


def in_float64(folder: Path, file: str = "model.safetensors", changed: Callable[[Ends], Ends] = lambda e: e) -> Decoder:
    """NumPy's decoder of a folder's model, its ends changed."""
    told = read_model(folder / file if file.endswith(".gguf") else folder)
    decoder = Decoder(Exact(told, folder / file, "float32"), "reference")
    decoder.ends = changed(decoder.ends)
    return decoder


def transformers_logits(model: Any, tokens: np.ndarray) -> np.ndarray:
    """Of tokens (T,) transformers' logits (T, V), in float64."""
    import torch

    from tests.helpers import transformers_models

    with transformers_models.in_float64():
        return np.asarray(model(input_ids=torch.tensor(tokens[None])).logits[0].numpy())


def tokenizer_json(folder: Path, words: list[str] = WORDS) -> Path:
    """A tokenizer of single characters beside a model."""
    vocabulary = {word: number for number, word in enumerate(words)}
    cut = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    told = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": cut, "post_processor": None, "decoder": cut,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }  # fmt: skip
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(told))
    return path
