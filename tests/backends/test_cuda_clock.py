"""A GPU's clock and evidence, against a made-up device; on a real one where ONEBLOCK_TARGET is cuda."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from oneblock import workloads
from oneblock.backends._torch.gpu_clock import BlockedClock, StreamNotHeldError
from oneblock.backends._torch.gpu_crosschecks import by_graph, by_profiler
from oneblock.backends._torch.gpu_sensors import Nvml, counted
from oneblock.backends.api.backend import DeviceClock
from oneblock.backends.api.evidence import DeviceEvidence, DeviceState, Energy, Telemetry, TimerReading
from oneblock.backends.api.target import Target
from oneblock.backends.reference import BACKEND as REFERENCE
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.judge.doubts import doubts, timers_apart
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import SCHEMA, Launch
from oneblock.bench.records.store import read_record, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.bench.terminal.one_record import details
from oneblock.bench.worker.examiner import Examiner
from oneblock.bench.worker.timing import TimingRequest, time_launch
from oneblock.bench.worker.trial import Trial
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel, Occupancy
from oneblock.workloads.answers.arrays import make_weights
from tests.bench.report.test_report import ENVIRONMENT, launch, record
from tests.conftest import DEVICE, REQUIRED
from tests.helpers.cases import case

KERNEL_S = 10e-6
SMOKE = TIERS["smoke"]


# ---------------------------------------------------------------- a made-up device


class FakeCuda:
    """A host that takes `launch_s` to enqueue a kernel, and a stream that starts it once the one before has ended."""

    CYCLES_PER_S = 1e9

    def __init__(self, launch_s: float = 50e-6) -> None:
        self.launch_s = launch_s
        self.host_s = self.free_s = 0.0  # now, and when the stream will have done all that is enqueued
        self.trace: list[tuple[str, float, float]] = []
        self.holds: list[float] = []
        self.capture_fails: str | None = None
        cuda = self

        class Event:
            def __init__(self, enable_timing: bool = False) -> None:
                self.at = 0.0

            def record(self) -> None:
                self.at = max(cuda.free_s, cuda.host_s)

            def query(self) -> bool:
                return cuda.host_s >= self.at

            def synchronize(self) -> None:
                cuda.host_s = max(cuda.host_s, self.at)

            def elapsed_time(self, end: Event) -> float:
                return (end.at - self.at) * 1e3

        self.Event = Event

    def launch(self, seconds: float = KERNEL_S, name: str = "gemm") -> None:
        self.host_s += self.launch_s
        start = max(self.free_s, self.host_s)
        self.free_s = start + seconds
        self.trace.append((name, start, self.free_s))

    def _sleep(self, cycles: int) -> None:
        self.holds.append(cycles / self.CYCLES_PER_S)
        self.launch(self.holds[-1], "at::cuda::(anonymous namespace)::spin_kernel(long)")

    def synchronize(self, device: Any = None) -> None:
        self.host_s = max(self.host_s, self.free_s)

    def CUDAGraph(self) -> Any:
        return SimpleNamespace(replay=lambda: self.launch(5 * KERNEL_S))

    def current_stream(self) -> str:
        return self.current

    @contextmanager
    def stream(self, stream: str) -> Any:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph: Any) -> Any:
        before, self.current = self.current, "capture"
        yield
        if self.capture_fails is not None:
            raise RuntimeError(self.capture_fails)  # and as in PyTorch, the stream stays
        self.current = before

    def max_memory_allocated(self, device: Any) -> int:
        return self.peak

    def reset_peak_memory_stats(self, device: Any) -> None:
        self.peak = self.allocated

    peak = allocated = 0
    current = "ours"


class FakeProfiler:
    """Sees what the made-up device did, in a trace that is not in order."""

    ProfilerActivity = SimpleNamespace(CUDA="cuda")

    def __init__(self, cuda: FakeCuda, lost: int = 0, slower: float = 1.0) -> None:
        self.cuda, self.lost, self.slower = cuda, lost, slower

    @contextmanager
    def profile(self, activities: list[Any]) -> Any:
        before = len(self.cuda.trace)
        self.cuda.launch_s *= self.slower  # to trace costs the host time
        yield SimpleNamespace(events=lambda: self.events(self.cuda.trace[before + self.lost :]))

    @staticmethod
    def events(trace: list[tuple[str, float, float]]) -> list[Any]:
        def event(name: str, start: float, end: float, kind: str = "CUDA", mark: bool = False) -> Any:
            when = SimpleNamespace(start=start * 1e6, end=end * 1e6)
            return SimpleNamespace(
                name=name, time_range=when, device_type=SimpleNamespace(name=kind), is_user_annotation=mark
            )

        noise = [event("cudaLaunchKernel", 0, 1, "CPU"), event("a mark", trace[0][1], trace[-1][2], mark=True)]
        return noise + [event(*one) for one in reversed(trace)]


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


def five(cuda: FakeCuda) -> Callable[[], None]:
    """A call of five kernels."""
    return lambda: [cuda.launch() for _ in range(5)] and None


# ---------------------------------------------------------------- the stream is held


def test_a_held_stream_shows_the_device_and_a_free_one_the_host(cuda: FakeCuda) -> None:
    start, end = cuda.Event(), cuda.Event()
    start.record()
    five(cuda)()
    end.record()
    assert start.elapsed_time(end) * 1e-3 > 5 * cuda.launch_s  # what is to be left out
    assert BlockedClock(cuda).seconds(five(cuda)) == pytest.approx(5 * KERNEL_S)


def test_what_comes_before_is_enqueued_and_not_timed(cuda: FakeCuda) -> None:
    took = BlockedClock(cuda).seconds(five(cuda), lambda: cuda.launch(1e-3, "memset"))
    assert took == pytest.approx(5 * KERNEL_S)
    names = [name for name, _, _ in cuda.trace]
    assert names[-6:] == ["memset", *["gemm"] * 5]


def test_a_stream_that_is_found_free_is_held_longer_and_the_sample_thrown_away() -> None:
    cuda = FakeCuda(launch_s=1e-3)  # 5 ms to enqueue a call: 1 and 4 ms of holding are too short
    clock = BlockedClock(cuda)
    assert clock.seconds(five(cuda)) == pytest.approx(5 * KERNEL_S)
    assert clock.attempts == [False, False, True]
    assert cuda.holds[-3:] == pytest.approx([0.001, 0.004, 0.016], rel=0.1)
    clock.seconds(five(cuda))
    assert clock.attempts[3:] == [True], "what was learnt is kept"


def test_a_call_that_waits_is_refused_and_told_what_to_do(cuda: FakeCuda) -> None:
    def waits() -> None:
        cuda.launch()
        cuda.synchronize()

    clock = BlockedClock(cuda)
    with pytest.raises(StreamNotHeldError, match=r"expected .* while the stream was held, up to 1 s.*remove the wait"):
        clock.seconds(waits)
    assert not any(clock.attempts)
    assert len(clock.attempts) == 6


def test_a_device_whose_sleep_takes_no_time_is_refused() -> None:
    cuda = FakeCuda(launch_s=0.0)
    cuda.CYCLES_PER_S = float("inf")
    with pytest.raises(StreamNotHeldError, match="cannot be held"):
        BlockedClock(cuda).seconds(five(cuda))


# ---------------------------------------------------------------- other timers


def test_a_graph_is_replayed_behind_the_same_hold(cuda: FakeCuda) -> None:
    reading = by_graph(BlockedClock(cuda), "cuda_graph", five(cuda), 3)
    assert reading.samples_s == pytest.approx([5 * KERNEL_S] * 3)
    assert reading.note is None


def test_a_refused_capture_is_no_number(cuda: FakeCuda) -> None:
    cuda.capture_fails = "operation not permitted when stream is capturing\nand a long trace"
    reading = by_graph(BlockedClock(cuda), "cuda_graph", five(cuda), 3)
    assert (reading.samples_s, reading.seconds) == ((), None)
    assert reading.note == "the capture was refused: operation not permitted when stream is capturing"
    assert cuda.current_stream() == "ours"


def test_the_profiler_gives_a_calls_span_and_its_kernels(cuda: FakeCuda) -> None:
    def call() -> None:
        cuda.launch()
        cuda.free_s += 7e-6  # between two kernels the device does nothing
        cuda.launch()

    span, kernels = by_profiler(BlockedClock(cuda), FakeProfiler(cuda), call, 4)
    assert span.samples_s == pytest.approx([2 * KERNEL_S + 7e-6] * 4)
    assert kernels.samples_s == pytest.approx([2 * KERNEL_S] * 4)


def test_calls_that_were_not_held_are_left_out_of_the_profile() -> None:
    cuda = FakeCuda()
    clock = BlockedClock(cuda)
    span, kernels = by_profiler(clock, FakeProfiler(cuda, slower=20), five(cuda), 2)
    assert clock.attempts == [True, False, False, True, True]
    assert span.samples_s == pytest.approx([5 * KERNEL_S] * 2)  # and not the 4 ms of the tries that were too short
    assert len(kernels.samples_s) == 2


def test_a_trace_that_lacks_calls_is_no_number(cuda: FakeCuda) -> None:
    span, kernels = by_profiler(BlockedClock(cuda), FakeProfiler(cuda, lost=9), five(cuda), 3)
    assert span.seconds is kernels.seconds is None
    assert "1 calls of 3" in str(span.note)


# ---------------------------------------------------------------- sensors and energy


class FakeNvml:
    """NVML of one GPU; what is in `lacks` it does not support."""

    def __init__(self, lacks: tuple[str, ...] = (), reasons: int = 0x3, mj_per_read: int = 5000) -> None:
        self.lacks, self.reasons, self.mj_per_read, self.mj, self.uuid = lacks, reasons, mj_per_read, 10**9, ""

    def nvmlInit(self) -> None:
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.uuid = uuid
        return "handle"

    def __getattr__(self, name: str) -> Any:
        values = {
            "ClockInfo": lambda kind: {1: 1755, 2: 2619}[kind], "MaxClockInfo": lambda kind: 1980,
            "Temperature": lambda sensor: 61, "PowerUsage": lambda: 432_100,
            "CurrentClocksThrottleReasons": lambda: self.reasons, "TotalEnergyConsumption": self.count,
        }  # fmt: skip
        what = name.removeprefix("nvmlDeviceGet")
        if what not in values:
            raise AttributeError(name)

        def read(handle: str, *arguments: int) -> int:
            assert handle == "handle"
            if what in self.lacks:
                raise RuntimeError("Not Supported")
            return int(values[what](*arguments))

        return read

    def count(self) -> int:
        self.mj += self.mj_per_read
        return self.mj


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Nvml]:
    def install(**options: Any) -> Nvml:
        fake = FakeNvml(**options)
        monkeypatch.setitem(sys.modules, "pynvml", fake)
        opened = Nvml("1234-5678")
        assert fake.uuid == "GPU-1234-5678"
        return opened

    return install


def test_the_sensors_are_read_with_their_units(nvml: Callable[..., Nvml]) -> None:
    assert nvml().state() == DeviceState(1755, 1980, 2619, 61, 432.1, ())


def test_throttling_is_named_and_idleness_is_none(nvml: Callable[..., Nvml]) -> None:
    assert nvml(reasons=0x1).state().throttled_by == ()
    assert nvml(reasons=0x4 | 0x40 | 0x1).state().throttled_by == ("power cap", "hardware thermal slowdown")


def test_a_sensor_that_is_not_there_is_none_with_a_note(nvml: Callable[..., Nvml]) -> None:
    state = nvml(lacks=("PowerUsage", "CurrentClocksThrottleReasons")).state()
    assert (state.power_w, state.throttled_by, state.sm_mhz) == (None, None, 1755)
    assert state.notes == ("throttle reasons: Not Supported", "power: Not Supported")


def test_absent_nvml_is_none_with_a_note_and_never_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    absent = Nvml("1234")
    assert absent.state() == DeviceState(
        None, None, None, None, None, None, ("nvidia-ml-py is not installed: pip install nvidia-ml-py",)
    )
    energy = absent.energy(lambda: pytest.fail("nothing to count with: no work"), 10.0)
    assert (energy.joules, energy.joules_per_call, energy.seconds) == (None, None, None)
    assert "pip install" in str(energy.note)
    assert "UUID" in Nvml(None).state().notes[0]


def test_energy_is_the_counters_advance_over_the_window(nvml: Callable[..., Nvml]) -> None:
    energy = nvml(mj_per_read=6000).energy(lambda: 3, window_s=0.02, idle_s=0.01)
    assert energy.joules == pytest.approx(6.0)
    assert energy.calls % 3 == 0
    assert energy.joules_per_call == pytest.approx(6.0 / energy.calls)
    assert energy.seconds is not None
    assert energy.seconds >= 0.02
    assert energy.idle_w is not None
    assert 6.0 / 5 < energy.idle_w <= 6.0 / 0.01, "by what the wait really took, which a busy machine makes longer"
    assert energy.note is None


def test_a_window_shorter_than_asked_gives_no_energy(nvml: Callable[..., Nvml]) -> None:
    left = [7, 7]
    energy = nvml().energy(lambda: left.pop() if left else 0, window_s=10.0, idle_s=0.0)
    assert (energy.joules, energy.joules_per_call, energy.calls) == (None, None, 14)
    assert "of the 10 s asked for" in str(energy.note)
    assert counted(0, 5000, 10.1, 10.0, 100, 50.0, None).joules_per_call == pytest.approx(0.05)


@pytest.mark.parametrize("last", [1000, 999])
def test_a_counter_that_stands_still_or_goes_back_gives_no_energy(last: int) -> None:
    energy = counted(1000, last, 11.0, 10.0, 5, None, None)
    assert energy.joules is None
    assert "stood still or was reset" in str(energy.note)


def test_a_device_without_a_counter_gives_no_energy(nvml: Callable[..., Nvml]) -> None:
    energy = nvml(lacks=("TotalEnergyConsumption",)).energy(lambda: pytest.fail("no work"), 10.0)
    assert (energy.joules, energy.note) == (None, "energy counter: Not Supported")


def test_what_the_device_draws_anyway_is_told_apart() -> None:
    energy = Energy(10.0, 10.0, 100, 2000.0, 80.0)
    assert energy.joules_per_call == pytest.approx(20.0)
    assert energy.joules_per_call_above_idle == pytest.approx(12.0)
    assert replace(energy, idle_w=None).joules_per_call_above_idle is None


# ---------------------------------------------------------------- the executable


@pytest.fixture
def on_fake(cuda: FakeCuda, nvml: Callable[..., Nvml], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A CudaExecutable of five kernels over the made-up device, and the CPU's torch for everything else."""
    from oneblock import backends

    try:
        backends.load("torch_eager").compilations()
    except backends.Unavailable as error:
        if "torch_eager" in REQUIRED:
            pytest.fail(f"required, and not here: {error}; {error.hint}")
        pytest.skip(f"torch_eager: {error}; {error.hint}")
    from oneblock.backends._torch import gpu_executable as module

    def empty(nbytes: int, dtype: Any, device: Any) -> Any:
        cuda.allocated += nbytes
        cuda.peak = max(cuda.peak, cuda.allocated)
        return SimpleNamespace(numel=lambda: nbytes, zero_=lambda: cuda.launch(1e-4, "memset"))

    nvml()
    cuda.get_device_properties = lambda device: SimpleNamespace(uuid="1234-5678")  # type: ignore[attr-defined]
    fake = SimpleNamespace(
        cuda=cuda, version=SimpleNamespace(hip=None), uint8="uint8", empty=empty, Tensor=object,
        profiler=FakeProfiler(cuda),
    )  # fmt: skip
    monkeypatch.setattr(module, "torch", fake)
    return module.CudaExecutable(lambda args: five(cuda)(), SimpleNamespace(type="cuda"))


def test_cold_calls_follow_a_flush_and_warm_ones_do_not(on_fake: Any, cuda: FakeCuda) -> None:
    assert isinstance(on_fake, DeviceClock)
    assert isinstance(on_fake, Telemetry)
    assert on_fake.timer == "cuda_event/blocked, perf_counter+cuda_synchronize"
    assert on_fake.device_seconds({}, 3, 2**28) == pytest.approx([5 * KERNEL_S] * 3)
    assert [name for name, _, _ in cuda.trace].count("memset") == 3
    cuda.trace.clear()
    assert on_fake.device_seconds({}, 3, 0) == pytest.approx([5 * KERNEL_S] * 3)
    assert "memset" not in [name for name, _, _ in cuda.trace]


def test_the_peak_is_the_programs_without_the_buffer_that_flushes(on_fake: Any, cuda: FakeCuda) -> None:
    cuda.allocated, cuda.peak = 100, 300
    assert on_fake.peak_bytes() == 300
    on_fake.flush(2**28)
    on_fake.flush(2**28)
    assert on_fake.peak_bytes() == 300, "and it is made once"
    cuda.peak = cuda.allocated + 500
    assert on_fake.peak_bytes() == 600


def test_sensors_are_read_while_calls_are_under_way(
    on_fake: Any, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda.launch_s = 0.0
    busy = []
    read = Nvml.state
    monkeypatch.setattr(Nvml, "state", lambda self: (busy.append(cuda.free_s > cuda.host_s), read(self))[1])
    assert on_fake.state({}).sm_mhz == 1755
    assert busy == [True]
    assert cuda.host_s >= cuda.free_s, "and waited for afterwards"
    calls, most = len(cuda.trace) / 5, 8
    assert cuda.free_s == pytest.approx(calls * 5 * KERNEL_S)
    assert calls > most, "the queue was kept short, and not the work"


def test_all_timers_are_asked_of_the_same_call(on_fake: Any, cuda: FakeCuda) -> None:
    timers = on_fake.timers({})
    assert [t.name for t in timers] == ["cuda_event/blocked", "cuda_graph", "profiler/span", "profiler/kernels"]
    assert [t.seconds for t in timers] == pytest.approx([5 * KERNEL_S] * 4)
    assert all(len(t.samples_s) == 20 for t in timers)


def test_energy_counts_calls_that_were_waited_for(on_fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneblock.backends._torch.gpu_sensors.sleep", lambda seconds: None)
    energy = on_fake.energy({}, 0.1)
    assert energy.calls > 0
    assert energy.joules == pytest.approx(5.0)


class Told:
    """An executable of the reference that tells of a device."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.asked = inner, []  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def device_seconds(self, args: Any, calls: int, flush_bytes: int) -> list[float]:
        self.asked.append("series")
        return [1e-4] * calls

    def state(self, args: Any) -> DeviceState:
        self.asked.append("state")
        return GOOD_STATE

    def timers(self, args: Any) -> tuple[TimerReading, ...]:
        self.asked.append("timers")
        return GOOD.timers

    def energy(self, args: Any, window_s: float) -> Energy:
        self.asked.append(f"energy {window_s:g}")
        return Energy(window_s, window_s, 10, 5.0, None)


@pytest.mark.parametrize(("window_s", "energy"), [(None, []), (10.0, ["energy 10"])])
def test_a_launch_asks_for_what_its_tier_wants(
    window_s: float | None, energy: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneblock.bench.worker.timing.emit", lambda *args, **fields: None)
    cell = Cell(case("norm"), "float32", "reference", "plain", Target("cpu"))
    workload = workloads.load("norm")
    weights = make_weights(workload, cell.case, cell.dtype, 0)
    compiled = REFERENCE.compile(workload, cell.case, {}, "plain", Target("cpu"))
    told, examiner = Told(compiled.executable), Examiner(least=1)
    asked = TimingRequest(cell, replace(SMOKE, energy_window_s=window_s), 0, True, 2**20, None)
    trial = Trial(
        told,
        weights,
        lambda unseen: unseen.arrays(workload, partial(cell.unseen_arrays, workload)),
        lambda question: examiner.hear(question, 0.0),
    )
    made = time_launch(asked, trial, trial.args(cell.input_arrays(workload)), 0.0, 0.0)
    assert told.asked == ["state", "series", "state", *energy, "timers"]
    assert made.evidence is not None
    assert made.evidence.timers == GOOD.timers
    assert (made.evidence.energy is None) == (window_s is None)
    assert adapter(Launch).validate_json(to_json(made)) == made


def test_energy_is_for_tiers_that_take_their_time() -> None:
    assert {name: tier.energy_window_s for name, tier in TIERS.items()} == {
        "smoke": None, "standard": 10.0, "publish": 10.0,
    }  # fmt: skip


@pytest.mark.skipif((DEVICE or "").partition(":")[0] != "cuda", reason="asks a real device: ONEBLOCK_TARGET=cuda")
def test_on_a_real_device_the_hold_holds_and_the_timers_agree() -> None:
    import torch

    from oneblock.backends._torch.eager import Eager

    x = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
    executable: Any = Eager().executable(lambda args: {"y": args["x"] @ args["x"]}, torch.device("cuda"))
    cold, warm = (executable.device_seconds({"x": x}, 10, flush_bytes) for flush_bytes in (2**28, 0))
    assert 0 < min(warm) <= max(cold) < 1e-2
    timers = executable.timers({"x": x})
    assert [timer.note for timer in timers] == [None] * 4
    state = executable.state({"x": x})
    assert timers_apart(DeviceEvidence(state, state, timers, None)) < 0.10
    assert state.notes or (state.sm_mhz and state.power_w)
    with pytest.raises(StreamNotHeldError):
        executable.clock.seconds(lambda: x.sum().item())


# ---------------------------------------------------------------- doubts

GOOD_STATE = DeviceState(1755, 1980, 2619, 61, 432.1, ())
GOOD = DeviceEvidence(
    GOOD_STATE, GOOD_STATE,
    (
        TimerReading("cuda_event/blocked", (102e-6, 101e-6, 102e-6)),
        TimerReading("cuda_graph", (100e-6,)),
        TimerReading("profiler/span", (101e-6,)),
        TimerReading("profiler/kernels", (60e-6,)),  # gaps between kernels are not another time of the same thing
    ),
    Energy(10.0, 10.01, 98_000, 4321.0, 75.0),
)  # fmt: skip


def on_device(evidence: DeviceEvidence | None, n: int = 2) -> tuple[Launch, ...]:
    return tuple(replace(launch(i), device_s=(100e-6,) * 20, evidence=evidence) for i in range(n))


def doubted(evidence: DeviceEvidence | None) -> list[str]:
    return [doubt.words for doubt in doubts(on_device(evidence), ENVIRONMENT, SMOKE)]


def test_good_evidence_and_none_give_no_doubt() -> None:
    assert doubted(GOOD) == doubted(None) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"after": replace(GOOD_STATE, throttled_by=("power cap",))}, r"throttled while it was timed, by: power cap"),
        ({"before": replace(GOOD_STATE, sm_mhz=1410), "after": replace(GOOD_STATE, sm_mhz=1400)}, r"at 71% of"),
        ({"after": replace(GOOD_STATE, sm_mhz=1860)}, r"1755 MHz at one time and 1860 MHz at another"),
        (
            {"timers": (*GOOD.timers, TimerReading("another", (98e-6,)))},
            r"differ by 4\.1%, more than 3%: cuda_event/blocked 102 µs, .*another 98 µs",
        ),
    ],
)
def test_what_is_wrong_with_the_device_is_a_doubt(change: dict[str, Any], says: str) -> None:
    (doubt,) = doubted(replace(GOOD, **change))
    assert re.search(says, doubt), doubt


def test_what_is_not_known_is_no_doubt() -> None:
    nothing = DeviceState(None, None, None, None, None, None, ("no NVML",))
    refused = (GOOD.timers[0], TimerReading("cuda_graph", (), "refused"))
    assert doubted(DeviceEvidence(nothing, nothing, refused, None)) == []


# ---------------------------------------------------------------- records


def test_records_keep_the_evidence_and_show_prints_it(tmp_path: Path) -> None:
    made = replace(record(), launches=on_device(GOOD))
    (tmp_path / "r.json").write_bytes(to_json(made))
    found = read_record(tmp_path / "r.json")
    assert found.launches[0].evidence == GOOD
    text = "\n".join(details(found))
    for part in (
        "cold caches 100 µs of 20 samples", "warm caches by cuda_event/blocked: 102 µs", "differ by 2.0%",
        "SM 1755 MHz of 1980 MHz, memory 2619 MHz, 61 °C, 432.1 W, not throttled",
        "0.04409 J a call (0.03643 J above 75 W idle), of 98000 calls in 10.01 s",
    ):  # fmt: skip
        assert part in text


def test_show_says_why_there_is_no_number() -> None:
    nothing = DeviceState(None, None, None, None, None, None, ("nvidia-ml-py is not installed",))
    timers = (GOOD.timers[0], TimerReading("cuda_graph", (), "the capture was refused: no"))
    spoilt = DeviceEvidence(nothing, nothing, timers, Energy(10.0, None, 0, None, None, "no counter"))
    text = "\n".join(details(replace(record(), launches=on_device(spoilt))))
    for part in ("cuda_graph: none: the capture was refused", "one timer, without a cross-check", "energy: none: no c"):
        assert part in text
    assert "SM ? MHz of ? MHz" in text
    assert "throttling not known; nvidia-ml-py is not installed" in text


def test_show_prints_the_launches_of_a_record_with_gpu_kernels(tmp_path: Path) -> None:
    kernel = GpuKernel(
        name="linear_kernel", steps=("qkv",), kind="triton", entry="linear_kernel", grid=(8, 4), threads=256,
        shared_bytes=99_000, registers=168, spill_bytes=0, instructions={"wgmma": 4}, modelled_s={"static": 2e-6},
        config="BM=128", occupancy=Occupancy(2, 16, 0.25, "registers"),
    )  # fmt: skip
    made = replace(record(), launches=on_device(GOOD), facts=Facts(calls=(kernel,)))
    path = tmp_path / "r.json"
    path.write_bytes(to_json(made))
    done = CliRunner().invoke(SHOW, [str(path)])
    assert done.exit_code == 0, done.output
    assert re.search(r"qkv\s.*linear_kernel.*BM=128.*8x4.*168.*4 wgmma.*25%, 2 by registers", done.output)
    path.write_bytes(to_json(replace(made, facts=None)))
    assert "kernels in order" not in CliRunner().invoke(SHOW, [str(path)]).output


def test_newer_records_are_refused(tmp_path: Path) -> None:
    raw = json.loads(to_json(record())) | {"schema": SCHEMA + 1}
    (tmp_path / "new.json").write_text(json.dumps(raw))
    with pytest.raises(StoreError, match="upgrade oneblock"):
        read_record(tmp_path / "new.json")
