"""The limits that are kept between runs: believed where they are what a run writes, else named and measured anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.records.disturbance import Pace
from oneblock.bench.records.record import Environment, Limits, Status
from oneblock.bench.runs import limits
from oneblock.bench.runs.limits import CeilingCache, as_rows
from oneblock.bench.worker.jobs import Outcome
from oneblock.bench.worker.launch import Bounds
from oneblock.bench.worker.limits_job import LimitsJob, ReachedRates

_GOOD = {"rates": {"cpu||read": 2.5e10, "cpu|reference|float32": 1.5e11, "cpu|reference|float16": None}}
_PACE = Pace(1e-4, 1e-3)
_NOTHING = ReachedRates({}, None, True)
_HERE = Environment({"cpu": "test"}, {"numpy": "2"}, {})


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the limits are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = limits.cache_file(_HERE)
    path.parent.mkdir(parents=True)
    return path


def ceilings() -> CeilingCache:
    return CeilingCache(_HERE, Bounds(1, 10.0, 2**30))


def test_what_a_run_kept_is_read_and_its_absence_is_no_remark(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ceilings().rates == {}
    cache.write_text(json.dumps(_GOOD))
    assert ceilings().limits(Target("cpu"), "float32", "reference") == Limits(1.5e11, "reference", 2.5e10)
    assert [row["rate"] for row in as_rows(ceilings().rates)] == [None, 1.5e11, 2.5e10]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "text",
    [
        "", "[1]", "null", '"a text"', "7", "{", "[" * 100_000, "\x00\xff", '{"cpu||read": "2.5e10"}',
        *(f'{{"rates": {{{rate}}}}}' for rate in (
            '"cpu||read": 1e300', '"cpu||read": -1', '"cpu||read": 0', '"cpu||read": NaN', '"cpu||read": Infinity',
            '"cpu||read": true', '"cpu||read": 1e999', '"cpu||read": [2.5e10]', '"cpu||read": 1' + "0" * 400,
            '"no key": 2.5e10', '"cpu|read": 2.5e10', '"a|b|c|d": 2.5e10', '"": null',
        )),
        '{"rate": {}}', '{"pace": {"product_s": 0, "read_s": null}}', '{"pace": 1}', '{"pace": {"product_s": 1e-4}}',
        '{"spreads": {"reference": {"share": -1, "degrees": 3}}}', '{"spreads": {"reference": {"share": 0.1}}}',
        '{"spreads": {"reference": {"share": NaN, "degrees": 3}}}', " " * 2**21 + "{}",
    ],
)  # fmt: skip
def test_what_no_run_writes_is_named_and_not_believed(
    cache: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.write_bytes(text.encode("latin-1"))
    assert ceilings().rates == {}
    assert str(cache) in (said := capsys.readouterr().err)
    assert "measured anew" in said
    assert "\x1b" not in said


def test_what_is_no_plain_file_is_named_and_left_alone(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.write_text(json.dumps(_GOOD))
    for lay in (lambda: os.mkfifo(cache), cache.mkdir, lambda: cache.symlink_to(other)):
        lay()
        assert ceilings().rates == {}
        assert str(cache) in capsys.readouterr().err
        cache.rmdir() if cache.is_dir() and not cache.is_symlink() else cache.unlink()


def _answering(monkeypatch: pytest.MonkeyPatch, answers: dict[str | None, ReachedRates]) -> None:
    def launch(job: LimitsJob, *_: object, **__: object) -> Outcome[ReachedRates]:
        return Outcome(Status.PASSED, result=answers[job.backend])

    monkeypatch.setattr(limits, "launch", launch)


def test_a_damaged_book_is_written_over_by_what_is_measured(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_text('{"cpu||read": 1e300}')
    product, read = ReachedRates({"float32": 2e11}, None, False), ReachedRates({"read": 3e10}, _PACE, False)
    _answering(monkeypatch, {None: read, "reference": product})
    ceilings().measure_missing([(Target("cpu"), "reference", "float32")])
    kept = json.loads(cache.read_text())
    assert kept["rates"] == {"cpu||read": 3e10, "cpu|reference|float32": 2e11}
    assert ceilings().known.pace == _PACE
    assert ceilings().limits(Target("cpu"), "float32", "reference") == Limits(2e11, "reference", 3e10)
    assert [path.name for path in cache.parent.iterdir()] == [cache.name]


def test_a_machine_is_known_in_all_environments(cache: Path) -> None:
    """73 and 14 GB/s stood for one machine in two environments."""
    assert limits.cache_file(Environment(_HERE.machine, {"numpy": "3", "torch": "2"}, {"load_average": 9.0})) == cache
    assert limits.cache_file(Environment({"cpu": "another"}, _HERE.software, {})) != cache


def test_what_is_learnt_while_nobody_looks_is_not_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests beside others learn 6 GB/s of a machine that has 20; who measures must not be held against that."""
    monkeypatch.setenv("ONEBLOCK_DISTURBANCE", "ignore")
    unwatched = limits.cache_file(_HERE)
    monkeypatch.delenv("ONEBLOCK_DISTURBANCE")
    assert limits.cache_file(_HERE) != unwatched


@pytest.mark.usefixtures("cache")
def test_a_limit_that_others_disturbed_is_not_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked for again by the next run; what a backend cannot do is learnt to be so."""
    nothing = ReachedRates({}, None, True)
    _answering(monkeypatch, {None: nothing, "reference": nothing})
    one = ceilings()
    one.measure_missing([(Target("cpu"), "reference", "float32")])
    assert one.rates == {}
    assert one.limits(Target("cpu"), "float32", "reference") == Limits(None, None, None)
    _answering(monkeypatch, {None: nothing, "reference": ReachedRates({}, None, False)})
    one.measure_missing([(Target("cpu"), "reference", "float16")])
    assert one.rates == {"cpu|reference|float16": None}


@pytest.mark.usefixtures("cache")
def test_a_result_that_beats_anothers_limit_has_that_one_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def reaching(rate: float) -> None:
        nothing = ReachedRates({}, None, True)
        _answering(
            monkeypatch,
            {None: nothing, "tvm_relax": nothing, "reference": ReachedRates({"float32": rate}, None, False)},
        )

    cpu, one = Target("cpu"), ceilings()
    reaching(3e9)
    one.measure_missing([(cpu, "reference", "float32")])
    reaching(2e11)
    assert one.remeasure(cpu, "tvm_relax", "float32", "compute")
    assert one.limits(cpu, "float32", "tvm_relax").flops_per_s == 2e11


@pytest.mark.usefixtures("cache")
def test_a_limit_that_is_beaten_is_measured_again_for_a_minute_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two CPUs on one die memory is read at 50 GB/s, of two on two at 80: one try may meet neither's moment."""
    cpu, one, now_s = Target("cpu"), ceilings(), [0.0]
    rates = iter([5e10, 4.9e10, 8e10])

    def a_while(job: LimitsJob, *_: Any, **__: Any) -> Outcome[ReachedRates]:
        assert job.backend is None, "no product is measured for what memory bounds"
        now_s[0] += 25.0
        return Outcome(Status.PASSED, result=ReachedRates({"read": next(rates)}, None, False))

    monkeypatch.setattr(limits, "launch", a_while)
    monkeypatch.setattr(limits, "monotonic", lambda: now_s[0])
    seen = []
    while one.remeasure(cpu, "torch_eager", "float32", "memory"):
        seen.append(one.limits(cpu, "float32", "torch_eager").read_bytes_per_s)
    assert seen == [5e10, 5e10, 8e10]
    assert not one.remeasure(cpu, "jax_xla", "float32", "memory"), "it is the same memory"
    assert not one.remeasure(Target("cuda"), "torch_eager", "float32", "memory"), "a device's memory is not the host's"


@pytest.mark.usefixtures("cache")
def test_limits_of_a_slow_hour_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary is twice as quick as when they were learnt: they are learnt anew. A little quicker is chance."""
    one = ceilings()

    def learnt(rate: float) -> float | None:
        """What a run finds in the ceilings when a product at this rate is all that it could learn."""
        found = ReachedRates({"read": rate, "float32": rate}, Pace(2e-4, 2e-3), False)
        _answering(monkeypatch, {None: found, "reference": found})
        one.measure_missing([(Target("cpu"), "reference", "float32")])
        return one.rates["cpu||read"]

    assert learnt(1e10) == 1e10
    one.known.pace = Pace(1.9e-4, 1e-3)  # seen beside what was measured since
    assert learnt(2e10) == 1e10
    one.known.pace = Pace(1e-4, 1e-3)
    assert learnt(3e10) == 3e10
    assert one.known.pace == Pace(1e-4, 1e-3), "the best of each"
    assert ceilings().known.pace == Pace(1e-4, 1e-3), "and it is kept"


@pytest.mark.usefixtures("cache")
def test_what_is_learnt_anew_may_be_less_than_the_best_ever_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 GB/s were forgotten for 50: one slow moment of many had the limits learnt again, in another slow one."""
    one = ceilings()
    for rate, pace in ((8e10, Pace(2e-4, None)), (5e10, Pace(1e-4, None))):
        _answering(monkeypatch, {None: ReachedRates({"read": rate}, pace, False), "reference": _NOTHING})
        one.known.pace = Pace(1e-4, None)
        one.measure_missing([(Target("cpu"), "reference", "float32")])
    assert one.known.learnt_at_s == 1e-4, "they were learnt again"
    assert ceilings().rates["cpu||read"] == 8e10


@pytest.mark.usefixtures("cache")
def test_spreads_between_processes_are_pooled_and_kept() -> None:
    one = ceilings()
    assert one.spread("reference") is None
    one.learn_spread("reference", [1.0])
    assert one.spread("reference") is None, "one process tells nothing"
    one.learn_spread("reference", [1.0, 1.1, 1.0, 1.1])
    one.learn_spread("torch_eager", [1.0, 1.3])
    one.learn_spread("reference", [1.0, 1.0])
    kept = ceilings()
    found = kept.spread("reference")
    assert found is not None
    assert found.degrees == 4
    assert found.share == pytest.approx(0.055 * (3 / 4) ** 0.5, rel=0.01)
    assert kept.spread("jax_xla") == kept.spread("torch_eager"), "of one that is not known, the widest that is"
    assert kept.limits(Target("cuda"), "float32", "torch_eager").spread is None


@pytest.mark.usefixtures("cache")
def test_short_calls_have_a_spread_of_their_own() -> None:
    """Processes of one backend differed by 3 % in calls of 5 ms and by 20 in those of 0.2: one number fits neither."""
    one = ceilings()
    one.learn_spread("torch_eager", [5e-3, 5.1e-3])
    one.learn_spread("torch_eager", [2e-4, 2.6e-4])
    long, short = one.spread("torch_eager", 7e-3), one.spread("torch_eager", 3e-4)
    assert long is not None
    assert short is not None
    assert (round(long.share, 3), round(short.share, 3)) == (0.014, 0.186)
    assert one.limits(Target("cpu"), "float32", "torch_eager", 7e-3).spread == long
    assert one.spread("torch_eager", 1.0) == one.spread("torch") == short, "where it is not known, the widest that is"
