"""answers.toml: the form that a learner fills in, and what was filled in. It is data: nothing in it is computed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.item import Answer, Item, Lesson, Part, Shape
from oneblock.bench.records.files import write_whole
from oneblock.compilers.api.files import read_plain
from oneblock.workloads.ops.nearest import unknown

FILE = "answers.toml"
LATER = (Part.OBSERVE, Part.EXPLAIN, Part.APPLY)
_MOST_BYTES = 64 * 1024
_MOST = 1e30  # of a number: those beyond, and what is none, are no answer
_SHOWN = 60

Answers = dict[str, Answer | None]
_TOLD = {
    Part.PREDICT: "before the run; a wrong one costs nothing, and `oneblock lab predict` locks it",
    Part.OBSERVE: "read off what your run made",
    Part.EXPLAIN: "one of the words",
    Part.APPLY: "of a case that your run did not have",
}


def form(lab: str, lesson: Lesson, seed: int, shape: Shape) -> str:
    """The form of a lab and seed as `start` writes it: predictions alone, since later questions tell of the run."""
    yours = f"yours, by names that lab.py and the questions use: {', '.join(f'{n} {v}' for n, v in shape.items())}"
    lines = [*(f"# {line}" for line in wrap(yours, 116)), f'lab = "{lab}"', f"seed = {seed}"]
    return "\n".join(lines) + "\n" + asked(lesson, shape, [Part.PREDICT])


def asked(lesson: Lesson, shape: Shape, parts: Iterable[Part]) -> str:
    """The questions of some parts, nothing filled in."""
    lines = []
    for part in parts:
        items = [item for item in lesson.items if item.part is part and item.measure is None]
        lines += ["", f"[{part}]  # {_TOLD[part]}"] if items else []
        for need in dict.fromkeys(item.needs for item in items if item.needs):
            those = ", ".join(item.name for item in items if item.needs == need)
            lines += [f"# {line}" for line in wrap(f"without {need} nobody can grade {those}", 116)]
        for item in items:
            kind = "" if item.choices else "  # a number, without quotes"
            lines += ["", *_question(item, shape), f'{item.name} = ""{kind}']
    return "".join(f"{line}\n" for line in lines)


def add_later(folder: Path, lesson: Lesson, shape: Shape) -> None:
    """Write into the form what is asked after the predictions, but for the parts that it has."""
    path = folder / FILE
    text = read_plain(path, _MOST_BYTES).decode()
    missing = [part for part in LATER if part not in tomllib.loads(text)]
    write_whole(path, f"{text.rstrip()}\n{asked(lesson, shape, missing)}".encode())


def _question(item: Item, shape: Shape) -> list[str]:
    said = [item.question.format(**shape)]
    said += [f"  {word}: {meaning.format(**shape)}" for word, meaning in item.choices.items()]
    return [f"# {line}" for text in said for line in wrap(text, 116, subsequent_indent="    " * text.startswith(" "))]


def read(folder: Path, lab: str, lesson: Lesson, seed: int) -> dict[Part, Answers]:
    """What is filled in, by part; Refused names every answer that is not what the form asks for."""
    path = folder / FILE
    try:
        found = tomllib.loads(read_plain(path, _MOST_BYTES).decode())
    except FileNotFoundError:
        raise Refused(f"{path} is not there: `oneblock lab start` writes it") from None
    except (ValueError, RecursionError) as error:  # no UTF-8, no TOML, more digits or brackets than Python reads
        raise Refused(f"{path}: no TOML: {error}; an answer is a number, or a word in quotes") from None
    for name, expected in (("lab", lab), ("seed", seed)):
        if (given := found.pop(name, None)) != expected or isinstance(given, bool):
            raise Refused(f"{path}: {name}: expected {expected!r}, as the lab was started, got {_shown(given)}")
    faults: list[str] = []
    answers = {part: _part(part, lesson, found.pop(part, {}), faults) for part in _TOLD}
    faults += [unknown("table", _shown(name), [*map(str, _TOLD)]) for name in found]
    if faults:
        raise Refused(f"{path}: " + "\n  ".join(faults))
    return answers


def _part(part: Part, lesson: Lesson, given: Any, faults: list[str]) -> Answers:
    items = {item.name: item for item in lesson.items if item.part is part and item.measure is None}
    if not isinstance(given, Mapping):
        faults.append(f"{part}: expected a table [{part}], got {_shown(given)}")
        return {}
    faults += [unknown(f"answer in [{part}]", _shown(name), [*items]) for name in given if name not in items]
    answers: Answers = {}
    for name, item in items.items():
        try:
            answers[name] = _answer(f"[{part}] {name}", item, given.get(name, ""))
        except Refused as refused:
            faults.append(str(refused))
    return answers


def _answer(where: str, item: Item, given: Any) -> Answer | None:
    """The answer that is given; None where the form is as it was."""
    if isinstance(given, str) and given == "":
        return None
    if item.choices:
        if isinstance(given, str) and given in item.choices:
            return given
        raise Refused(f"{where}: expected one of {', '.join(item.choices)}, in quotes; got {_shown(given)}")
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < _MOST:
        raise Refused(f"{where}: expected a number without quotes, got {_shown(given)}; formulas are not computed")
    return given


def _shown(given: Any) -> str:
    try:
        text = json.dumps(given, default=str)
    except ValueError:  # an int of more digits than Python writes
        text = "a number too long to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
