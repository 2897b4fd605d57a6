"""A whole model on one backend: one compiled block, called for each layer, and a program of what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Compiled, CompilesModels, Executable, Unavailable, Unsupported
from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.able import CPU, able
from oneblock.bench.runs.cache_room import cache_bytes, check_room
from oneblock.bench.runs.model_weights import Checkpoint
from oneblock.workloads import _slots, block
from oneblock.workloads._whole import Whole
from oneblock.workloads._workload import Case, Phase, Workload
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.models import Config

_STEP = 64  # a cache's slots are a multiple of it: few programs serve prompts of all lengths
_PROMPT = 16  # and so is what a prompt is padded to


class Decoder:
    """Computes logits of tokens (T,): of whole sequences, or one token more of each of a batch.

    Refused says why a backend cannot; CheckpointError what is wrong with the weights.
    """

    by_layer = True  # whether `answer` can say what a layer does

    def __init__(self, checkpoint: Checkpoint, backend: str, ops_set: str = _slots.OPS_SET) -> None:
        self.checkpoint, self.model, self.ops_set = checkpoint, checkpoint.model, ops_set
        self.backend = able(backend, ops_set)
        self.ends = checkpoint.ends()
        self.dtype = self.ends.embedding.dtype
        self._made: dict[tuple[Workload, Case], Executable] = {}
        self._weights: list[dict[str, Any]] = []  # of each layer, on the device
        self._layers: list[Layer] = []
        self._read: list[int] = []  # positions of each sequence
        self._ending: dict[tuple[int, int], Whole] = {}  # by B and S
        self._behind: dict[str, Any] = {}  # the last norm and the head, on the device
        self._end_args: dict[str, Any] = {}

    def read(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the last layer answers (1, T, C) to each sequence of tokens (T,), by a prefill of its own length."""
        streams = [self.ends.embed(tokens) for tokens in sequences]
        for number, config in enumerate(self.model.layers):
            cases = [Case("block", config, Phase.PREFILL, 1, len(tokens), len(tokens)) for tokens in sequences]
            weights = self.checkpoint.layer(block.WORKLOAD, cases[0], number)
            for i, (case, x) in enumerate(zip(cases, streams, strict=True)):
                arrays = weights | _slots.prompt_tables(case, self.dtype, case.T) | {"x": x}
                made = self._compiled(block.WORKLOAD, case, arrays)
                streams[i] = made.get(made.call(made.put(arrays)))["y"]
        return streams

    def prepare(self, prompts: Sequence[np.ndarray], tokens: int) -> None:
        """All that `begin` with the same does once: weights are put on the device, and blocks are compiled."""
        self._can_begin(len(prompts), max(map(len, prompts)), tokens)
        S = rounded(max(map(len, prompts)) + tokens)
        for number, config in enumerate(self.model.layers):
            wanted = [*{_prefill(config, prompt) for prompt in prompts}, *self._of_a_step(config, len(prompts), S)]
            missing = [case for case in wanted if (_slots.WORKLOAD, case) not in self._made]
            if number < len(self._weights) and not missing:
                continue
            weights = self.checkpoint.layer(_slots.WORKLOAD, wanted[-1], number)
            for case in missing:
                self._compiled(_slots.WORKLOAD, case, weights | self._given(case))
            if number == len(self._weights):
                self._weights.append(self._made[_slots.WORKLOAD, wanted[-1]].put(weights))
        end = self._end_of(len(prompts), S)
        zeros = {name: np.zeros(spec.shape, self.dtype) for name, spec in end.workload.specs(end.case).items()}
        made = self._compiled(end.workload, end.case, zeros | end.at(self.dtype, [0] * len(prompts)))
        self._behind = self._behind or made.put(self.ends.behind())

    def begin(self, prompts: Sequence[np.ndarray], tokens: int) -> np.ndarray:
        """The logits (B, V) behind each of B prompts (n,), with caches that have slots for so many tokens more.

        A prompt is padded behind its end: what stands there no position before it sees, and no later one until it is
        written over.
        """
        self.prepare(prompts, tokens)
        self._read = [len(prompt) for prompt in prompts]
        self._slots = S = rounded(max(self._read) + tokens)
        streams = [_padded(self.ends.embed(prompt), rounded(len(prompt), _PROMPT), axis=1) for prompt in prompts]
        self._layers, self._end = [], self._end_of(len(prompts), S)
        self._end_args = dict(self._behind)
        for number, (weights, config) in enumerate(zip(self._weights, self.model.layers, strict=True)):
            caches = []
            for i, prompt in enumerate(prompts):
                case = _prefill(config, prompt)
                made = self._made[_slots.WORKLOAD, case]
                given = _slots.prompt_tables(case, self.dtype, len(prompt)) | {"x": streams[i]}
                found = made.get(made.call(weights | made.put(given)))
                streams[i] = found.pop("y")
                caches.append({name: _padded(cache, S, axis=2) for name, cache in found.items()})
            joined = {name: np.concatenate([one[name] for one in caches]) for name in caches[0]}
            self._add(number, decode_case(config, len(prompts), S), weights, joined)
        given = self._end_args | self._told([0] * len(prompts))
        self._end_args = {name: given[name] for name in self._end.workload.specs(self._end.case)}  # as it is compiled
        ends = [y[:, n - 1 : n] for y, n in zip(streams, self._read, strict=True)]
        return self.ends.logits(np.concatenate(ends, axis=1))

    def step(self, tokens: Sequence[int]) -> np.ndarray:
        """The logits (B, V) behind one token more of each sequence; `begin` was told of it."""
        assert max(self._read) < self._slots, "a token behind the last slot, which some would write there"
        told = self._told(tokens)
        given: dict[Config, dict[str, Any]] = {}  # what changes from token to token, and not from layer to layer
        for layer in self._layers:
            config = layer.case.config
            if config not in given:
                given[config] = layer.made.put(self._at(layer.case))
            told["x"] = layer.call(given[config] | {"x": told["x"]})["y"]
        self._read = [n + 1 for n in self._read]
        self._end_args.update(told)
        made = self._made[self._end.workload, self._end.case]
        return made.get({"logits": made.call(self._end_args)["logits"]})["logits"]

    def through(self, tokens: Sequence[int]) -> list[np.ndarray]:
        """As `step`, slower: x (B, 1, C) before each layer and behind the last."""
        each = [self.embedded(tokens)]
        for number in range(len(self._layers)):
            each.append(self.answer(number, each[-1])["y"])
        self._read = [n + 1 for n in self._read]
        return each

    def back(self) -> None:
        """As before the last token, whose slot the next is written to."""
        self._read = [n - 1 for n in self._read]

    def embedded(self, tokens: Sequence[int]) -> np.ndarray:
        """The x (B, 1, C) of one token more of each sequence."""
        each = [self.ends.embed(np.asarray([one]), n) for one, n in zip(tokens, self._read, strict=True)]
        return np.concatenate(each)

    def answer(self, number: int, x: np.ndarray) -> Named:
        """What one layer makes of x (B, 1, C) as the next token: y and what it sees of its caches (B, K, S, D), else 0.

        A `step` writes the token anew.
        """
        layer = self._layers[number]
        found = dict(layer.made.get(layer.call(layer.made.put(self._at(layer.case) | {"x": x}))))
        y, seen = found.pop("y"), np.arange(layer.case.S) <= np.asarray(self._read)[:, None]
        caches = {name: self._by_slots(cache, layer.case) for name, cache in found.items()}
        return {"y": y} | {
            name: np.where(seen[:, None, :, None], cache, np.zeros(1, cache.dtype)) for name, cache in caches.items()
        }

    def _by_slots(self, cache: np.ndarray, case: Case) -> np.ndarray:
        """A cache as it is kept -> (B, K, S, D)."""
        return cache

    def _at(self, case: Case) -> Named:
        """What a step tells of where its tokens stand."""
        return _slots.at(case, self.dtype, self._read)

    def _end_of(self, B: int, S: int) -> Whole:
        """The program that a step ends with: the last norm and the head."""
        return self._ending.setdefault((B, 1), Whole(self.model, B, 1, 0))

    def _told(self, tokens: Sequence[int]) -> dict[str, Any]:
        """What the program that a step ends with is told of a token of each sequence, on the device."""
        made = self._made[self._end.workload, self._end.case]
        return made.put(self._end.at(self.dtype, self._read) | {"x": self.embedded(tokens)})

    def _of_a_step(self, config: Config, B: int, S: int) -> list[Case]:
        """The blocks that a step calls, of one sort of layer."""
        return [decode_case(config, B, S)]

    def _add(self, number: int, case: Case, weights: Mapping[str, Any], caches: Named) -> None:
        """A layer, with weights that are on the device and caches that hold the prompts."""
        made = self._made[_slots.WORKLOAD, case]
        self._layers.append(Layer(case, made, {**weights, **made.put(self._given(case) | caches)}))

    def _given(self, case: Case) -> Named:
        """The arrays of a call but the weights, in the order in which all calls have them; their numbers are zero."""
        x = np.zeros((case.B, case.T, case.config.width), self.dtype)
        if case.phase is Phase.PREFILL:
            return _slots.prompt_tables(case, self.dtype, 1) | {"x": x}
        caches = {name: np.zeros(shape, self.dtype) for name, shape in _slots.outputs(case).items() if name != "y"}
        return caches | _slots.at(case, self.dtype, [0] * case.B) | {"x": x}

    def _compiled(self, workload: Workload, case: Case, arrays: Named) -> Executable:
        """The program of a case, compiled once."""
        if (workload, case) not in self._made:
            try:
                compiled = self._compile(workload, case, arrays)
            except (Unavailable, Unsupported) as error:
                raise Refused(f"{self.backend.name}: {error}") from error
            if compiled.executable is None:
                raise Refused(f"{self.backend.name} compiles, and runs nothing here: choose another --backend")
            self._made[workload, case] = compiled.executable
        return self._made[workload, case]

    def _compile(self, workload: Workload, case: Case, arrays: Named) -> Compiled:
        backend = self.backend
        compile = backend.compile_layer if isinstance(backend, CompilesModels) else backend.compile
        return compile(workload, case, arrays, self.ops_set, CPU)

    def _can_begin(self, B: int, prompt: int, tokens: int) -> None:
        """Refused where the model, its context or this machine's memory has no place for so much."""
        positions = prompt + tokens
        if self.model.layers[0].latent is not None:
            raise Refused(f"{self.model.name}: tokens are not generated with latent attention, whose caches are others")
        if self.model.context is not None and positions > self.model.context:
            raise Refused(
                f"{self.model.name} has a context of {self.model.context} tokens, and the prompt with what is to "
                f"follow would be {positions}: shorten it, or ask for fewer --tokens"
            )
        missing, itemsize = len(self.model.layers) - len(self._weights), self.dtype.itemsize
        had = sum(layer.case.S * cache_bytes(self.model, layer.case.B, itemsize) for layer in self._layers[:1])
        check_room(self.model, itemsize, B, prompt, tokens, _STEP, missing, had)


@dataclass
class Layer:
    """A layer whose weights and caches (B, K, S, D) are on the device, and stay there from token to token."""

    case: Case
    made: Executable
    args: dict[str, Any]

    def call(self, given: Mapping[str, Any]) -> Any:
        """y (B, 1, C) and the caches, on the device, with the token. The arguments keep their order."""
        self.args.update(given)
        return self.made.call(self.args)


def _prefill(config: Config, prompt: np.ndarray) -> Case:
    T = rounded(len(prompt), _PROMPT)
    return Case("block", config, Phase.PREFILL, 1, T, T)


def decode_case(config: Config, B: int, S: int) -> Case:
    """A block's, of B sequences with caches of S slots."""
    return Case("block", config, Phase.DECODE, B, 1, S)


def rounded(slots: int, step: int = _STEP) -> int:
    """So many slots, or a few more, that few programs serve many lengths."""
    return -(-slots // step) * step


def _padded(x: np.ndarray, size: int, axis: int) -> np.ndarray:
    """x (...) with zeros behind it along an axis."""
    widths = [(0, size - x.shape[axis] if axis == at else 0) for at in range(x.ndim)]
    return np.pad(x, widths)
