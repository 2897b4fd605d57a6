"""Compiles programs for TPUs: OUT CHIP CHIP2 K D S B T C F LAYERS; or tries a learner's `place`: OUT FILE."""

from __future__ import annotations

import json
import random
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers import chips
from oneblock.compilers.api.errors import OutOfMemory
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.xla.errors import typed

SCRATCH_ON = "v5p"  # it keeps in HBM what others may hold in VMEM
NEAR = 1.1  # of the most bytes that are alive at once: near enough to them

Buffer = tuple[int, int, int]  # bytes, the first operation that needs it, and the last


def main(out: str, *words: str) -> None:
    """Write what is told as JSON."""
    told = _placed(words[0]) if len(words) == 1 else _compiled(words[0], words[1], *map(int, words[2:]))
    Path(out).write_text(json.dumps(told), encoding="utf-8")


def _compiled(chip: str, chip2: str, K: int, D: int, S: int, B: int, T: int, C: int, F: int, layers: int) -> Any:
    try:
        backends.ours("xla_tpu").probe(Target.parse(f"tpu:{chip}"))
    except Unavailable as error:
        return {"absent": {"xla_tpu": f"{error}; {error.hint}"}}
    import jax

    cache, token = (B, K, S, D), (B, K, 1, D)
    made: dict[str, Any] = {"available_bytes": {one: _refused(one) for one in (chip, chip2)}}
    for name, donated in (("kept", ()), ("donated", (0,))):
        update = jax.jit(_update, donate_argnums=donated)
        made[name] = _memory(chip, update, cache, token, None)
        held = made["available_bytes"][chip] // (made[name]["peak_bytes"] // B)
        made[name]["most_sequences"] = _most(
            lambda n: _fits(chip, update, (n, *cache[1:]), (n, *token[1:]), None),  # noqa: B023  called at once
            near=held,
        )
    for name, n in (("one", 1), ("all", layers)):
        made[f"{name}_scratch"] = _memory(SCRATCH_ON, jax.jit(_mlps), (T, C), *([(C, F), (F, C)] * n))["temp_bytes"]
    return {"absent": {}, "xla_tpu": made}


def _update(cache: Any, token: Any, position: Any) -> Any:
    """A decode's new token, written to its place."""
    import jax

    return jax.lax.dynamic_update_slice(cache, token, (0, 0, position, 0))


def _mlps(x: Any, *weights: Any) -> Any:
    """So many MLPs, one after another, each with a residual."""
    import jax

    for up, down in zip(weights[::2], weights[1::2], strict=True):
        x = x + jax.nn.gelu(x @ up) @ down
    return x


def _compile(chip: str, function: Any, *shapes: tuple[int, ...] | None) -> Any:
    """A function of bfloat16 arrays, and of an int32 where the shape is None; OutOfMemory where it has no room."""
    import jax
    import jax.numpy as jnp

    from oneblock.compilers.xla.tpu import devices

    place = jax.sharding.SingleDeviceSharding(devices(topology(chip, None))[0])
    arrays = [
        jax.ShapeDtypeStruct(shape or (), jnp.int32 if shape is None else jnp.bfloat16, sharding=place)
        for shape in shapes
    ]
    with typed():
        return function.lower(*arrays).compile()


def _memory(chip: str, function: Any, *shapes: tuple[int, ...] | None) -> dict[str, int]:
    """The bytes that buffer assignment counts."""
    found = _compile(chip, function, *shapes).memory_analysis()
    return {
        "argument_bytes": int(found.argument_size_in_bytes),
        "result_bytes": int(found.output_size_in_bytes),
        "alias_bytes": int(found.alias_size_in_bytes),
        "temp_bytes": int(found.temp_size_in_bytes),
        "peak_bytes": int(found.peak_memory_in_bytes),
    }


def _refused(chip: str) -> int:
    """The HBM that the compiler says there is when it refuses to double an array as large as what the maker states."""
    import jax

    found = chips.find(f"tpu:{chip}")
    assert found is not None
    rows = found.memory_bytes.value // (2 * 1024)
    try:
        _compile(chip, jax.jit(lambda x: x * 2), (rows, 1024))
    except OutOfMemory as error:
        if (found_bytes := error.memory.available_bytes) is not None:
            return found_bytes
    raise RuntimeError(f"{chip}: expected a refusal that says how much memory there is")


def _fits(chip: str, function: Any, *shapes: tuple[int, ...] | None) -> bool:
    try:
        _compile(chip, function, *shapes)
    except OutOfMemory:
        return False
    return True


def _most(fits: Callable[[int], bool], near: int) -> int:
    """The most sequences whose program the compiler does not refuse: from a guess in growing steps, then bisected."""
    good, bad, step = 0, near + 1, 1
    while fits(bad):
        good, bad, step = bad, bad + step, 2 * step
    while good == 0 and bad > 1:
        lower = max(1, bad - step)
        if fits(lower):
            good = lower
        else:
            bad, step = lower, 2 * step
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def cases() -> list[list[Buffer]]:
    """Buffers of programs: three blocks in two sizes, arrays that grow, and some at random."""
    found = [_blocks(3, 64, 8, 32, 2), _blocks(3, 128, 12, 50, 7), [(n + 1, n, n + 1) for n in range(20)]]
    for seed in (2, 5, 11, 21):
        rng = random.Random(seed)
        first = [rng.randint(0, 40) for _ in range(40)]
        found.append([(rng.randint(1, 100), one, one + rng.randint(1, 8)) for one in first])
    return found


def _blocks(many: int, T: int, C: int, F: int, N: int) -> list[Buffer]:
    """A norm, q k v, the scores of N heads, attention, their residual, and the MLP, for each."""
    found = []
    for t in range(0, 8 * many, 8):
        found += [(T * C, t, t + 1), (3 * T * C, t + 1, t + 3), (N * T * T, t + 2, t + 3), (T * C, t + 3, t + 4)]
        found += [(T * C, t + 4, t + 8), (T * C, t + 5, t + 6), (T * F, t + 6, t + 7), (T * C, t + 7, t + 8)]
    return found


def _placed(path: str) -> dict[str, str]:
    """How a learner's `place` does, as the worst word of all cases."""
    place = runpy.run_path(path)["place"]
    words = [_judged(buffers, list(place(list(buffers)))) for buffers in cases()]
    return {"word": next(word for word in ("differs", "overlaps", "sum", "loose", "near") if word in words)}


def _judged(buffers: list[Buffer], offsets: list[Any]) -> str:
    if len(offsets) != len(buffers) or not all(isinstance(at, int) and at >= 0 for at in offsets):
        return "differs"
    placed = [(at, at + size, first, last) for at, (size, first, last) in zip(offsets, buffers, strict=True)]
    for n, (low, high, first, last) in enumerate(placed):
        if any(low < b and a < high and first <= d and c <= last for a, b, c, d in placed[:n]):
            return "overlaps"
    peak, times = max(high for _, high, _, _ in placed), {one[1] for one in buffers}
    alive = max(sum(size for size, first, last in buffers if first <= t <= last) for t in times)
    if peak >= sum(size for size, _, _ in buffers):
        return "sum"
    return "near" if peak <= NEAR * alive else "loose"


if __name__ == "__main__":
    main(*sys.argv[1:])
