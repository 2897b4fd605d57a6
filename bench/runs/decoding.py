"""A whole model on one backend: its ends on the host, and between them one compiled block, called for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Backend, Compiled, Executable, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.bench.format.errors import Refused
from oneblock.workloads import _slots, block
from oneblock.workloads._workload import Case, Phase, Workload
from oneblock.workloads.answers.around import Ends, load_ends
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.answers.checkpoint import load_weights
from oneblock.workloads.models import Config, Model

_STEP = 64  # a cache's slots are a multiple of it: few programs serve prompts of all lengths
_CPU = Target.parse("cpu")


@dataclass(frozen=True)
class Checkpoint:
    """A model and the file of its weights, which are read layer by layer."""

    model: Model
    path: Path
    dtype: str

    def layer(self, workload: Workload, case: Case, number: int) -> Named:
        """The weights of a layer; what of them is computed is not among them."""
        specs = workload.specs(case)
        found = load_weights(workload, case, self.dtype, self.path, number)
        return {name: array for name, array in found.items() if specs[name].table is None}

    def ends(self) -> Ends:
        """What is around the layers."""
        return load_ends(self.model, self.path, self.dtype)


class Decoder:
    """Computes logits of tokens (T,), one sequence at a time.

    Refused says why a backend cannot; CheckpointError what is wrong with the weights.
    """

    def __init__(self, checkpoint: Checkpoint, backend: str) -> None:
        self.checkpoint, self.model = checkpoint, checkpoint.model
        self.backend = _able(backend)
        self.ends = checkpoint.ends()
        self.dtype = self.ends.embedding.dtype
        self._made: dict[tuple[Workload, Case], Executable] = {}
        self._layers: list[_Layer] = []
        self._read = 0  # positions

    def read(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the last layer answers (1, T, C) to each sequence of tokens (T,), by a prefill of its own length."""
        streams = [self.ends.embed(tokens) for tokens in sequences]
        for number, config in enumerate(self.model.layers):
            cases = [Case("block", config, Phase.PREFILL, 1, len(tokens), len(tokens)) for tokens in sequences]
            weights = self.checkpoint.layer(block.WORKLOAD, cases[0], number)
            for i, (case, x) in enumerate(zip(cases, streams, strict=True)):
                arrays = weights | _slots.tables(case, self.dtype) | {"x": x}
                made = self._compiled(block.WORKLOAD, case, arrays)
                streams[i] = made.get(made.call(made.put(arrays)))["y"]
        return streams

    def begin(self, prompt: np.ndarray, tokens: int) -> np.ndarray:
        """The logits (V,) behind a prompt (n,), with caches that have slots for so many tokens more.

        The prompt is padded behind its end to all slots: what stands there no position before it sees, and no later
        one until it is written over.
        """
        self._can_begin(len(prompt) + tokens)
        S = -(-(len(prompt) + tokens) // _STEP) * _STEP
        y = np.zeros((1, S, self.model.layers[0].width), self.dtype)
        y[:, : len(prompt)] = self.ends.embed(prompt)
        self._layers = []
        for number, config in enumerate(self.model.layers):
            case = Case("block", config, Phase.PREFILL, 1, S, S)
            weights = self.checkpoint.layer(_slots.WORKLOAD, case, number)
            arrays = weights | _slots.tables(case, self.dtype, tokens=len(prompt)) | {"x": y}
            made = self._compiled(_slots.WORKLOAD, case, arrays)
            found = made.get(made.call(made.put(arrays)))
            y = found.pop("y")
            self._layers.append(self._layer(config, S, weights, found))
        self._read = len(prompt)
        return np.asarray(self.ends.logits(y[:, len(prompt) - 1 : len(prompt)])[0])

    def step(self, token: int) -> np.ndarray:
        """The logits (V,) behind one token more."""
        y = self.ends.embed(np.asarray([token]), self._read)
        changing: dict[Config, Named] = {}
        for layer in self._layers:
            if layer.case.config not in changing:
                changing[layer.case.config] = self._of_position(layer.case, self._read)
            y = layer.step(changing[layer.case.config] | {"x": y})
        self._read += 1
        return np.asarray(self.ends.logits(y)[0])

    def _of_position(self, case: Case, position: int) -> Named:
        """What changes from token to token, and not from layer to layer."""
        slots = _slots.slots(case.config, case.S, position, self.dtype)
        return _slots.tables(case, self.dtype, position) | {"slots": slots}

    def _layer(self, config: Config, S: int, weights: Named, caches: Named) -> _Layer:
        case = Case("block", config, Phase.DECODE, 1, 1, S)
        x = np.zeros((1, 1, config.width), self.dtype)
        arrays = weights | caches | self._of_position(case, 0) | {"x": x}
        made = self._compiled(_slots.WORKLOAD, case, arrays)
        return _Layer(case, made, made.put(weights), caches)

    def _compiled(self, workload: Workload, case: Case, arrays: Named) -> Executable:
        """The program of a case, compiled once."""
        if (workload, case) not in self._made:
            try:
                compiled: Compiled = self.backend.compile(workload, case, arrays, _slots.OPS_SET, _CPU)
            except (Unavailable, Unsupported) as error:
                raise Refused(f"{self.backend.name}: {error}") from error
            if compiled.executable is None:
                raise Refused(f"{self.backend.name} compiles, and runs nothing here: choose another --backend")
            self._made[workload, case] = compiled.executable
        return self._made[workload, case]

    def _can_begin(self, positions: int) -> None:
        if self.model.layers[0].latent is not None:
            raise Refused(f"{self.model.name}: tokens are not generated with latent attention, whose caches are others")
        if self.model.context is not None and positions > self.model.context:
            raise Refused(
                f"{self.model.name} has a context of {self.model.context} tokens, and the prompt with what is to "
                f"follow would be {positions}: shorten it, or ask for fewer --tokens"
            )


@dataclass
class _Layer:
    """A layer whose weights are on the device; its caches (1, S, K, D) are the host's between two tokens."""

    case: Case
    made: Executable
    weights: dict[str, Any]
    caches: Named

    def step(self, given: Named) -> np.ndarray:
        """y (1, 1, C), and the caches have the token. Arrays come in the order in which they were compiled for."""
        found = self.made.get(self.made.call(self.weights | self.made.put(self.caches | given)))
        y = found.pop("y")
        self.caches = found
        return y


def _able(name: str) -> Backend:
    """A backend of ours that runs the plain text on this machine's processor; others' run in workers alone."""
    backend = backends.ours(name)
    try:
        if _slots.OPS_SET not in backend.ops_sets or _CPU.platform not in backend.platforms:
            raise Refused(f"{name}: tokens are generated by the plain text on the CPU, which it does not run")
        backend.probe(_CPU)
    except (Unavailable, Unsupported) as error:
        hint = f"; {error.hint}" if isinstance(error, Unavailable) else ""
        raise Refused(f"{name}: {error}{hint}") from error
    return backend
