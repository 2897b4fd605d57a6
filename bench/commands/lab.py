"""`oneblock lab`: lessons that ask for a prediction, let a compiler correct it, and grade themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.lessons.answers import FILE
from oneblock.bench.lessons.attempt import Attempt, passed
from oneblock.bench.lessons.grading import grade_all, to_csv
from oneblock.bench.lessons.item import Part, Standing, Verdict
from oneblock.bench.lessons.lab import Lab, labs, named
from oneblock.bench.lessons.tables import listed, progress, table
from oneblock.bench.terminal.screen import console


@dataclass(frozen=True)
class Asked:
    """What the command line says beside the action."""

    words: tuple[str, ...]
    folder: Path
    seed: int
    run_code: bool
    as_json: bool

    def lab(self) -> Lab:
        """The one lab that is named."""
        if len(self.words) != 1:
            raise Refused(f"expected one lab, by number or name, got {len(self.words)}; `oneblock lab list` lists them")
        return named(self.words[0])

    def attempt(self) -> Attempt:
        """The learner's attempt at it; Refused where the folder holds another lab's."""
        lab = self.lab()
        found = Attempt.open(self.folder / lab.name)
        if found.lab.name != lab.name:
            raise Refused(f"{found.folder}: its state is of {found.lab.name}, seed {found.seed}, not of {lab.name}")
        return found


def _list(asked: Asked) -> int:
    if asked.as_json:
        answer([{"name": lab.name, **{k: v for k, v in asdict(lab).items() if k != "folder"}} for lab in labs()])
    else:
        console().print(listed(labs()))
    return 0


def _start(asked: Asked) -> int:
    lab = asked.lab()
    made = Attempt.start(lab, asked.folder / lab.name, asked.seed)
    if asked.as_json:
        answer({"lab": lab.name, "seed": made.seed, "shape": dict(made.shape), "folder": str(made.folder)})
    else:
        say(f"{lab.title}: {', '.join(f'{name} {value}' for name, value in made.shape.items())}")
        say(f"read {made.folder / 'lab.py'}, fill in [predict] in {made.folder / FILE}")
        say(f"then: oneblock lab predict {lab.number}")
    return 0


def _predict(asked: Asked) -> int:
    attempt = asked.attempt()
    given = attempt.predict()
    if asked.as_json:
        answer(given)
    else:
        say(f"locked: {', '.join(f'{name} {value}' for name, value in given.items())}")
        say(f"then: oneblock lab run {attempt.lab.number}")
    return 0


def _run(asked: Asked) -> int:
    attempt = asked.attempt()
    made = attempt.run()
    if asked.as_json:
        answer(made)
        return 0
    for part, why in made.get("absent", {}).items():
        note(f"oneblock: without {part}: {why}; what needs it is ungraded")
    for line in made.get("told", ()):
        say(line)
    say(f"then: fill in the rest of {attempt.folder / FILE}, and oneblock lab check {attempt.lab.number}")
    return 0


def _check(asked: Asked) -> int:
    attempt = asked.attempt()
    found = attempt.check()
    if asked.as_json:
        answer({"passed": passed(found), "items": [asdict(one) for one in found]})
    else:
        console().print(table(found))
        _hints(found)
        if passed(found):
            ungraded = sum(one.standing is Standing.UNGRADED for one in found)
            say("passed" + (f", but for {ungraded} that nothing here can grade" if ungraded else ""))
            say(attempt.lab.lesson.rule)
    return 0 if passed(found) else 1


def _hints(found: Iterable[Verdict]) -> None:
    for one in found:
        if one.hint is not None:
            costs = " (a prediction: it costs nothing)" if one.part is Part.PREDICT else ""
            said = "not graded" if one.standing is Standing.UNGRADED else f"think again{costs}"
            say(f"{one.item}: {said}: {one.hint}")


def _report(asked: Asked) -> int:
    paths = sorted(path.parent for path in asked.folder.glob("*/state.json"))
    if not paths:
        raise Refused(f"{asked.folder}: no lab was started here: `oneblock lab start LAB` does")
    attempts = [Attempt.open(path) for path in paths]
    if asked.as_json:
        answer([{"lab": one.lab.name, "seed": one.seed, "events": one.state.events} for one in attempts])
    else:
        console().print(progress(attempts))
    return 0


def _grade(asked: Asked) -> int:
    if not asked.words:
        raise Refused("expected the folders of learners: oneblock lab grade FOLDER...")
    graded = grade_all([Path(word) for word in asked.words], run_code=asked.run_code)
    if asked.as_json:
        answer([asdict(one) | {"passed": one.passed} for one in graded])
    else:
        for line in to_csv(graded).splitlines():
            say(line)
    return 0 if all(one.passed for one in graded) else 1


_ACTIONS: dict[str, Callable[[Asked], int]] = {
    "list": _list, "start": _start, "predict": _predict, "run": _run, "check": _check, "report": _report,
    "grade": _grade,
}  # fmt: skip


@command(
    "lab",
    "oneblock lab start 13 --seed 7",
    "oneblock lab check 13",
    "oneblock lab grade class/* > grades.csv",
)
@click.argument("action", type=click.Choice([*_ACTIONS]))
@click.argument("words", nargs=-1, metavar="[LAB | FOLDER...]")
@click.option(
    "-o",
    "--in",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("labs-of-mine"),
    show_default=True,
    help="Where a learner's labs are, a folder each.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 10**6),
    default=0,
    show_default=True,
    help="Of start: it gives a shape of one's own.",
)
@click.option("--run-code", is_flag=True, help="Of grade: also run each learner's lab.py, which may do anything.")
@json_option
def COMMAND(action: str, words: tuple[str, ...], as_json: bool, **rest: Any) -> None:  # fmt: skip
    """Take a lab: list, start, predict, run, check, report; or grade those of others.

    Predictions are locked before the run, and a wrong one costs nothing. The truth is read off what the run made. What
    a toolchain is missing for is ungraded. `grade` makes it all anew, for each FOLDER or each lab in one, as CSV.

    Exit status: 0 if the lab is passed, 1 if it is not yet, 2 for a mistake.
    """
    raise SystemExit(_ACTIONS[action](Asked(words, as_json=as_json, **rest)))
