"""A decoder whose caches lie in pages of a pool that the sequences of a batch share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from oneblock.bench.runs.decoding import Decoder, Layer, decode_case, rounded
from oneblock.workloads import _pages, _slots
from oneblock.workloads._pages import PAGE
from oneblock.workloads._workload import Case
from oneblock.workloads.answers.arrays import Named
from oneblock.workloads.models import Config


class Pages:
    """Which pages of a pool each sequence has: a free one is taken as a text comes to its first position."""

    def __init__(self, B: int, S: int, pages: int) -> None:
        self.free = list(range(pages))
        self.taken = [0] * B
        self.table = np.zeros((B, S // PAGE), np.int32)

    def reach(self, positions: Sequence[int]) -> None:
        """Take what each sequence needs to have a place for its position."""
        for b, position in enumerate(positions):
            while self.taken[b] <= position // PAGE:
                self.table[b, self.taken[b]] = self.free.pop()
                self.taken[b] += 1

    def rows(self, positions: Sequence[int]) -> np.ndarray:
        """The row of the pool (B,) of each sequence's position."""
        pages = [self.table[b, position // PAGE] for b, position in enumerate(positions)]
        return np.asarray(pages, np.int32) * PAGE + np.asarray(positions, np.int32) % PAGE


class PagedDecoder(Decoder):
    """As `Decoder`, and as fast where a kernel reads pages; elsewhere a step first gathers what its tokens see."""

    def prepare(self, prompts: Sequence[np.ndarray], tokens: int) -> None:
        """As `Decoder` has it; the pool has as many pages as all texts may come to fill."""
        super().prepare(prompts, tokens)
        lengths = [len(prompt) + tokens for prompt in prompts]
        S, pages = rounded(max(lengths)), sum(-(-length // PAGE) for length in lengths)
        self.pages, self._workload = Pages(len(prompts), S, pages), _pages.workload(pages)
        for config in dict.fromkeys(self.model.layers):
            case = decode_case(config, len(prompts), S)
            specs = self._workload.specs(case)
            zeros = {name: np.zeros(spec.shape, self.dtype) for name, spec in specs.items()}
            self._compiled(self._workload, case, zeros | self._told_where(case, [0] * case.B))

    def _of_a_step(self, config: Config, B: int, S: int) -> list[Case]:
        return []

    def _add(self, number: int, case: Case, weights: Mapping[str, Any], caches: Named) -> None:
        self.pages.reach([n - 1 for n in self._read])
        made, specs = self._made[self._workload, case], self._workload.specs(case)
        given = self._told_where(case, self._read) | {"x": np.zeros(specs["x"].shape, self.dtype)}
        for name, cache in caches.items():
            pool = np.zeros(specs[name].shape, self.dtype)
            by_page = pool.reshape(-1, PAGE, *cache.shape[1::2])
            for b, taken in enumerate(self.pages.taken):
                by_page[self.pages.table[b, :taken]] = _in_pages(cache[b])[:taken]
            given[name] = pool
        args = {**weights, **made.put(given)}
        self._layers.append(Layer(case, made, {name: args[name] for name in specs}))

    def _at(self, case: Case) -> Named:
        self.pages.reach(self._read)
        return self._told_where(case, self._read)

    def _told_where(self, case: Case, positions: Sequence[int]) -> Named:
        told = _slots.at(case, self.dtype, positions)
        return told | {"pages": self.pages.table.copy(), "row": self.pages.rows(positions)}

    def _by_slots(self, cache: np.ndarray, case: Case) -> np.ndarray:
        by_page = cache.reshape(-1, PAGE, case.config.kv_heads, case.config.head_width)
        return by_page[self.pages.table].reshape(case.B, case.S, *by_page.shape[2:]).swapaxes(1, 2)


def _in_pages(cache: np.ndarray) -> np.ndarray:
    """cache (K, S, D) -> (S / page, page, K, D)."""
    K, S, D = cache.shape
    return cache.swapaxes(0, 1).reshape(S // PAGE, PAGE, K, D)
