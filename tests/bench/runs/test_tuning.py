"""What the end of a search says: how many times as fast, with the interval, and when the search has paid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oneblock.backends.api.backend import TuningResult
from oneblock.bench.records.record import Record, Status
from oneblock.bench.runs.tuning import Tuning
from oneblock.bench.worker.watch import Bounds
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.search import Search, TaskState, Trial
from tests.bench.judge.test_compare import timed

SEARCHED = TaskState("fused_matmul", ("mlp",), 1, 1e6, (Trial(1e-3),), spent_s=60.0)
UNTUNED_S = 1e-2


def tuning(tuned: Record) -> Tuning:
    """One whose search of 60 s ended with that record of the winner."""
    plain = timed(UNTUNED_S)
    found = {0: TuningResult(Kind.MEASURED, "MetaSchedule", (SEARCHED,), "kept/here")}
    asked = [Search(1, 0, "random")]
    return Tuning(plain.cell, Bounds(1, 10.0, 2**30), asked, found, timed=(plain, tuned))


@pytest.mark.parametrize(
    ("tuned_s", "says"),
    [
        (
            UNTUNED_S / 10,
            ("tuned 1.01 ms: 10x (99 % interval ", "FASTER: ", "60 s of search / 9.09 ms saved a call = 6,604 calls"),
        ),
        (UNTUNED_S * 10, ("0.1x", "SLOWER: ", "break-even: never")),
        (UNTUNED_S * 0.99, ("1.01x", "break-even: not known, the two are not told from each other")),
    ],
)
def test_the_winner_is_held_against_what_runs_without_a_search(
    tuned_s: float, says: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    made = tuning(timed(tuned_s))
    made.show()
    said = " ".join(capsys.readouterr().out.split())
    assert [words for words in says if words not in said] == []
    assert made.good


def test_a_winner_without_a_time_is_no_success_and_has_no_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    disturbed = replace(timed(), status=Status.DISTURBED, launches=(), reason="others had it", hint="wait")
    made = tuning(disturbed)
    made.show()
    said = " ".join(capsys.readouterr().out.split())
    assert f"{disturbed.cell.name}: disturbed: others had it; wait" in said
    assert "break-even" not in said
    assert not made.good
    assert made.result()["difference"] is None


def test_functions_without_a_best_are_why_it_says_no(capsys: pytest.CaptureFixture[str]) -> None:
    made = tuning(timed(UNTUNED_S / 10))
    lost = TaskState("fused_norm", ("norm1",), 1, 1e6, (Trial(None, why_not="it does not build"),))
    made.found[0] = replace(made.found[0], tasks=(SEARCHED, lost))
    made.show()
    said = " ".join(capsys.readouterr().out.split())
    assert "seed 0: 1 of 2 functions have no best: of 1 candidates for them none could be used" in said
    assert not made.good
    assert "have no best" not in _shown(tuning(timed(UNTUNED_S / 10)), capsys)


def _shown(made: Tuning, capsys: pytest.CaptureFixture[str]) -> str:
    made.show()
    return capsys.readouterr().out
