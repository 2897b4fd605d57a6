"""How many sequences a device has room for beside its part of a model, by formula."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from oneblock.bench.judge.model_memory import kept
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Model

_WHOLE = ("final norm", "positions", "x and y of one block")  # on every device; the rest is split over them


class Memory:
    """What a model keeps at some size, asked once whatever the device."""

    def __init__(self, model: Model, dtype: str) -> None:
        self.kv_heads = model.layers[-1].kv_heads

        @cache
        def parts(B: int, S: int) -> dict[str, int]:
            return kept(model, Case("block", model.layers[0], Phase.DECODE, B, 1, S), dtype)

        self.parts = parts

    def room(self, memory_bytes: float, devices: int) -> Callable[[int], int]:
        """A function: how many sequences of so many positions fit; 0 or less where not one does.

        Each of the devices, which split heads, feed-forward, vocabulary and caches, has `memory_bytes`. A sequence's
        cache and logits are as many bytes each time; what the compiler takes for scratch is left out.
        """

        def sequences(S: int) -> int:
            one, two = (self._on_one(B, S, devices) for B in (1, 2))
            return 1 + int((memory_bytes - one) // (two - one))

        return sequences

    def _on_one(self, B: int, S: int, devices: int) -> float:
        parts = self.parts(B, S)
        # More devices than heads of keys keep copies of their caches.
        over = {**dict.fromkeys(parts, devices), **dict.fromkeys(_WHOLE, 1), "caches": min(devices, self.kv_heads)}
        return sum(nbytes / over[part] for part, nbytes in parts.items())
