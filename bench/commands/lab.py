"""`oneblock lab`: lessons that ask for a prediction, let a compiler correct it, and grade themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.lessons.answers import FILE
from oneblock.bench.lessons.attempt import Attempt, enough, passed
from oneblock.bench.lessons.demonstration import about, lay_out
from oneblock.bench.lessons.grading import grade_all, to_csv
from oneblock.bench.lessons.item import Part, Standing, Verdict
from oneblock.bench.lessons.lab import Lab, labs, named
from oneblock.bench.lessons.notebook import write
from oneblock.bench.lessons.tables import listed, progress, table
from oneblock.bench.lessons.told import held, tell
from oneblock.bench.records.files import write_asked
from oneblock.bench.terminal.screen import console


@dataclass(frozen=True)
class Asked:
    """What the command line says beside the action."""

    words: tuple[str, ...]
    folder: Path
    seed: int
    notebook: bool
    run_code: bool
    page: Path | None
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
    notebook = write(lab, asked.folder, asked.seed) if asked.notebook else None
    for extra, packages in lab.absent().items():
        note(f"oneblock: {extra} is not here, which items of this lab need: {', '.join(packages)}; "
             f"they stay ungraded without `pip install 'oneblock[{extra}]'`")  # fmt: skip
    if asked.as_json:
        told = {"lab": lab.name, "seed": made.seed, "shape": dict(made.shape), "folder": str(made.folder)}
        answer(told | {"notebook": str(notebook)} if notebook else told)
        return 0
    say(f"{lab.title}: {_words(made.shape)}")
    if notebook:
        say(f"open {notebook} with Jupyter: its cells take every step, from the predictions to the check")
    else:
        say(f"read {made.folder / 'lab.py'}, fill in [predict] in {made.folder / FILE}")
        say(f"then: oneblock lab predict {lab.number}")
    return 0


def _predict(asked: Asked) -> int:
    attempt = asked.attempt()
    given = attempt.predict()
    if asked.as_json:
        answer(given)
    else:
        say(f"locked: {_words(given)}")
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
    if made.get("absent") and (place := lay_out(attempt.lab, attempt.folder)) is not None:
        shape, software = about(place)
        by = ", ".join(f"{package} {version}" for package, version in software.items())
        say(f"to read meanwhile: {place}, which a run of {_words(shape)} made with {by}; nothing of it is graded")
    say(f"then: fill in what {attempt.folder / FILE} now asks besides, and oneblock lab check {attempt.lab.number}")
    return 0


def _words(named: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _check(asked: Asked) -> int:
    attempt = asked.attempt()
    found = attempt.check()
    if asked.as_json:
        answer({"passed": passed(found), "items": [asdict(one) for one in found]})
    else:
        console().print(table(found, attempt.lab.lesson))
        _hints(found)
        if passed(found):
            ungraded = sum(one.standing is Standing.UNGRADED for one in found)
            say("passed" + (f", but for {ungraded} that nothing here can grade" if ungraded else ""))
            say(attempt.lab.lesson.rule)
        elif not enough(found) and not any(one.blocks for one in found):
            graded = sum(one.standing is not Standing.UNGRADED for one in found)
            say(f"not graded enough: {graded} of {len(found)} items; add what is named above, then run and check again")
    return 0 if passed(found) else 1


def _hints(found: Iterable[Verdict]) -> None:
    ungraded: dict[str, list[str]] = {}  # by why, which is one for all that a toolchain is missing for
    for one in found:
        if one.hint is not None and one.standing is Standing.UNGRADED:
            ungraded.setdefault(one.hint, []).append(one.item)
        elif one.hint is not None:
            told = f"you predicted {one.answer}, which is not so (and costs nothing)"
            say(f"{one.item}: {told if one.part is Part.PREDICT else 'think again'}: {one.hint}")
    for why, items in ungraded.items():
        say(f"{', '.join(items)}: not graded: {why}")


def _report(asked: Asked) -> int:
    from oneblock.bench.lessons.page import render  # and with it the report's plots, which no other action needs

    folders = [Path(word) for word in asked.words] or [asked.folder]
    told, refused = tell(folders)
    if not told:
        raise Refused("; ".join(refused) or f"{folders[0]}: no lab was started here: `oneblock lab start LAB` does")
    page = asked.page or (asked.folder if not asked.words else Path()) / "lab-report.html"
    write_asked(page, (piece.encode(errors="replace") for piece in render(told, refused)), "--to")
    if asked.as_json:
        labs = [{"lab": one.lab.name, "learner": one.learner, "seed": one.attempt.seed,
                 "events": one.attempt.state.events} for one in told]  # fmt: skip
        answer({"page": str(page), "labs": labs, "left_out": refused})
        return 0
    for why in refused:
        note(f"oneblock: left out: {why}")
    console().print(progress(one.attempt for one in told))
    for one in (one for one in held(told) if one.still):
        by = f" ({', '.join(one.still)})" if len({each.learner for each in told}) > 1 else ""
        say(f"{one.lab.name}, {one.item.name}{by}: {one.hint}")
    say(f"{page}: predicted against observed, and the hints that were met; open it in a browser")
    return 0


def _notebooks(asked: Asked) -> int:
    chosen = [named(word) for word in asked.words] or labs()
    made = [write(lab, asked.folder, asked.seed, solved=solved) for lab in chosen for solved in (False, True)]
    if asked.as_json:
        answer([str(path) for path in made])
    else:
        say("\n".join(map(str, made)))
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
    "grade": _grade, "notebooks": _notebooks,
}  # fmt: skip


@command(
    "lab",
    "oneblock lab start 13 --seed 7",
    "oneblock lab start 13 --notebook",
    "oneblock lab check 13",
    "oneblock lab report class/* --to class.html",
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
    help="Of start and notebooks: it gives a shape of one's own.",
)
@click.option("--notebook", is_flag=True, help="Of start: also a notebook whose cells take every step.")
@click.option(
    "--to",
    "page",
    type=click.Path(path_type=Path),
    help="Of report: the page.  [default: lab-report.html in the folder of --in; given FOLDERs, where you are]",
)
@click.option("--run-code", is_flag=True, help="Of grade: also run each learner's lab.py, which may do anything.")
@json_option
def COMMAND(action: str, words: tuple[str, ...], as_json: bool, **rest: Any) -> None:  # fmt: skip
    """Take a lab: list, start, predict, run, check, report; or teach: grade, notebooks.

    Predictions are locked before the run, and a wrong one costs nothing. The truth is read off what the run made. What
    a toolchain is missing for is ungraded; a lab with fewer than half of its items graded is not passed. `grade` makes
    it all anew, for each FOLDER or each lab in one, as CSV. `report` writes a page: predicted against observed, and
    which misconceptions held, of one's own labs, or of a class, a FOLDER for each learner. `notebooks` writes for each
    LAB, or all, a notebook to learn from and its solution.

    Exit status: 0 if the lab is passed, 1 if it is not yet, 2 for a mistake.
    """
    raise SystemExit(_ACTIONS[action](Asked(words, as_json=as_json, **rest)))
