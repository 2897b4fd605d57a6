"""Serves requests and counts: OUT ways LENGTHS C PAIR, OUT disk LENGTHS C CACHE, OUT learners LENGTHS C MOST FILE.

Compilations are those that JAX's monitoring reports, without what its cache on disk held; traces are counted by the
function itself. PyTorch's graphs are those that its compiler hands to a backend.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.bench.lessons.lab import module

COMPILED, FROM_DISK = "/jax/core/compile/backend_compile_duration", "/jax/compilation_cache/cache_hits"
powers = module(Path(__file__).with_name("buckets.py")).powers
PADDING = 3.0  # what rows hold that are no request's
MOST = 1e-4  # of the largest element, in float32


class Counts(Counter[str]):
    """What JAX said since the last look, and how often a function was traced."""

    def __init__(self) -> None:
        from jax import monitoring

        super().__init__()
        monitoring.register_event_listener(lambda event, **_: self.update([event]))
        monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: self.update([event]))

    def taken(self, padded: int = 0) -> dict[str, int]:
        """The counts, which begin again."""
        told = {
            "traces": self["traced"], "compiled": self[COMPILED] - self[FROM_DISK], "from_disk": self[FROM_DISK],
            "padded": padded,
        }  # fmt: skip
        self.clear()
        return told

    def noted(self, x: Any, scale: Any = 1.0, times: int = 1) -> Any:
        """The function that is served: softmax(x x^T) x."""
        import jax

        self["traced"] += 1
        return scale * times * jax.nn.softmax(x @ x.T, -1) @ x


def requests(lengths: Iterable[int], C: int) -> list[Any]:
    """An array (T, C) for each."""
    rng = np.random.default_rng(C)
    return [rng.standard_normal((T, C)).astype(np.float32) for T in lengths]


def padded(x: Any, to: int) -> Any:
    """x with rows that are no request's."""
    return np.concatenate([x, np.full((to - len(x), x.shape[1]), PADDING, np.float32)])


def by_powers(given: list[Any]) -> list[Any]:
    """Each padded to a power of two."""
    return [padded(x, powers(len(x))) for x in given]


def all_of(function: Callable[[Any], Any], given: Iterable[Any]) -> None:
    """Call it with each."""
    for x in given:
        np.asarray(function(x))


def in_jax(given: list[Any], C: int, pair: int) -> dict[str, Any]:
    """What each way to serve counts."""
    import jax
    from jax import export

    jax.config.update("jax_compilation_cache_dir", None)
    counts, buckets = Counts(), by_powers(given)
    more = sum(map(len, buckets)) - sum(map(len, given))
    all_of(jax.jit(lambda x: counts.noted(x)), given)  # a lambda each: another object, and so another cache
    told: dict[str, Any] = {"exact": counts.taken()}
    all_of(jax.jit(lambda x: counts.noted(x)), buckets)
    told["powers"] = counts.taken(more)
    of = jax.ShapeDtypeStruct(export.symbolic_shape(f"t, {C}"), np.float32)
    written = export.export(jax.jit(lambda x: counts.noted(x)))(of)
    all_of(jax.jit(written.call), buckets)
    told["symbolic"] = counts.taken(more)
    told["again"] = twice(counts, given[0], pair)
    return told


def twice(counts: Counts, x: Any, pair: int) -> dict[str, Any]:
    """Two calls with one shape, and what of each is in the key of JAX's cache."""
    import jax

    def made() -> Any:
        return jax.jit(lambda x, scale, times: counts.noted(x, scale, times), static_argnums=2)

    one = made()
    calls: dict[str, tuple[Any, ...]] = {"before": (one, x, np.float32(0.5), 1)}
    calls["after"] = (
        (one, x, 0.25, 1), (one, x.astype(np.float16), np.float32(0.25), 1),
        (made(), x, np.float32(0.25), 1), (one, x, np.float32(0.25), 2),
    )[pair]  # fmt: skip
    for function, *arguments in calls.values():
        np.asarray(function(*arguments))
    told: dict[str, Any] = counts.taken()
    for name, (function, *arguments) in calls.items():
        told[name] = {
            "types": [str(jax.typeof(one)) + " weak" * jax.typeof(one).weak_type for one in arguments[:2]],
            "function": "the first" if function is one else "another", "static": arguments[2],
        }  # fmt: skip
    counts.clear()
    return told


def in_torch(given: list[Any]) -> dict[str, Any]:
    """Graphs that torch.compile makes by default and without symbols, and calls that none of them served."""
    import torch

    told = {}
    for name, dynamic in (("default", None), ("fixed", False)):
        torch._dynamo.reset()
        counts: Counter[str] = Counter()

        def backend(graph: Any, inputs: Any, counts: Counter[str] = counts) -> Any:
            counts["graphs"] += 1

            def called(*arguments: Any) -> Any:
                counts["calls"] += 1
                return graph(*arguments)

            return called

        function = torch.compile(lambda x: torch.softmax(x @ x.T, -1) @ x, backend=backend, dynamic=dynamic)
        for x in given:
            function(torch.from_numpy(x))
        told[name] = {"graphs": counts["graphs"], "eager": len(given) - counts["calls"]}
    return told


def ways(given: list[Any], C: int, pair: int) -> dict[str, Any]:
    """All that JAX and PyTorch count, as far as they are here."""
    told: dict[str, Any] = {"absent": {}}
    of: dict[str, Callable[[], Any]] = {
        "jax_xla": lambda: in_jax(given, C, pair),
        "torch_eager": lambda: in_torch(given),
    }
    for name, made in of.items():
        try:
            backends.ours(name).probe(Target.parse("cpu"))
        except Unavailable as error:
            told["absent"][name] = f"{error}; {error.hint}"
        else:
            told[name] = made()
    return told


def with_disk(given: list[Any], cache: str) -> dict[str, Any]:
    """What is counted with a cache on disk that keeps everything."""
    import jax

    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    counts = Counts()
    all_of(jax.jit(counts.noted), given)
    return counts.taken()


def learners(given: list[Any], most: int, path: str) -> dict[str, Any]:
    """Whether a learner's attention is right of padded requests, programs compiled, and positions padded."""
    import jax

    found = runpy.run_path(path)
    jax.config.update("jax_compilation_cache_dir", None)
    sizes = sorted(int(size) for size in found["buckets"]([len(x) for x in given], most))
    if not sizes or sizes[-1] < max(map(len, given)):
        raise ValueError(f"buckets: no length for a request of {max(map(len, given))}, among {sizes}")
    counts, function, right, more = Counts(), jax.jit(found["attention"]), True, 0
    for x in given:
        to = next(size for size in sizes if size >= len(x))
        answer = np.asarray(function(padded(x, to), np.int32(len(x))))[: len(x)]
        scores = x.astype(np.float64) @ x.T * x.shape[1] ** -0.5
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        exact = weights @ x / weights.sum(-1, keepdims=True)
        right &= answer.shape == exact.shape and bool(np.abs(answer - exact).max() <= MOST * np.abs(exact).max())
        more += to - len(x)
    return counts.taken(more) | {"right": right}


def main(out: str, what: str, lengths: str, C: str, *rest: str) -> None:
    """Write what is told as JSON."""
    given = requests(map(int, lengths.split(",")), int(C))
    if what == "ways":
        told = ways(given, int(C), int(rest[0]))
    else:
        told = with_disk(given, *rest) if what == "disk" else learners(given, int(rest[0]), rest[1])
    Path(out).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main(*sys.argv[1:])
