"""What is around the layers of a model, from its checkpoint: embeddings, the norm behind the layers, and the head."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.checkpoint import rounded_to
from oneblock.workloads.answers.checkpoint_files import CheckpointError, opened
from oneblock.workloads.answers.naming import Layer, layer_of
from oneblock.workloads.models import Model
from oneblock.workloads.norm import norm_specs, normalise
from oneblock.workloads.ops.dtypes import dtype_of
from oneblock.workloads.ops.numpy_ops import NumpyOps


@dataclass(frozen=True)
class Ends:
    """The two ends of a model: from tokens to x (1, T, C), and from y to logits."""

    model: Model
    embedding: np.ndarray  # (V, C)
    positions: np.ndarray | None  # (P, C), where they are learned
    norm: dict[str, np.ndarray]  # norm_weight (C,) and, of LayerNorm, norm_bias
    head: np.ndarray | None  # (V, C); None: it is the embedding

    def embed(self, tokens: np.ndarray, first: int = 0) -> np.ndarray:
        """tokens (T,), of which the first stands at a position from 0 -> x (1, T, C) in the weights' dtype.

        Where the family says so, rows are scaled by sqrt(C), rounded to that dtype, as Gemma's are.
        """
        x = self.embedding[tokens]
        if self.model.scaled_embedding:
            x = x * np.asarray(x.shape[-1] ** 0.5, x.dtype)
        if self.positions is not None:
            x = x + self.positions[first : first + len(tokens)]
        return np.array(x[None], order="C")  # a copy has the strides of its shape, which Inductor compiles for

    def logits(self, y: np.ndarray) -> np.ndarray:
        """y (1, T, C) of the last layer -> logits (T, V), in float32, of float64 in float64."""
        ops, case = NumpyOps(), Case("norm", self.model.layers[-1], Phase.PREFILL, 1, y.shape[1], y.shape[1])
        found = ops.wide(normalise(ops, case, self.norm, "norm", y))[0] @ self._wide_head.T
        cap = self.model.logit_cap
        return np.asarray(found if cap is None else np.tanh(found / cap) * cap)

    def behind(self) -> dict[str, np.ndarray]:
        """The arrays that `logits` takes: those of the norm, and "head" (V, C)."""
        return self.norm | {"head": self.embedding if self.head is None else self.head}

    @cached_property
    def _wide_head(self) -> np.ndarray:
        return np.asarray(NumpyOps().wide(self.behind()["head"]))


def load_ends(model: Model, path: Path, dtype: str) -> Ends:
    """The ends of a model from its checkpoint, rounded to a dtype; CheckpointError says what is wrong with it."""
    if model.vocabulary is None:
        raise CheckpointError(f"{path}: {model.name} does not say its vocab_size: expected a model that does")
    config = model.layers[-1]
    found = layer_of(path, config, 0)
    names, C = found.naming, config.width
    prefix = found.root.removesuffix(f"{names.layers}.0.")
    norm = {
        name: _read(found, prefix + names.final_norm + name.removeprefix("norm").replace("_", "."), spec.shape, dtype)
        for name, spec in norm_specs(Case("norm", config, Phase.PREFILL, 1, 1, 1), "norm").items()
    }
    positions = None
    if model.positions is not None:
        positions = _read(found, f"{prefix}{names.positions}.weight", (model.positions, C), dtype)
    head = None
    if not model.tied_head:
        outside = [prefix.removesuffix(names.prefix) + names.head, names.head]
        told = next((one for one in outside if f"{one}.weight" in found.files), names.head)
        head = _read(found, f"{told}.weight", (model.vocabulary, C), dtype)
    embedding = _read(found, f"{prefix}{names.embedding}.weight", (model.vocabulary, C), dtype)
    return Ends(model, embedding, positions, norm, head)


def _read(found: Layer, tensor: str, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """A tensor, whole, of an expected shape; norms that are stored less 1 get it back."""
    file = found.file_of(tensor)
    with opened(file) as tensors:
        stored: Any = tensors.get_slice(tensor)
        kind, got = stored.get_dtype(), tuple(stored.get_shape())
        if got != shape:
            raise CheckpointError(f"{file}: {tensor}: expected shape {shape}, got {got}: it is not of this model")
        if kind not in tensors.types:
            raise CheckpointError(
                f"{file}: {tensor}: expected {', '.join(tensors.types)}, got {kind}; convert it first"
            )
        numbers = stored[...]
    if found.naming.offset_norms and len(shape) == 1:
        numbers = numbers.astype(np.float64) + 1.0
    return rounded_to(numbers, dtype_of(dtype), f"{file}: {tensor}")
