"""A model's decode as one program: layers one after another, the norm behind them and the head.

It is the text of `_slots` for each layer, and no workload that a cell can be of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from oneblock.workloads import _slots
from oneblock.workloads._workload import Case, Outputs, Phase, Spec, Workload
from oneblock.workloads.models import Config, Model
from oneblock.workloads.norm import norm_specs, normalise
from oneblock.workloads.ops.definitions import Array, Ops


class Whole:
    """The decode of B sequences with caches of S slots; its arrays are those of the layers, each under `names`.

    It has the first layers of a model, as many as asked for: of none what is behind them, the last norm and the head.
    """

    def __init__(self, model: Model, B: int, S: int, layers: int) -> None:
        assert model.vocabulary is not None
        self.model, self.vocabulary = model, model.vocabulary
        self.cases = [Case("block", config, Phase.DECODE, B, 1, S) for config in model.layers[:layers]]
        self.case = Case("block", model.layers[-1], Phase.DECODE, B, 1, S)  # of which no more than the sizes counts
        self.names = [_names(model.layers, number, case) for number, case in enumerate(self.cases)]
        steps = (*(f"layer{number}" for number in range(len(self.cases))), "head")
        self.workload = Workload(
            "model", self._program, self._specs, lambda case, itemsize: [], self._outputs, "x", steps=steps
        )

    def at(self, dtype: np.dtype, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """What all layers are told of the positions (B,) of tokens, from 0."""
        found: dict[str, np.ndarray] = {}
        for names, case in zip(self.names, self.cases, strict=True):
            if not found.keys() >= {"position", *(names[name] for name in _tables(case))}:
                found |= {names[name]: one for name, one in _slots.at(case, dtype, positions).items()}
        return found

    def _program(self, ops: Ops, _: Case, a: Mapping[str, Array]) -> Outputs:
        """x (B, 1, C) -> logits (B, V), in float32, and the caches (B, K, S, D) of each layer with the token."""
        x, last = a["x"], self.case
        caches: Outputs = {}
        for number, (names, case) in enumerate(zip(self.names, self.cases, strict=True)):
            given = {name: a[names[name]] for name in names} | {"x": x}
            with ops.step(f"layer{number}"):
                found = _slots.program(ops, case, given)
            x = found.pop("y")
            caches |= {names[name]: cache for name, cache in found.items()}
        with ops.step("head"):
            answer = normalise(ops, last, a, "norm", x).reshape(last.B, last.config.width)
            logits = ops.head(answer, a["head"])
            cap = self.model.logit_cap
            logits = logits if cap is None else ops.xp.tanh(logits / cap) * cap
        return {"logits": logits, **caches}

    def _specs(self, _: Case) -> dict[str, Spec]:
        found: dict[str, Spec] = {}
        for names, case in zip(self.names, self.cases, strict=True):
            found |= {names[name]: spec for name, spec in _slots.specs(case).items()}
        behind = norm_specs(self.case, "norm") | {"head": Spec((self.vocabulary, self.case.config.width))}
        return {"x": Spec((self.case.B, 1, self.case.config.width), is_input=True)} | found | behind

    def _outputs(self, _: Case) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {"logits": (self.case.B, self.vocabulary)}
        for names, case in zip(self.names, self.cases, strict=True):
            found |= {names[name]: shape for name, shape in _slots.outputs(case).items() if name != "y"}
        return found


def _names(layers: Sequence[Config], number: int, case: Case) -> dict[str, str]:
    """What the arrays of a layer are called in the whole; layers of one sort have the same rotary tables."""
    shared = {"x": "x", "position": "position"}
    shared |= {name: f"layer{layers.index(layers[number])}_{name}" for name in _tables(case)}
    return {name: shared.get(name, f"layer{number}_{name}") for name in _slots.specs(case)}


def _tables(case: Case) -> list[str]:
    return [name for name in _slots.specs(case) if name.startswith("rope_")]
