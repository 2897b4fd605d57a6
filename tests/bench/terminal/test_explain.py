"""Each column, status and kind has one explanation, where it is defined, and every way to ask for it gives that one."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from typing import get_args

import pytest

from oneblock import compilers
from oneblock.bench.commands.explain import COMMAND as EXPLAIN
from oneblock.bench.records.record import Status
from oneblock.bench.terminal import calls, programs, records
from oneblock.bench.terminal.explain import explain, hovers, names
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.records import results
from oneblock.compilers.api.call import Call
from oneblock.compilers.api.calls import AnyCall
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import page_of, record
from tests.bench.terminal.test_fitted import GPU, MEASURED, TPU
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.stage_records import run

API = Path(compilers.__file__).parent / "api"
WHERE = {"backend", "ops", "target", "status", "step", "name"}  # say what a row is of


def headings(path: Path) -> set[str]:
    """The headings of columns that a source writes out."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Column" and isinstance(node.args[0], ast.Constant)
    }


def test_every_column_of_calls_is_explained_by_its_sort() -> None:
    sorts = [of for of in (Call, *get_args(AnyCall)) if "says" in vars(of)]
    by_file: dict[Path, set[str]] = {}
    for of in sorts:
        by_file.setdefault(Path(inspect.getfile(of)), set()).update(of.says)
    told = set(Call.says)
    for path, said in by_file.items():
        assert headings(path) <= said | {"occupancy"}, path
        told |= said
    assert headings(Path(calls.__file__)) <= told, "what stands beside them"
    assert sum(map(len, map(headings, by_file))) > 30, "headings are found at all"


@pytest.mark.parametrize("of", ["measured", "compiled", "calls"])
def test_every_heading_of_a_table_is_explained(of: str) -> None:
    for table in results({"measured": MEASURED, "compiled": TPU, "calls": GPU}[of]):
        if isinstance(table, Table):
            for column in table.columns:
                name = str(column.header).replace("-\n", "").replace("\n", " ")
                assert name in WHERE or explain(re.sub(r" \(\w+\)$", "", name)), name


def test_statuses_and_kinds_are_explained() -> None:
    for name in (*Status, *Kind):
        assert explain(name.value)


def test_ways_to_ask(tmp_path: Path) -> None:
    words = records.COLUMNS["error budget"]
    code, said = run(EXPLAIN, "Error", "Budget")
    assert (code, said) == (0, f"error budget: a column of measured cells: {words}\n")
    for command in ("run", "show", "compare x y", "tune"):
        done = oneblock_here(*command.split(), "--explain", "error budget", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, said), command
    assert list(tmp_path.iterdir()) == [], "and nothing else is done"
    hbm = json.loads(run(EXPLAIN, "HBM", "--json")[1])
    assert [one["of"] for one in hbm] == ["a column of compiled cells", "a word", "a word of TPU bundles"], (
        "all of them"
    )
    assert hbm[0]["words"] == programs.COLUMNS["HBM"]
    listed = run(EXPLAIN)[1].splitlines()
    for name in names():
        assert any(line.startswith(f"  {name} ") for line in listed), "each has a line in the list of all"
    assert json.loads(run(EXPLAIN, "--json")[1]) == names()
    code, said = run(EXPLAIN, "erorr budget")
    assert (code, "unknown term 'erorr budget'; did you mean 'error budget'" in said) == (2, True)
    assert "`oneblock explain` lists all" in said
    assert len(said) < 300, "and is no list of all there are"


def test_the_page_says_it_of_headings() -> None:
    page = page_of(record(), *TPU, *GPU)
    titles = set(re.findall(r'<th [^>]*title="([^"]+)"', page))
    for name in ("cold", "error budget", "HBM / min", "attributed", "ulps"):
        assert hovers()[name].replace("'", "&#39;") in titles, name
    assert get_args(AnyCall)[0].says["grid"] in titles
