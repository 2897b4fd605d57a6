from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from oneblock.bench.commands import budget as command
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.budgeted import budget_of, gate, newest_release, over
from oneblock.bench.judge.releases import Moved, moved, same_program, worse
from oneblock.bench.records.budget import budgets, read, write
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.terminal.releases import in_words
from oneblock.workloads.answers.verdict import Check
from tests.helpers.stage_records import HLO, PLANTED, RENUMBERED, facts, released, run

FIXTURES = Path(__file__).parents[2] / "fixtures" / "records"


def test_what_moved_is_told_by_step_and_costs_that_fell_are_no_regression(tmp_path: Path) -> None:
    a = released(tmp_path, "1", HLO)
    steps = tuple(replace(one, cycles=90.0) if one.step == "attention" else one for one in facts().steps)
    b = released(tmp_path, "2", PLANTED, scratch_bytes=128, steps=steps)
    (one,) = moved([a], [b], Store(tmp_path))
    told = {(step, change.name) for step, change in one.alarms}
    assert {("whole", "scratch"), ("whole", "cycles"), ("attention", "cycles by XLA's cost model")} <= told
    assert not any(step == "norm1" for step, _ in told)
    assert [change.name for _, change in worse(one)] == ["scratch", "cycles"]
    (back,) = moved([b], [a], Store(tmp_path))
    assert back.alarms
    assert list(worse(back)) == []


def test_equal_texts_raise_no_alarm_a_hundred_times(tmp_path: Path) -> None:
    """A/A: names are numbered otherwise in each, as a compiler numbers them, and an estimate beside the text moved."""
    alarms = 0
    for n in range(100):
        a = released(tmp_path, f"1.{n}", HLO, scratch_bytes=64)
        text = RENUMBERED.replace("a.77", f"a.{100 + n}").replace("m.12", f"m.{300 + n}")
        b = released(tmp_path, f"2.{n}", text, scratch_bytes=64 + n)
        (one,) = moved([a], [b], Store(tmp_path))
        alarms += len(one.alarms)
    assert alarms == 0
    different = released(tmp_path, "3", PLANTED, scratch_bytes=65)
    assert moved([a], [different], Store(tmp_path))[0].alarms, "another text is one"


def test_a_text_that_changed_while_no_count_did_is_told_and_is_no_alarm(tmp_path: Path) -> None:
    made = [released(tmp_path, str(n), text) for n, text in enumerate((HLO, RENUMBERED, PLANTED))]
    pairs = [one for a, b in pairwise(made) for one in moved([a], [b], Store(tmp_path))]
    assert [(one.same_text, one.changes, one.any) for one in pairs] == [(True, (), False), (False, (), False)]
    assert list(in_words(pairs)) == [
        "1 of 2 pairs of neighbours are the same in every count, or the same text",
        "1 of 2 pairs of neighbours have another text and the same counts",
    ]


def test_an_error_that_moved_over_one_text_is_told_and_no_count_of_it(tmp_path: Path) -> None:
    """What lies below the last text, a library, say, may compute otherwise; a run draws the same inputs again."""
    a, b = released(tmp_path, "1", HLO), released(tmp_path, "2", RENUMBERED, scratch_bytes=128)
    assert a.check is not None

    def erring(by: float) -> Moved:
        assert b.check is not None
        outputs = tuple(replace(one, relative_l2=by, rms_err=by) for one in b.check.outputs)
        return moved([a], [replace(b, check=Check(outputs))], Store(tmp_path))[0]

    was = max(one.relative_l2 or 0.0 for one in a.check.outputs)
    one = erring(3 * was)
    assert (one.same_text, [change.name for _, change in one.alarms]) == (True, ["relative L2", "error budget"])
    assert list(worse(one)) == []
    (said,) = in_words([one])
    assert said.startswith("no alarm")
    assert said.endswith("scratch 64 B -> 128 B (+100.0%)")
    assert moved([a], [b], Store(tmp_path))[0].alarms == (), "A/A: the same error"
    assert erring(was + 1e-15).alarms == (), "what the reference itself is rounded by"


def test_a_text_that_is_gone_acquits_nobody(tmp_path: Path) -> None:
    a, b = released(tmp_path, "1", HLO), released(tmp_path, "2", RENUMBERED, scratch_bytes=999)
    assert same_program(a, b, Store(tmp_path)) is True
    shutil.rmtree(tmp_path / "artifacts")
    assert same_program(a, b, Store(tmp_path)) is None
    assert moved([a], [b], Store(tmp_path))[0].alarms


def test_records_of_an_older_kit_are_held_against_those_of_today(tmp_path: Path) -> None:
    for path in sorted(FIXTURES.glob("schema-*.json")):
        old = read_record(path)
        new = replace(old, cell=replace(old.cell, toolchain="libtpu-2"), status=Status.CRASHED, facts=None)
        (one,) = moved([old], [new], Store(tmp_path))
        assert one.status == (old.status.value, "crashed")
        assert moved([old], [old], Store(tmp_path))[0].any is False


def test_a_budget_is_kept_read_and_names_the_step_that_grew(tmp_path: Path) -> None:
    a = released(tmp_path, "1", HLO)
    path = write(budget_of(a, 'the "first"'), tmp_path / "budgets")
    assert read(path) == budget_of(a, 'the "first"')
    assert list(over(a, read(path))) == []
    steps = tuple(replace(one, cycles=90.0) if one.step == "attention" else one for one in facts().steps)
    b = released(tmp_path, "2", PLANTED, scratch_bytes=65, steps=steps)
    assert [str(one).partition(": ")[2] for one in over(b, read(path))] == [
        "whole: scratch 64 -> 65 (+1.6%)", "whole: cycles 65 -> 105 (+61.5%)",
        "attention: cycles by XLA's cost model 50 -> 90 (+80.0%)",
    ]  # fmt: skip
    assert list(over(b, replace(read(path), slack=1.0))) == []
    gone = replace(b, facts=facts(scratch_bytes=None))
    assert "tells no scratch of whole any more" in [str(one).rpartition(": ")[2] for one in over(gone, read(path))]


def test_the_gate_is_shut_by_the_budget_and_without_one_by_the_release_before(tmp_path: Path) -> None:
    a, b = released(tmp_path, "1", HLO), released(tmp_path, "2", PLANTED, scratch_bytes=128)
    pairs = moved([a], [b], Store(tmp_path))
    (said,) = gate([b], pairs, {})
    assert "scratch 64 B -> 128 B" in said
    assert gate([a], moved([b], [a], Store(tmp_path)), {}) == []
    agreed = budget_of(b, "it was agreed on")
    assert gate([b], pairs, {agreed.cell: agreed}) == []
    tight = budget_of(a, "the first")
    assert "with libtpu-2" in gate([b], pairs, {tight.cell: tight})[0]
    crashed = replace(b, status=Status.CRASHED, facts=None, reason="SIGSEGV")
    assert "crashed" in gate([crashed], moved([a], [crashed], Store(tmp_path)), {})[0]


def test_the_command_holds_records_to_their_budgets(tmp_path: Path) -> None:
    records, folder = tmp_path / "records", tmp_path / "budgets"
    released(records, "1", HLO)
    words = ("-o", records, "--budgets", folder)
    assert "no budgets" in run(command.COMMAND, "check", *words)[1]
    assert "--reason" in run(command.COMMAND, "update", *words)[1]
    code, said = run(command.COMMAND, "update", *words, "--reason", "the first")
    assert (code, len(said.splitlines())) == (0, 1)
    assert run(command.COMMAND, "check", *words) == (0, "1 cells are within their budgets\n")
    released(records, "2", PLANTED, scratch_bytes=128)
    code, said = run(command.COMMAND, "check", *words)
    assert code == 1
    assert "scratch 64 -> 128 (+100.0%)  [libtpu 1 -> 2]" in said


def test_a_budget_is_of_the_newest_release_whichever_ran_last(tmp_path: Path) -> None:
    """As a search leaves them: the ends, and then the releases between."""
    records, folder = tmp_path / "records", tmp_path / "budgets"
    for version, scratch in (("1.0", 64), ("1.10", 128), ("1.9", 64)):
        released(records, version, HLO, scratch_bytes=scratch)
    words = ("-o", records, "--budgets", folder)
    assert run(command.COMMAND, "update", *words, "--reason", "x")[0] == 0
    assert '"libtpu" = "1.10"' in next(folder.iterdir()).read_text()
    assert run(command.COMMAND, "update", *words, "--reason", "x", "--toolchain", "libtpu=1.9")[0] == 0
    assert '"libtpu" = "1.9"' in next(folder.iterdir()).read_text()
    code, said = run(command.COMMAND, "check", *words)
    assert code == 1
    assert "scratch 64 -> 128 (+100.0%)  [libtpu 1.9 -> 1.10]" in said
    assert run(command.COMMAND, "check", *words, "--toolchain", "libtpu=1.0")[0] == 0
    assert "no record is of it" in run(command.COMMAND, "check", *words, "--toolchain", "libtpu=2")[1]
    assert "expected NAME=VERSION" in run(command.COMMAND, "check", *words, "--toolchain", "libtpu")[1]


def test_of_packages_that_are_newer_in_opposite_ways_none_is_the_newest(tmp_path: Path) -> None:
    a = released(tmp_path, "1", HLO)
    old, one, other, new = (
        replace(a, cell=replace(a.cell, toolchain=f"jax-{jax}+libtpu-{libtpu}"))
        for jax, libtpu in ((1, 1), (2, 1), (1, 2), (2, 2))
    )
    assert newest_release([old, one]) is one
    assert newest_release([new, one, other, old]) is new
    with pytest.raises(Refused, match=r"newest in every package, got jax-2\+libtpu-1, jax-1\+libtpu-2;"):
        newest_release([one, other])


def test_a_file_that_is_no_budget_says_why(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("reason = ")
    assert "not TOML" in run(command.COMMAND, "check", "-o", FIXTURES, "--budgets", tmp_path)[1]
    (tmp_path / "a.toml").write_text('reason = "x"\ncell = "y"\n[toolchain]\n[figures.whole]\nscratch = -1\n')
    assert "figures.whole.scratch" in run(command.COMMAND, "check", "-o", FIXTURES, "--budgets", tmp_path)[1]
    (tmp_path / "a.toml").unlink()
    made = released(tmp_path / "records", "1", HLO)
    path = write(budget_of(made, "one"), tmp_path)
    shutil.copy(path, tmp_path / "again.toml")
    assert "has a budget already" in run(command.COMMAND, "check", "-o", FIXTURES, "--budgets", tmp_path)[1]
    assert path.name in [one.name for one in tmp_path.glob("*.toml")]
    (tmp_path / "again.toml").unlink()
    assert len(budgets(tmp_path)) == 1


def test_the_budgets_of_the_project_are_budgets() -> None:
    found = budgets(Path(__file__).parents[3] / "ci" / "budgets")
    assert {one.file for one in found.values()} == {
        path.name for path in (Path(__file__).parents[3] / "ci" / "budgets").iterdir()
    }
    assert all(one.figures["whole"] for one in found.values())
