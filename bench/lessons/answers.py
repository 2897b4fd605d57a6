"""answers.toml: the form that a learner fills in, and what was filled in. It is data: nothing in it is computed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.item import Answer, Item, Lesson, Part, Shape
from oneblock.compilers.api.files import read_plain
from oneblock.workloads.ops.nearest import unknown

FILE = "answers.toml"
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
    """The empty form of a lab and seed."""
    lines = [f"# {', '.join(f'{name} {value}' for name, value in shape.items())}", f'lab = "{lab}"', f"seed = {seed}"]
    for part in (part for part in Part if part in _TOLD):
        asked = [item for item in lesson.items if item.part is part and item.measure is None]
        lines += ["", f"[{part}]  # {_TOLD[part]}"] if asked else []
        for item in asked:
            lines += ["", *_question(item, shape), f'{item.name} = ""']
    return "\n".join(lines) + "\n"


def _question(item: Item, shape: Shape) -> list[str]:
    needs = f" (needs {item.needs}; ungraded without)" if item.needs else ""
    said = [item.question.format(**shape) + needs]
    said += [f"  {word}: {meaning.format(**shape)}" for word, meaning in item.choices.items()]
    return [f"# {line}" for text in said for line in wrap(text, 116, subsequent_indent="    " * text.startswith(" "))]


def read(folder: Path, lab: str, lesson: Lesson, seed: int) -> dict[Part, Answers]:
    """What is filled in, by part; Refused at the first thing that is not what the form asks for."""
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
    return {part: _part(path, part, lesson, found.pop(part, {})) for part in _TOLD} | _nothing_more(path, found)


def _part(path: Path, part: Part, lesson: Lesson, given: Any) -> Answers:
    items = {item.name: item for item in lesson.items if item.part is part and item.measure is None}
    if not isinstance(given, Mapping):
        raise Refused(f"{path}: {part}: expected a table [{part}], got {_shown(given)}")
    for name in given:
        if name not in items:
            raise Refused(f"{path}: {unknown(f'answer in [{part}]', _shown(name), [*items])}")
    return {name: _answer(f"{path}: [{part}] {name}", item, given.get(name, "")) for name, item in items.items()}


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


def _nothing_more(path: Path, found: Mapping[str, Any]) -> dict[Part, Answers]:
    for name in found:
        raise Refused(f"{path}: {unknown('table', _shown(name), [*map(str, _TOLD)])}")
    return {}


def _shown(given: Any) -> str:
    try:
        text = json.dumps(given, default=str)
    except ValueError:  # an int of more digits than Python writes
        text = "a number too long to be shown"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
