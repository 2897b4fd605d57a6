"""One table draws the calls of every toolchain; none of its columns holds two sorts of call or kinds of evidence."""

from __future__ import annotations

import re

from oneblock.bench.judge.calls import Head, lined_up, tables
from oneblock.bench.judge.steps import by_step
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.store import to_json
from oneblock.bench.terminal.calls import calls
from oneblock.bench.terminal.screen import console
from oneblock.compilers.api.call import Call, Column, ToldCall
from oneblock.compilers.api.calls import NeuronCall, TirCall, TpuKernel
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import page_of
from tests.bench.report.test_report_compiled import compiled, section

GPU = GpuKernel(name="linear", steps=("qkv", "rope"), kind="triton", registers=115, modelled_s={"static": 1e-6})
NKI = NeuronCall(
    name="flash", steps=("attention",), shapes=("bfloat16[128, 64]",), instructions={"tensor": 2}, flops=4e6,
    hbm_bytes=4096, dma_runs=2, sbuf_bytes=1024, sbuf_limit_bytes=196_608, psum_banks=1, busy_s={"tensor": 1e-6},
    modelled_s={"timeline": 2e-6},
)  # fmt: skip
TIR = TirCall(name="rms_norm", steps=("norm1",), flops=5e6, loops={"serial": 2}, vector_lanes=8, instructions={})
TPU = TpuKernel(name="fusion.1", steps=("mlp",), bundles=10, slots={"MXU": 0.97}, cycles=100.0)
OTHERS = ToldCall(
    name="wave", steps=("mlp",), flops=2.0, modelled_s={"waves": 3.0},
    told=(Column("cells", 4711, kind=Kind.SIMULATED), Column("cells", 12, kind=Kind.MODELLED), Column("area", 8, "B")),
)  # fmt: skip


def said(facts: Facts) -> str:
    out = console()
    with out.capture() as shown:
        for table in calls(facts):
            out.print(table)
    return " ".join(shown.get().split())


def headings(of: Call) -> set[str]:
    return {column.heading for column in of.columns()}


def test_a_column_of_one_sort_of_call_is_in_no_table_of_another() -> None:
    found = {table.of: table for table in tables(Facts(calls=(GPU, NKI, TIR, GPU, TPU, OTHERS)))}
    assert {of: len(table.calls) for of, table in found.items()} == {
        GpuKernel: 2, NeuronCall: 1, TirCall: 1, TpuKernel: 1, ToldCall: 1,
    }  # fmt: skip
    for of, one in ((GpuKernel, GPU), (NeuronCall, NKI), (TirCall, TIR), (TpuKernel, TPU), (ToldCall, OTHERS)):
        assert {head.heading for head in found[of].heads} <= headings(one)
    assert "registers" not in {head.heading for head in found[NeuronCall].heads}
    assert "SBUF" not in {head.heading for head in found[GpuKernel].heads}


def test_figures_of_two_kinds_or_units_never_share_a_column() -> None:
    rows = [[Column("time", 1.0, "s", Kind.MODELLED)], [Column("time", 2.0, "s", Kind.COMPILED)], [Column("time", 3)]]
    heads, cells = lined_up(rows)
    assert heads == (
        Head("time", "s", Kind.MODELLED), Head("time", "s", Kind.COMPILED), Head("time", "", Kind.COMPILED),
    )  # fmt: skip
    values = [[one and one.value for one in row] for row in cells]
    assert values == [[1.0, None, None], [None, 2.0, None], [None, None, 3]]
    assert lined_up([[Column("empty", None), Column("none", "")]])[0] == ()


def test_every_sort_is_shown_with_its_steps_its_figures_and_their_kinds() -> None:
    text = said(Facts(calls=(GPU, NKI, TIR, TPU)))
    assert re.search(r"kernels in order \(compiled: config, registers; modelled: static\)", text)
    assert re.search(r"qkv\+rope\s.*linear\s.*triton\s.*115\s.*1 µs", text)
    assert "NKI kernel calls in order" in text
    assert re.search(r"attention\s.*flash\s.*2 tensor\s.*4\s.*4 KiB\s.*2 KiB\s.*1 KiB, of 192 KiB\s.*50%, tensor", text)
    assert re.search(r"norm1\s.*rms_norm\s.*5\s.*2 serial\s.*8", text)
    assert re.search(r"kernels of 1, the first", text)
    assert re.search(r"mlp\s.*fusion\.1\s.*10\s.*MXU 97%\s.*100", text)


def test_a_call_of_anothers_toolchain_is_read_and_shown_without_it() -> None:
    facts = adapter(Facts).validate_json(to_json(Facts(calls=(OTHERS,))))
    assert facts == Facts(calls=(OTHERS,))
    text = said(facts)
    assert "calls in order (simulated: cells; modelled: cells; compiled: area)" in text
    assert re.search(r"wave\s.*4711\s.*12\s.*8 B", text)
    page = section(page_of(compiled(calls=(OTHERS,))))
    assert re.search(
        r"cells<br><small>simulated.*cells<br><small>modelled.*area, B<br><small>compiled", page, re.DOTALL
    )
    (row,) = by_step(facts)
    assert (row.name, row.kernels, row.flops, row.seconds) == ("mlp", 1, 2.0, None), "nobody says its times add up"
