"""Tables in narrow terminals: nothing is cut, what is left out is named, and it fits."""

from __future__ import annotations

import ast
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from oneblock import bench
from oneblock.backends.api.target import Target
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.records.record import Record, Status
from oneblock.bench.terminal.fitted import Table
from oneblock.bench.terminal.records import results
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import record
from tests.helpers.stage_records import facts, run, store

WIDTHS = [40, 60, 80, 90, 100, 120, 180]


def compiled(target: str, **changes: object) -> Record:
    of = record("xla_tpu")
    estimates = tuple(Estimate(name, 1.2345e-3, "") for name in ("xla", "hlo", "llo"))
    made = facts(estimates=estimates, hbm_bytes=2.6789e9, **changes)
    cell = replace(of.cell, target=Target.parse(target))
    return replace(
        of,
        cell=cell,
        status=Status.COMPILED,
        kind=Kind.COMPILED,
        reason="",
        launches=(),
        check=None,
        facts=made,
        compile_s=12.3,
    )


def kernel(name: str) -> GpuKernel:
    return GpuKernel(name=name, steps=("attention",), kind="triton", entry=name, grid=(1, 2, 3), threads=128,
                     shared_bytes=40960, registers=184, spill_bytes=0, hbm_bytes=123456789)  # fmt: skip


MEASURED = [record("torch_inductor", "native"), record("jax_xla", cold_s=0.0345678)]
TPU = [compiled("tpu:v5e:2x4@tp8"), compiled("tpu:v6e:2x2@dp2,tp2")]
GPU = [
    replace(compiled(f"cuda:sm_{n}", calls=(kernel("flash_attention_of_a_long_name"),)), artifacts=()) for n in (80, 90)
]
ALL = {"measured": MEASURED, "compiled": TPU, "calls": GPU}


def printed(table: Table, width: int) -> str:
    out = Console(file=io.StringIO(), width=width)
    out.print(table)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def words(text: str) -> str:
    """Without frames and breaks, as a folded cell is read: row by row, its column alone is not told."""
    return re.sub(r"\s", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ALL)
def test_no_number_and_no_target_is_cut_and_every_line_fits(kind: str, width: int) -> None:
    tables = [part for part in results(ALL[kind]) if isinstance(part, Table)]
    assert tables
    for table in tables:
        said = printed(table, width)
        assert "…" not in said
        assert max(map(len, said.splitlines())) <= width
        rest = words(said.partition("in every row:")[2] + said.partition("left out, as they do not fit:")[2])
        for column in table.columns:
            heading = str(column.header).replace("-\n", "").replace("\n", " ")
            told = words(heading) in rest
            for cell in map(str, column.cells):
                assert told or cell in said or width < 60, (heading, cell)


def test_at_a_hundred_columns_a_compiled_table_keeps_its_targets_and_estimates() -> None:
    (table, *_) = [part for part in results(TPU) if isinstance(part, Table)]
    said = printed(table, 100)
    assert all(target in said for target in ("tpu:v5e:2x4@tp8", "tpu:v6e:2x2@dp2,tp2"))
    assert said.count("1.23 ms") == 6
    assert "in every row: backend xla_tpu, ops plain" in said
    (out,) = re.findall(r"left out, as they do not fit: (.*?) \(", said)
    assert out.split(", ")[:2] == ["compile", "scratch"], "by rank"
    (needs,) = {int(found) for found in re.findall(r"COLUMNS=(\d+)", words(said))}
    assert "left out" not in printed(table, needs), "what it says of the width is so"
    assert "left out" in printed(table, needs - 60)


def test_the_last_resort_is_to_fold() -> None:
    table = Table("kernel", "time")
    table.add_row("a_name_of_five_and_twenty_", "1.23 ms")
    said = printed(table, 24)
    column = "".join(line.split("│")[1].strip() for line in said.splitlines() if "│" in line)
    assert column == "a_name_of_five_and_twenty_"
    assert "1.23 ms" in said
    same = Table("x", title="t")
    same.add_row(Text("once"))
    assert "in every row" not in printed(same, 200), "what fits is left as it is"


def test_a_pipe_is_as_wide_as_columns_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(tmp_path, TPU[0])
    monkeypatch.setenv("COLUMNS", "100")
    assert "left out, as they do not fit" in run(SHOW, "-o", tmp_path)[1]
    for other in ("", "many", "0"):
        monkeypatch.setenv("COLUMNS", other)
        assert "left out" not in run(SHOW, "-o", tmp_path)[1]


def test_every_table_is_such_a_one() -> None:
    folder = Path(bench.__file__).parent
    by = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.ImportFrom) and (node.module, "table") in (("rich", one.name) for one in node.names))
        or (isinstance(node, ast.ImportFrom | ast.Import) and "rich.table" in ast.unparse(node))
    }
    assert by == {"terminal/fitted.py"}
