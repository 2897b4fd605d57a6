"""Runs of the NKI interpreter: how it comes to be `nki`, what it counts, and how it lays a run out in time."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from oneblock.compilers import nki as _nki
from oneblock.compilers.neuron import pins as _neuron_pins
from oneblock.compilers.nki import NotInterpreted, RealNkiHere, RuleError
from oneblock.compilers.nki.timeline import ENGINES, Timeline
from tests.helpers import nki_here

nki_here.load()

import nki  # noqa: E402
import nki.isa as nisa  # noqa: E402
import nki.language as nl  # noqa: E402

from oneblock.backends.kernels.nki import staged_linear  # noqa: E402
from tests.helpers import nki_timed_kernels as timed  # noqa: E402

GENERATIONS = [_nki.generation(name) for name in ("v2", "v3", "v4")]
V2, V3, V4 = GENERATIONS
DMA_S, SETTLE = 1.3e-6, 100  # what a DMA takes besides its bytes, and an engine's result besides its cycles


def ones(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.ones(shape, dtype)


# ---------------------------------------------------------------- being nki


def without_nki(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nki", "nki.isa", "nki.language"):
        monkeypatch.delitem(sys.modules, name)


def test_it_says_that_it_is_the_interpreter_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    without_nki(monkeypatch)
    _nki.install()
    _nki.install()
    said = capsys.readouterr()
    assert said.err.count("oneblock's interpreter of a subset of NKI 0.6 over NumPy; not AWS's nki") == 1
    assert said.out == ""
    assert "oneblock" in sys.modules["nki"].__version__


def test_it_never_takes_the_place_of_the_real_one(monkeypatch: pytest.MonkeyPatch) -> None:
    without_nki(monkeypatch)
    monkeypatch.setattr(_neuron_pins, "real", lambda package: package == "nki")
    with pytest.raises(RealNkiHere, match="not interpreted"):
        _nki.install()
    assert "nki" not in sys.modules


def absent() -> dict[str, Callable[[], Any]]:
    """What there is in NKI, and not here."""
    return {
        "nki.benchmark: of an older NKI": lambda: nki.benchmark,
        "nki.isa.exponential": lambda: nisa.exponential,
        "nki.language.mish": lambda: nl.mish,
        "2 cores": lambda: timed.chain[2],
        "mode": lambda: nki.jit(mode="simulation"),
        "perf_mode": lambda: _nki.run(timed.double_row, V3, ones(8, 8)),
        "vector_offset": lambda: _nki.run(timed.gathered, V3, ones(8, 8)),
        "address": lambda: _nki.run(timed.placed, V3, ones(8, 8)),
        "type object": lambda: _nki.run(timed.chain, V3, object(), "exp"),
    }


@pytest.mark.parametrize("named", absent())
def test_what_it_has_not_it_names(named: str) -> None:
    with pytest.raises(NotInterpreted, match=named):
        absent()[named]()


def test_what_it_has_not_it_says_to_hasattr() -> None:
    assert not hasattr(nki, "collectives")
    assert not hasattr(nl, "mish")
    assert hasattr(nki, "jit")


def test_a_kernel_that_is_called_runs_on_the_generation_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NEURON_PLATFORM_TARGET_OVERRIDE", raising=False)
    with pytest.raises(RuleError, match=r"nki_timed_kernels.py:\d+: generation: .*there is no default"):
        timed.generation_asked(ones(1, 1))
    for name, most in (("trn1", 512), ("inf2", 512), ("gen3", 512), ("trn3", 4096)):
        monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", name)
        assert timed.generation_asked(ones(1, 1)).item() == most
        assert timed.generation_asked[1](ones(1, 1)).item() == most
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn9")
    with pytest.raises(LookupError, match=r"'trn9'.*v2, inf2, trn1, v3, trn2, v4, trn3; there is no default"):
        timed.generation_asked(ones(1, 1))


@pytest.mark.parametrize("outside", [lambda: nisa.memset(None, 0), lambda: nl.ndarray((8, 8), nl.float32)])
def test_an_instruction_outside_of_a_kernel_is_refused(outside: Callable[[], Any]) -> None:
    with pytest.raises(RuleError, match=r"test_nki_runs.py:\d+: instructions run in a kernel: .*@nki.jit"):
        outside()


def test_arguments_are_left_alone_and_one_kernel_may_call_another() -> None:
    x = ones(8, 8)
    assert (_nki.run(timed.calls_another, V3, x).outputs[0] == np.tanh(np.float32(2))).all()
    assert (x == 1).all()
    with pytest.raises(NotInterpreted, match=r"an argument .* of float64: expected one of float32"):
        _nki.run(timed.chain, V3, ones(8, 8, dtype=np.float64), "exp")


# ---------------------------------------------------------------- what a run counts


def cycles(kernel: Any, *args: Any, on: _nki.Generation = V2) -> dict[str, float]:
    return {f"{e.engine} {e.instruction[5:]}": e.cycles for e in _nki.run(kernel, on, *args).machine.events}


@pytest.mark.parametrize(
    ("which", "name", "formula"),
    [
        ("tensor_scalar", "vector tensor_scalar", lambda n: max(64, n)),
        ("tensor_tensor", "vector tensor_tensor", lambda n: max(64, 2 * n)),
        ("reciprocal", "vector reciprocal", lambda n: max(64, 8 * n)),
        ("rsqrt", "gpsimd tensor_scalar", lambda n: max(64, 4 * n)),
        ("activation", "scalar activation", lambda n: max(64, n)),
        ("activation_reduce", "scalar activation_reduce", lambda n: max(64, n) + 64),
        ("strided", "vector tensor_copy", lambda n: max(64, n // 8 * 2)),
    ],
)
@pytest.mark.parametrize("n", [8, 64, 400])
def test_cycles_are_those_of_the_documents(which: str, name: str, formula: Callable[[int], float], n: int) -> None:
    assert cycles(timed.one_instruction, ones(8, n), which)[name] == formula(n)


@pytest.mark.parametrize(("dtype", "slow"), [(ml_dtypes.bfloat16, 1), (np.float32, 4)])
@pytest.mark.parametrize(("M", "N", "want"), [(128, 512, 512), (8, 8, 64), (128, 100, 100)])
def test_a_product_streams_its_moving_operand(dtype: Any, slow: int, M: int, N: int, want: int) -> None:
    run = _nki.run(timed.one_product, V2, ones(32, M, dtype=dtype), ones(32, N, dtype=dtype))
    [event] = [event for event in run.machine.events if event.engine == "tensor"]
    assert (event.instruction, event.cycles, event.flops) == ("nisa.nc_matmul", want * slow, 2 * 32 * M * N)
    lines, first = inspect.getsourcelines(timed.one_product.function)
    assert "nc_matmul" in lines[event.place.line - first]


def test_a_dma_counts_the_larger_side_and_its_pieces() -> None:
    [first, second] = _nki.run(timed.converted, V2, ones(32, 64)).machine.events
    assert (first.engine, first.dma_bytes, first.dma_runs) == ("dma", 32 * 64 * 4, 32)  # of a row each
    assert (second.dma_bytes, second.dma_runs) == (32 * 32 * 2, 32 * 32)  # of every other element


def test_the_peaks_are_those_computed_by_hand() -> None:
    """1000 bytes live throughout, beside them 400 twice, then 200 and 600; in PSUM two banks, then one."""
    found = _nki.run(timed.three_phases, V2, ones(4, 250)).occupancy
    assert (found.sbuf_bytes, found.psum_banks) == (1000 + 400 + 400 + 200, 3)


# ---------------------------------------------------------------- time


def laid_out(kernel: Any, on: _nki.Generation, *args: Any) -> Timeline:
    return _nki.timeline(_nki.run(kernel, on, *args).machine)


@pytest.mark.parametrize("on", GENERATIONS, ids=lambda on: on.name)
def test_a_chain_takes_the_sum_of_its_links(on: _nki.Generation) -> None:
    x = ones(128, 300)
    found = laid_out(timed.chain, on, x, "exp")
    dma = x.nbytes / on.dma_bytes_per_s + DMA_S
    vector, scalar = ((300 + SETTLE) / on.clock_hz[engine] for engine in ("vector", "scalar"))
    assert found.seconds == pytest.approx(dma + vector + scalar + dma)
    assert [slot.event.engine for slot in found.slots] == ["dma", "vector", "scalar", "dma"]
    for before, after in pairwise(found.slots):
        assert after.start_s == pytest.approx(before.end_s)


def test_engines_without_a_dependency_run_beside_each_other() -> None:
    found = laid_out(timed.two_engines, V3, ones(128, 2000))
    vector, scalar = (
        next(slot for slot in found.slots if slot.event.engine == engine) for engine in ("vector", "scalar")
    )
    assert vector.start_s == scalar.start_s
    busy = found.busy_s()
    assert found.seconds < busy["vector"] + busy["scalar"] + busy["dma"] + 2 * DMA_S


def test_a_transfer_waits_for_room() -> None:
    """Three tiles of half of SBUF: the third can come only when the first is not used any more."""
    slots = laid_out(timed.halves, V2, ones(8, V2.sbuf_bytes // 2, dtype=np.int8)).slots
    first, second, third = (
        slot for slot in slots if slot.event.engine == "dma" and slot.event.writes[0].storage.on_chip
    )
    used = next(slot for slot in slots if slot.event.engine != "dma")
    assert second.start_s < used.end_s <= third.start_s
    assert first.end_s <= used.start_s


def touch(a: Any, b: Any) -> bool:
    if a.storage is not b.storage or a.bottom <= b.top or b.bottom <= a.top:
        return False
    return bool(a.low < b.high and b.low < a.high)


STAGES = [staged_linear.linear_basic, staged_linear.linear_tiled, staged_linear.linear_hoisted,
          staged_linear.linear_blocked]  # fmt: skip
RUNS = [(stage, (ones(300, 200), ones(300, 700))) for stage in STAGES]
RUNS += [(timed.chain, (ones(8, 30), "exp")), (timed.two_engines, (ones(128, 900),))]
RUNS += [(timed.three_phases, (ones(4, 250),)), (timed.in_place, (ones(8, 100),))]


@pytest.mark.parametrize(("kernel", "args"), RUNS, ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("on", [V2, V4], ids=lambda on: on.name)
def test_time_goes_forward(kernel: Any, args: tuple[Any, ...], on: _nki.Generation) -> None:
    found = laid_out(kernel, on, *args)
    slots, busy = found.slots, found.busy_s()
    assert set(busy) == set(ENGINES)
    assert 0 < max(busy.values()) <= found.seconds
    for engine in ENGINES:
        own = [slot for slot in slots if slot.event.engine == engine]
        assert busy[engine] == pytest.approx(sum(slot.busy_s for slot in own))
        if engine != "dma":
            for before, after in pairwise(own):
                assert after.start_s >= before.start_s + before.busy_s
    for j, later in enumerate(slots):
        assert later.end_s >= later.start_s + later.busy_s
        for earlier in slots[:j]:
            waits = any(touch(w, r) for w in earlier.event.writes for r in later.event.reads)
            waits |= any(touch(w, v) for w in (*earlier.event.writes, *earlier.event.reads) for v in later.event.writes)
            assert not waits or later.start_s >= earlier.end_s, (earlier.event, later.event)


def test_the_queues_of_dma_share_its_rate() -> None:
    """In no stretch of time more is begun and landed than the rate has room for."""
    slots = laid_out(staged_linear.linear_basic, V2, ones(300, 200), ones(300, 700)).slots
    dma = [slot for slot in slots if slot.event.engine == "dma"]
    for first in dma:
        for last in dma:
            low, high = first.start_s, last.end_s - DMA_S
            within = sum(slot.busy_s for slot in dma if slot.start_s >= low and slot.end_s - DMA_S <= high)
            assert within <= max(high - low, 0) * (1 + 1e-9) + 1e-15


def test_the_trace_is_one_that_chrome_reads_and_says_that_it_is_modelled() -> None:
    run = _nki.run(staged_linear.linear_basic, V2, ones(300, 200), ones(300, 1500))
    found = _nki.timeline(run.machine)
    trace = json.loads(json.dumps(_nki.perfetto(found, "linear")))
    assert trace["otherData"]["kind"] == "modelled"
    names = {e["args"]["name"]: e for e in trace["traceEvents"] if e["ph"] == "M"}
    assert names.keys() == {"linear (modelled)", *ENGINES[:-1], "dma from HBM", "dma to HBM"}
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert len(events) == len(run.machine.events) == len(found.slots)
    threads = {names[engine]["tid"]: engine for engine in names if "modelled" not in engine}
    for event, slot in zip(events, found.slots, strict=True):
        assert {"name", "ph", "ts", "dur", "pid", "tid", "args"} <= event.keys()
        assert threads[event["tid"]].split()[0] == slot.event.engine
        assert f"nisa.{event['name']}" == slot.event.instruction
        assert (event["ts"], event["dur"]) == pytest.approx((slot.start_s * 1e6, slot.busy_s * 1e6))
        assert event["args"]["line"].startswith("staged_linear.py:")
    for thread in threads:
        own = sorted((e for e in events if e["tid"] == thread), key=lambda e: e["ts"])
        for before, after in pairwise(own):  # the format has no events that overlap without one being in the other
            assert after["ts"] >= before["ts"] + before["dur"] - 1e-9
