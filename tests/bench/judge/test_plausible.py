"""Estimates that cannot be are doubts: below the roofline, and of a sharding that gains more than its chips."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oneblock.bench.commands import show
from oneblock.bench.judge.plausible import below_roofline, beyond_chips, judged, too_fast
from oneblock.bench.judge.roofline import bound
from oneblock.bench.records.disturbance import Disturbance
from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.record import Limits, Record, Status
from oneblock.bench.records.store import Store
from oneblock.bench.terminal.records import tell
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import page_of, record
from tests.bench.report.test_report_compiled import compiled, section

_LEAST = bound(compiled().costs, compiled().limits)
assert _LEAST is not None
ROOF_S = _LEAST.seconds


def taking(seconds: float | None, target: str = "tpu:v5e", name: str = "hlo") -> Record:
    return compiled(target, estimates=(Estimate(name, seconds, ""),))


@pytest.mark.parametrize(
    ("seconds", "doubted"),
    [(ROOF_S * 0.5, True), (ROOF_S * 0.98, True), (ROOF_S, False), (ROOF_S * 3, False), (None, False)],
)
def test_an_estimate_below_the_roofline_is_a_doubt(seconds: float | None, doubted: bool) -> None:
    found = below_roofline(taking(seconds))
    assert [one.cause for one in found] == [Cause.BELOW_ROOFLINE] * doubted
    if doubted:
        assert "the estimate hlo is " in found[0].words


@pytest.mark.parametrize(
    ("share", "seen_by", "refused"),
    [(0.5, "run delay and canary", True), (0.99, "run delay and canary", False), (0.5, "nothing", False)],
)
def test_a_time_below_the_limits_is_refused_where_somebody_looked(share: float, seen_by: Any, refused: bool) -> None:
    one = record()
    least = bound(one.costs, one.limits)
    assert least is not None
    launch = replace(one.launches[0], cold_s=(share * least.seconds,) * 5, disturbance=Disturbance(seen_by, 5))
    assert (too_fast(replace(one, launches=(launch,))) is not None) is refused


@pytest.mark.parametrize(("learnt", "asked"), [([1.0, 1.7], 2), ([1.0, 1.0, 1.0], 3)])
def test_a_limit_is_learnt_again_until_it_is_beaten_no_more(learnt: list[float], asked: int) -> None:
    """A call in a quick moment of memory was refused by a limit of a slow one; what does no work stays refused."""
    one = record()
    least, limits = bound(one.costs, one.limits), one.limits
    assert least is not None
    assert limits is not None
    assert limits.flops_per_s is not None
    assert limits.read_bytes_per_s is not None
    flops_per_s, read_bytes_per_s = limits.flops_per_s, limits.read_bytes_per_s
    launch = replace(one.launches[0], cold_s=(least.seconds / 1.6,) * 5, disturbance=Disturbance("canary", 5))
    rates, calls = iter(learnt), list[str]()

    def again(by: str) -> Limits | None:
        calls.append(by)
        factor = next(rates, None)
        if factor is None:
            return None
        return replace(limits, flops_per_s=flops_per_s * factor, read_bytes_per_s=read_bytes_per_s * factor)

    found = judged(replace(one, launches=(launch,)), again)
    assert calls[:asked] == [least.by] * asked
    assert (found.status is Status.PASSED) is (1.7 in learnt)


def test_chips_share_the_roofline_and_no_more() -> None:
    assert not below_roofline(taking(ROOF_S / 8, "tpu:v5e:2x4@tp8"))
    (one,) = below_roofline(taking(ROOF_S / 9, "tpu:v5e:2x4@tp8"))
    assert "shared by 8 chips" in one.words


def test_without_limits_nothing_is_said() -> None:
    assert not below_roofline(replace(taking(1e-12), limits=None))
    assert not below_roofline(replace(taking(1e-12), facts=None))


@pytest.mark.parametrize(
    ("chips_s", "gain"), [(1.0 / 29, "29x"), (1.0 / 8.5, "8.5x"), (1.0 / 8, None), (1.0 / 2, None)]
)
def test_a_sharding_that_gains_more_than_its_chips_is_a_doubt(chips_s: float, gain: str | None) -> None:
    one, many = taking(1.0), taking(chips_s, "tpu:v5e:2x4@tp8")
    alone, doubted = beyond_chips([one, many])
    assert not alone.doubts
    assert [doubt.cause for doubt in doubted.doubts] == [Cause.BEYOND_CHIPS] * (gain is not None)
    if gain is not None:
        assert f"8 chips are {gain} as fast as one" in doubted.doubts[0].words


def test_only_the_same_program_by_the_same_method_is_held_against_it() -> None:
    many = taking(1e-3, "tpu:v5e:2x4@tp8")
    others = [
        taking(1.0, "tpu:v6e"), taking(1.0, name="xla"), compiled(T=32, estimates=(Estimate("hlo", 1.0, ""),)),
        compiled(ops_set="native", estimates=(Estimate("hlo", 1.0, ""),)), taking(None),
        compiled(estimates=(Estimate("hlo", 1.0, "", Kind.SIMULATED),)),
    ]  # fmt: skip
    assert not any(record.doubts for record in beyond_chips([many, *others]))


def test_it_is_told_at_the_terminal_and_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    both = [taking(1.0), taking(1.0 / 29, "tpu:v5e:2x4@tp8")]
    tell(both)
    assert "8 chips are 29x as fast as one" in " ".join(capsys.readouterr().out.split())
    assert "8 chips are 29x as fast as one" in section(page_of(*both), "doubts")


@pytest.mark.parametrize("words", [[], ["--why"], ["--json"]])
def test_it_is_told_of_one_record_that_is_shown_beside_its_folder(words: list[str], tmp_path: Path) -> None:
    one, many = (Store(tmp_path).add(made) for made in (taking(1.0), taking(1.0 / 29, "tpu:v5e:2x4@tp8")))
    shown, alone = (CliRunner().invoke(show.COMMAND, [str(path), *words]) for path in (many, one))
    assert "8 chips are 29x as fast as one" in " ".join(shown.output.split()), shown.output
    assert "as fast as one" not in alone.output


def test_why_is_of_all_records_that_have_the_words(tmp_path: Path) -> None:
    for made in (taking(1.0), taking(1.0 / 29, "tpu:v5e:2x4@tp8")):
        Store(tmp_path).add(made)
    several = CliRunner().invoke(show.COMMAND, ["block", "--why", "-o", str(tmp_path)])
    assert several.exit_code == 0
    assert "8 chips are 29x as fast as one" in " ".join(several.output.split()), several.output
    nothing = CliRunner().invoke(show.COMMAND, ["nothing-of-that-name", "--why", "-o", str(tmp_path)])
    assert nothing.exit_code != 0
