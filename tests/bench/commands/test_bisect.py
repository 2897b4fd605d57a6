"""`oneblock bisect`: the search finds what is planted wherever it is, and says so where there is nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import pytest
from click import Context
from rich.console import Console

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.commands._app import cli
from oneblock.bench.records.record import Status
from oneblock.bench.runs.bisection import Bisection
from oneblock.bench.terminal.bisection import parts
from oneblock.bench.worker.bisect_job import BisectionResult, BisectJob
from oneblock.bench.worker.bisect_job import bad as by_job
from oneblock.bench.worker.events import Observation, PassesTried, Trying
from oneblock.bench.worker.jobs import Job, Outcome
from oneblock.bench.worker.pass_search import Change, Ends, Finding, Verdict
from oneblock.bench.worker.pass_search import search as find
from oneblock.bench.worker.watch import Bounds, Listener
from oneblock.compilers.api.passes import Numbering, reason, replaced
from tests.helpers.bisecting import install as install_planted
from tests.helpers.cases import case
from tests.helpers.oneblock_process import install, oneblock

COMMAND = next(name for name in cli.list_commands(Context(cli)) if name.startswith("bisect"))
NAMES = tuple("abcdefghijk")
CELL = Cell(case("norm", n=16), "float32", "planted", "plain", Target("cpu"))


def check(seen: Observation, ends: Ends | None) -> bool | None:
    return not seen.passed


def run(
    wrong: Callable[[set[str]], bool], cannot: Callable[[set[str]], bool] = lambda on: False, **more: bool
) -> Finding:
    """A search over NAMES, whose runs are judged by which passes are on."""
    asked: list[tuple[str, ...]] = []

    def measure(what: str, off: tuple[str, ...]) -> Observation:
        assert off not in asked, "a run is not asked for twice"
        asked.append(off)
        on = set(NAMES) - set(off)
        return Observation(False, why="refused") if cannot(on) else Observation(True, float(wrong(on)), not wrong(on))

    return find(NAMES, measure, check, **more)


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("planted", NAMES)
def test_it_finds_what_is_planted_at_every_position(planted: str, linear: bool) -> None:
    found = run(lambda on: planted in on, linear=linear)
    assert found.found == (planted,)
    assert found.number == NAMES.index(planted) + 1
    assert found.before is not None
    assert found.before.passed
    assert found.after is not None
    assert not found.after.passed
    assert found.says[-2:] == (f"with all but {planted} it is gone", "it is there with that pass alone")
    assert linear or len(found.tried) <= 8, "halves, not one after the other"


@pytest.mark.parametrize("planted", NAMES[2:])
def test_it_finds_it_beside_passes_that_must_stay_on(planted: str) -> None:
    found = run(lambda on: planted in on, cannot=lambda on: not {"a", "b"} <= on)
    assert found.fixed == ("a", "b")
    assert found.found == (planted,)
    assert all(tried.prepares for tried in found.tried if tried.verdict is Verdict.CANNOT)


def test_nothing_to_find_is_said() -> None:
    found = run(lambda on: False)
    assert (found.found, found.number, len(found.tried)) == ((), None, 1)
    assert found.says == ("nothing to find: it is good with every pass on",)


def test_what_is_bad_without_any_pass_is_no_pass_of_the_list() -> None:
    found = run(lambda on: True)
    assert found.found == ()
    assert "bad with none of these passes on" in found.says[0]
    in_a_fixed_one = run(lambda on: "e" in on, cannot=lambda on: "e" not in on)
    assert in_a_fixed_one.found == ()
    assert in_a_fixed_one.fixed == ("e",)


def test_what_does_not_run_as_it_is_is_said() -> None:
    assert run(lambda on: True, cannot=lambda on: True).says == ("with every pass on it does not run: refused",)


def test_two_that_each_do_it_are_said_to_be_two() -> None:
    found = run(lambda on: bool(on & {"d", "h"}))
    assert found.found == ("d",)
    assert found.says[0] == "not the only one: with all but d it is there too; search again with --off d"


def test_one_that_takes_another_before_it_is_said_to() -> None:
    found = run(lambda on: on >= {"d", "h"})
    assert found.found == ("h",)
    assert found.says == ("with all but h it is gone", "it takes passes before it")


def test_one_that_is_wrong_for_want_of_a_later_pass_does_not_hide_the_planted_one() -> None:
    found = run(lambda on: "h" in on or ("c" in on and "j" not in on))
    assert found.found == ("h",)
    assert found.number == NAMES.index("h") + 1
    assert (found.off_before, found.off_after) == (("h",), ())
    assert found.before is not None
    assert found.before.passed
    assert found.says[0].startswith("with c it is bad where passes after it are off")
    assert found.says[1] == "with all but h it is gone"


def test_where_what_is_between_does_not_run_several_are_named() -> None:
    found = run(lambda on: "f" in on, cannot=lambda on: "f" in on and not {"g", "h"} <= on)
    assert found.found == ("f", "g", "h")
    assert "does not run" in found.says[0]


def test_an_order_that_is_not_monotone_is_said_to_be_and_its_changes_are_listed() -> None:
    found = run(lambda on: ("c" in on and "e" not in on) or "i" in on, linear=True)
    assert [change.name for change in found.changes] == ["c", "e", "i"]
    assert found.says[0] == "not monotone: good and bad change places at c, e, i; one of them is found"
    assert found.found[0] in ("c", "i")
    monotone = run(lambda on: "c" in on, linear=True)
    assert "monotone" not in " ".join(monotone.says)


@pytest.mark.parametrize(
    ("seen", "drift", "expected"),
    [
        (Observation(True, 1.9e-7, True), 2.0, False),
        (Observation(True, 2.1e-7, True), 2.0, True),
        (Observation(True, 9.9e-1, False), None, True),
        (Observation(True, None, False, "not finite"), 2.0, True),
    ],
)
def test_numbers_are_bad_by_the_check_or_by_how_much_the_error_grew(
    seen: Observation, drift: float | None, expected: bool
) -> None:
    ends = Observation(True, 1e-7, True), Observation(True, 9e-7, True)
    assert by_job(BisectJob(CELL, "numbers", "reference.npz", drift), seen, ends) is expected


def test_an_error_that_grew_is_bad_though_with_every_pass_it_is_not_finite() -> None:
    ends = Observation(True, 1e-7, True), Observation(True, None, False)
    job = BisectJob(CELL, "numbers", "reference.npz", 2.0)
    assert by_job(job, Observation(True, 9e-7, True), ends) is True
    assert by_job(job, Observation(True, 1e-7, True), ends) is False


def test_a_count_is_bad_from_half_of_the_whole_change_on() -> None:
    job, ends = BisectJob(CELL, "fusions", None), (Observation(True, 14.0), Observation(True, 4.0))
    assert by_job(job, Observation(True, 6.0), None) is None, "it cannot be told before both ends are known"
    assert [by_job(job, Observation(True, count), ends) for count in (15.0, 9.0, 8.0, 4.0)] == [
        False,
        False,
        True,
        True,
    ]


def test_a_worker_that_dies_of_a_try_is_one_that_cannot_run_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jobs: list[BisectJob] = []

    def launch(job: Job[BisectionResult], within: Bounds, listen: Listener) -> Outcome[BisectionResult]:
        assert isinstance(job, BisectJob)
        jobs.append(job)
        if len(jobs) > 1:
            return Outcome(Status.PASSED)
        listen(PassesTried((), Observation(True, 3.0)))
        listen(Trying("none of them", ("a", "b")))
        return Outcome(Status.CRASHED, reason="killed by SIGABRT")

    monkeypatch.setattr("oneblock.bench.runs.bisection.launch", launch)
    search = Bisection(BisectJob(CELL, "fusions", None), Bounds(1, 60.0, 2**30))
    assert search.run(tmp_path, quiet=True).status is Status.PASSED
    known = dict(jobs[1].known)
    assert known[()] == Observation(True, 3.0)
    assert not known["a", "b"].ran
    assert "killed by SIGABRT" in str(known["a", "b"].why)


def test_a_worker_that_dies_of_something_else_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    launched: list[Job[BisectionResult]] = []

    def launch(job: Job[BisectionResult], within: Bounds, listen: Listener) -> Outcome[BisectionResult]:
        launched.append(job)
        return Outcome(Status.CRASHED, reason="killed by SIGSEGV while importing")

    monkeypatch.setattr("oneblock.bench.runs.bisection.launch", launch)
    search = Bisection(BisectJob(CELL, "fusions", None), Bounds(1, 60.0, 2**30))
    assert search.run(tmp_path, quiet=True).status is Status.CRASHED
    assert len(launched) == 1


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("bisect")
    return install_planted(install(folder), folder)


def test_the_command_finds_a_planted_pass_though_its_compiler_dies_on_the_way(env: dict[str, str]) -> None:
    done = oneblock(env, COMMAND, "norm", "--backend", "planted", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["bisected"]
    assert told["finding"]["found"] == ["spoils"]
    assert set(told["finding"]["fixed"]) == {"must", "ends"}
    assert told["finding"]["before"]["passed"]
    assert "SIGABRT" in json.dumps(told["finding"]["tried"])
    assert "+after spoils" in told["diff"]
    assert told["good_by_hand"] == "--without=spoils,tidy,last"
    assert told["bad_by_hand"] == "--without=tidy,last"


def test_the_command_leaves_out_what_it_is_told_to(env: dict[str, str]) -> None:
    done = oneblock(env, COMMAND, "norm", "--backend", "planted", "--off", "spoils")
    assert done.returncode == 1
    assert "nothing to find" in done.stdout


def test_an_answer_that_is_not_finite_is_bad_and_said_so(env: dict[str, str]) -> None:
    done = oneblock(env, COMMAND, "norm", "--backend", "no_number", "--drift", "2")
    assert done.returncode == 0, done.stderr
    assert "found: infinite (pass 2 of 2)" in done.stdout
    assert "-> not finite" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--backend", "reference"), 1, "reference has no passes that can be switched off"),
        (("--backend", "needy"), 1, "needs; pip install a_toolchain_that_nobody_has"),
        (("--backend", "planted", "--of", "fusion"), 1, "did you mean 'fusions'"),
        (("--backend", "planted", "--off", "spoil"), 1, "did you mean 'spoils'"),
        (("--backend", "planed"), 2, "did you mean 'planted'"),
        (("--backend", "planted", "--of", "fusions", "--drift", "2"), 2, "--drift is of numbers"),
        ((), 2, "Missing option '--backend'"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(env: dict[str, str], words: Sequence[str], code: int, said: str) -> None:
    done = oneblock(env, COMMAND, "norm", *words)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert said.lower() in done.stderr.lower(), done.stderr


def test_a_compilers_words_are_shown_as_they_are() -> None:
    seen = Observation(True, 1.0, False, "[red]not markup[/red]")
    finding = find(["a[bold]"], lambda what, off: Observation(True, 0.0, True) if off else seen, check)
    told = BisectionResult("numbers", finding, "how", ("+<script>[link=x]",), 3, "good", "bad")
    console = Console(width=160, record=True, file=StringIO())
    for part in parts(told):
        console.print(part)
    shown = console.export_text()
    for words in ("[red]not markup[/red]", "a[bold] (pass 1 of 1)", "+<script>[link=x]", "3 lines more"):
        assert words in shown


def test_a_name_that_comes_again_is_numbered_and_what_is_exchanged_is_put_back() -> None:
    named = Numbering()
    assert [named(name) for name in ("cse", "dce", "cse")] == ["cse", "dce", "cse#2"]
    before = Change.__init__
    with pytest.raises(KeyError), replaced(Change, {"__init__": None}):
        raise KeyError
    assert Change.__init__ is before
    assert reason(ValueError("here:\n  ^^^\nexpected 2\n ~~~^\n")) == "ValueError: expected 2"
