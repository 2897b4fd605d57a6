"""Estimates stand by method and kind: none is left out, and none stands under a kind that its record does not give."""

from __future__ import annotations

import re
from dataclasses import replace

from oneblock.bench.judge.estimates import METHODS, ROOFLINE, Method, estimates, in_order
from oneblock.bench.judge.figures import whole
from oneblock.bench.records.record import Record
from oneblock.bench.terminal.programs import details
from oneblock.bench.terminal.records import results
from oneblock.bench.terminal.screen import console
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import Page, page_of
from tests.bench.report.test_report_compiled import compiled, section, specs, values

MIXED = (
    Estimate("static", 0.00111, "", Kind.MODELLED), Estimate("timeline", 0.00222, "", Kind.MODELLED),
    Estimate("xla", 0.00333, "", Kind.COMPILED), Estimate("xla", 0.00444, "", Kind.SIMULATED),
    Estimate("quantum", 0.00555, "", Kind.SIMULATED),
)  # fmt: skip
STAND = [
    ("roofline", "modelled"), ("xla", "compiled"), ("static", "modelled"), ("timeline", "modelled"),
    ("quantum", "simulated"), ("xla", "simulated"),
]  # fmt: skip


def terminal(*records: Record) -> str:
    out = console()
    with out.capture() as said:
        for part in results(records):
            out.print(part)
    return said.get()


def test_a_method_is_a_name_and_a_kind_and_all_are_in_order() -> None:
    assert [tuple(method) for method in estimates(compiled(estimates=MIXED))] == STAND
    assert in_order([Method("b", Kind.COMPILED), Method("a", Kind.COMPILED), *reversed(METHODS)])[: len(METHODS)] == [
        *METHODS
    ]
    simulated = Method("xla", Kind.SIMULATED)
    assert (simulated.label, Method("xla", Kind.COMPILED).label) == ("xla (simulated)", "xla")
    assert simulated.words == "as its record says", "what XLA does says nothing of another kind of that name"
    assert ROOFLINE not in estimates(compiled("tpu:v5e:2x4@tp8"))


def test_the_page_has_a_column_for_each_with_its_own_kind() -> None:
    text = section(page_of(compiled(estimates=MIXED), compiled("tpu:v6e", estimates=MIXED[2:3])))
    assert re.findall(r'<th scope="col"[^>]* title="[^"]+">([a-z-]+)<br><small>(\w+)</small>', text) == STAND
    shown = [" ".join(cell.split()) for _, cell in Page(text).cells]
    assert shown[10:15] == ["3.33", "1.11", "2.22", "5.55", "4.44"]
    listed = re.findall(r"<dt><b>([a-z-]+)</b> (\w+)</dt>", text)
    assert listed == STAND
    (plot, *_) = [one for one in specs(page_of(compiled(estimates=MIXED))) if "stimated" in one["description"]]
    points = {point["method"]: (point["kind"], round(point["ms"], 2)) for point in values(plot)}
    assert points["xla"] == ("compiled", 3.33)
    assert points["xla (simulated)"] == ("simulated", 4.44)


def test_the_terminal_leaves_none_out_and_says_the_kinds() -> None:
    text = terminal(compiled(estimates=MIXED[1:]))
    for shown in ("2.22 ms", "3.33 ms", "4.44 ms", "5.55 ms"):
        assert shown in text
    (heads,) = [line for line in text.splitlines() if "kernels" in line and "llo" not in line and "┃" in line]
    for head in ("roofline", "timeline", "(simulated) ┃ (simulated)"):
        assert head in heads
    said = " ".join(text.split())
    assert "(modelled: roofline, timeline; compiled: xla; simulated: quantum, xla)" in said
    told = [line for line in details(compiled(estimates=MIXED)) if line.startswith("estimate ")]
    assert len(told) == len(STAND)
    marked = terminal(compiled(estimates=(Estimate("[red]x[/red]", 1.0, ""),)))
    assert "[red]x[/red]" in marked, "a name is no markup"


def test_counts_of_two_kinds_share_no_column() -> None:
    ours, theirs = compiled(), compiled("tpu:v6e", kind=Kind.SIMULATED)
    text = section(page_of(ours, theirs))
    assert re.findall(r"FLOPs <small>(\w+)</small>", text) == ["compiled", "simulated"]
    assert len(set(re.findall(r' id="([^"]+)"', text))) == len(re.findall(r' id="', text))
    shown = terminal(ours, theirs)
    assert (shown.count("(compiled, not run"), shown.count("(simulated, not run")) == (1, 1)


def test_two_estimates_of_one_name_are_two_figures() -> None:
    found = whole(compiled(estimates=MIXED))
    times = {name: (one.name, one.kind, one.value) for name, one in found.items() if one.name.startswith("time by xla")}
    assert set(times.values()) == {
        ("time by xla", Kind.COMPILED, 0.00333), ("time by xla", Kind.SIMULATED, 0.00444),
    }  # fmt: skip
    alone = whole(replace(compiled(estimates=MIXED[2:3])))
    assert "time by xla" in alone, "of which one whose kind changed is still named"
