"""A decoder whose step is one program: what lies between the embedding and the logits is compiled as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from oneblock.bench.runs.decoding import Decoder
from oneblock.workloads._whole import Whole
from oneblock.workloads._workload import Case
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.models import Config


class WholeDecoder(Decoder):
    """Reads a prompt layer by layer as any `Decoder` does; a token is one call, of which only its logits come back."""

    by_layer = False

    def answer(self, number: int, x: np.ndarray) -> Named:
        """Refused: there are no layers to ask."""
        raise NotImplementedError("a whole program has no layers that answer by themselves: ask a Decoder")

    def _end_of(self, B: int, S: int) -> Whole:
        return self._ending.setdefault((B, S), Whole(self.model, B, S, len(self.model.layers)))

    def _of_a_step(self, config: Config, B: int, S: int) -> list[Case]:
        return []

    def _add(self, number: int, case: Case, weights: Mapping[str, Any], caches: Named) -> None:
        names, made = self._end.names[number], self._made[self._end.workload, self._end.case]
        put = made.put({names[name]: cache for name, cache in caches.items()})
        self._end_args |= {names[name]: weight for name, weight in weights.items()} | put
