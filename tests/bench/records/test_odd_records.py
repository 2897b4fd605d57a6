"""Records that are odd in one place, of every kind: named and left out, or shown; never an end of what reads them.

Each is a real record in which something was deleted, exchanged, nested or made extreme.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oneblock.bench.commands.compare import COMMAND as COMPARE
from oneblock.bench.commands.diff import COMMAND as DIFF
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.text import visible
from oneblock.bench.records.store import read_record, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.bench.report.page import render
from oneblock.bench.report.rows.cells import cell_row
from oneblock.bench.report.study import Study
from tests.bench.report.test_report import record
from tests.bench.terminal.test_gateway import MARKUP, OBEYED, harmless

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
FILES = [*sorted((FIXTURES / "records").glob("*.json")), *sorted((FIXTURES / "page").glob("*.json"))]
GOOD = record("good")
EXTREMES = [
    None, True, False, 0, -1, 1, 10**9 + 1, 10**18, 10**59, 10**400, -(10**400), 0.0, -0.0, 5e-324, 1e-300, 1e59, 1e300,
    "NaN", "Infinity", "-Infinity", "", " ", "0", "x" * 3000, "../../../x", "/etc/passwd", "a\nb",
    *OBEYED[:-2], *MARKUP, [], {}, [[]], [None], {"": 0}, {"a": {"b": [1]}}, [0.0], ["a", 1], {"a": None},
]  # fmt: skip


@cache
def originals() -> tuple[dict[str, Any], ...]:
    """The records as they stand in JSON: those of older schemas as they are, and as today's."""
    old = [json.loads(path.read_bytes()) for path in FILES]
    new = [json.loads(to_json(read_record(path))) for path in FILES]
    return (*old, *new, json.loads(to_json(record())))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place within JSON but its top; of a list the first two, which stand for all."""
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, one in inside:
        yield (*at, key)
        yield from places(one, (*at, key))


@st.composite
def odd_records(draw: st.DrawFn) -> dict[str, Any]:
    """A record that is odd in one place or two."""
    found = copy.deepcopy(draw(st.sampled_from(originals())))
    for _ in range(draw(st.integers(1, 2))):
        *to, last = draw(st.sampled_from(sorted(places(found), key=str)))
        where = found
        for key in to:
            where = where[key]
        how = draw(st.sampled_from(["delete", "exchange", "exchange", "exchange", "twice", "key", "nest"]))
        change(where, last, how, draw)
    return found


def change(where: Any, key: Any, how: str, draw: st.DrawFn) -> None:
    if how == "delete":
        del where[key]
    elif how == "exchange":
        where[key] = draw(st.sampled_from(EXTREMES))
    elif how == "twice" and isinstance(where, list):
        where.append(copy.deepcopy(where[key]))
    elif how == "key" and isinstance(where, dict):
        where[draw(st.sampled_from([*OBEYED[:-2], *MARKUP, "", "x", "schema"]))] = where.pop(key)
    elif how == "nest":
        where[key] = [where[key]]


def shown(folder: Path, raw: bytes, *only: click.Command) -> str:
    """What the commands, or one alone, say of a folder with a good record and this one."""
    odd = folder / "odd.0123456789abcdef.20260101T000000.000Z.json"
    odd.write_bytes(raw)
    said = ""
    for command, *words in (
        (SHOW, "-o", folder), (SHOW, "-o", folder, "--json"), (COMPARE, folder, folder), (SHOW, odd),
        (DIFF, odd, odd, "--force"),
    ):  # fmt: skip
        if only and command not in only:
            continue
        done = CliRunner().invoke(command, [str(word) for word in words])
        if not isinstance(done.exception, None | SystemExit | StoreError | Refused):
            raise done.exception
        said += f"{done.output}{visible(str(done.exception or ''))}"
    return said


def drawn(folder: Path) -> str:
    """The page and the rows of exports of what can be read."""
    records = []
    for path in sorted(folder.glob("*.json")):
        try:
            records.append((path, read_record(path)))
        except StoreError:
            continue
    page = render(Study("odd", records))
    assert page.left_out == ()
    for _, one in records:
        json.dumps(cell_row(one), allow_nan=False)
    return page.html


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("odd")
    (made / "good.fedcba9876543210.20260101T000000.000Z.json").write_bytes(to_json(GOOD))
    return made


ESC = "\x1b]0;OWNED\x07\x1b[31m"
SHA = "0" * 64


def at(*to: str | int, value: Any = ...) -> dict[str, Any]:
    """The good record of today with another value in one place; without a value the place is deleted."""
    found = json.loads(to_json(record("odd")))
    found["artifacts"] = [{"stage": "optimized", "dialect": "hlo", "sha256": SHA, "bytes": 1}]
    where = found
    for key in to[:-1]:
        where = where[key]
    if value is ...:
        del where[to[-1]]  # type: ignore[arg-type]
    else:
        where[to[-1]] = value  # type: ignore[index]
    return found


LEFT_OUT = {
    "an unknown key that is obeyed": at(ESC, value=1),
    "no outputs": at("check", "outputs", value=[]),
    "an error without where it is": at("check", "outputs", 0, "worst_expected", value=None),
    "a whole number of 400 digits": at("costs", "compulsory_bytes", value=10**400),
    "a number beyond all": at("limits", "flops_per_s", value=1e300),
    "a negative limit": at("limits", "flops_per_s", value=-1.0),
    "a limit of nothing": at("limits", "flops_per_s", value=5e-324),
    "no number": at("launches", 0, "compile_s", value="NaN"),
    "no time": at("launches", 0, "cold_s", 0, value=0.0),
    "no samples": at("launches", 0, "warm_s", value=[]),
    "no launches": at("launches", value=[]),
    "a negative peak": at("launches", 0, "peak_rss_bytes", value=-5),
    "a hash that is a path": at("artifacts", 0, "sha256", value="../../secret"),
    "a hash that is an absolute path": at("artifacts", 0, "sha256", value="/etc/passwd"),
    "a hash in capitals": at("artifacts", 0, "sha256", value="A" * 64),
    "a size beyond all": at("cell", "case", "B", value=10**18),
    "a name beyond all": at("cell", "backend", value="x" * 3000),
    "a name that no command can say": at("cell", "dtype", value="float\x0032"),
    "a path that no command can say": at("cell", "weights", value={"path": "a\0", "layer": 0, "sha256": SHA}),
    "a mesh beyond all": at("cell", "target", value="tpu:v5e:2x4@tp" + "9" * 4000),
    "another time": at("created", value="yesterday"),
    "a text of a megabyte": at("reason", value="x" * 2**20),
    "no machine": at("environment", "machine"),
}
SHOWN = {
    "a machine without its facts": at("environment", "machine", value={}),
    "a machine without threads": at("environment", "machine", "threads"),
    "an error that is no number": at("check", "outputs", 0, "worst_got", value="NaN"),
    "markup that ends what was not begun": at("cell", "dtype", value="[/]"),
    "markup of a link": at("cell", "dtype", value="[link=https://evil.example]float32[/link]"),
    "a reason that is obeyed": at("reason", value=ESC),
    "software that is obeyed": at("environment", "software", ESC, value=ESC),
    "a path for a name": at("cell", "ops_set", value="../../../../x"),
    "an unknown tier": at("tier", value="forever"),
    "nothing to compute": at("costs", value={"flops": 0, "compulsory_bytes": 0, "steps": [], "kind": "modelled"}),
}


@pytest.mark.parametrize("odd", LEFT_OUT.values(), ids=LEFT_OUT.keys())
def test_a_record_that_none_can_be_is_named_and_left_out(folder: Path, odd: dict[str, Any]) -> None:
    said = shown(folder, json.dumps(odd).encode(), SHOW)
    assert "odd.0123456789abcdef" in said
    assert "left out" in said
    assert "good" in said
    assert harmless(said)


@pytest.mark.parametrize("odd", SHOWN.values(), ids=SHOWN.keys())
def test_a_record_that_is_strange_is_shown_with_the_others(folder: Path, odd: dict[str, Any]) -> None:
    said = shown(folder, json.dumps(odd).encode())
    assert "left out" not in said
    assert "good" in said
    assert "odd" in said
    assert harmless(said)
    page = drawn(folder)
    assert "good" in page


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema": 6, "a": ' + "[" * 900 + "]" * 900 + "}", "\x00", "{}", ""])
def test_what_is_no_record_is_left_out(folder: Path, text: str) -> None:
    said = shown(folder, text.encode(), SHOW)
    assert "left out" in said
    assert "good" in said


@given(odd=odd_records())
@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
def test_an_odd_record_hides_none_and_is_obeyed_by_none(folder: Path, odd: dict[str, Any]) -> None:
    said = shown(folder, json.dumps(odd).encode())
    assert harmless(said)
    assert "good" in said
    assert "good" in drawn(folder)
