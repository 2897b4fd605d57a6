"""Numbers that moved: a verdict for each time, each count that changed with its kind, and why not where not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneblock.bench.commands.report import COMMAND as REPORT
from oneblock.bench.judge.moved import NOT_COMPARED, ChangedFigure, against
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.facts import Estimate
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.api.kind import Kind, Reported
from tests.bench.report.test_report import HOSTILE, launch, record
from tests.helpers.stage_records import facts, run, store

KERNEL = GpuKernel(name="k.1", steps=("attention",), kind="triton", registers=128, spill_bytes=0)


def timed(cold_s: float = 0.01, processes: int = 6, **changes: Any) -> Record:
    """A record of enough processes for a verdict."""
    made = record("jax_xla", cold_s=cold_s)
    return replace(made, launches=tuple(launch(n, cold_s) for n in range(processes)), **changes)


def moved(records: list[Record], others: list[Record]) -> list[ChangedFigure]:
    return [*against(records, others).rows]


def verdicts(rows: list[ChangedFigure]) -> dict[str, str]:
    return {row.series: row.verdict for row in rows}


def test_times_have_the_verdict_of_a_comparison() -> None:
    for after, verdict in ((0.01, "SAME"), (0.02, "SLOWER"), (0.005, "FASTER")):
        (row,) = moved([timed(after)], [timed()])
        assert (row.series, row.verdict) == ("cold time (measured)", verdict)
        assert row.before == "10 ms"
        assert "99 % interval" in row.why


def test_a_time_that_others_report_is_named_and_no_number_beside_ours() -> None:
    source = Reported("NVIDIA H100", "vLLM", "0.33", "a table of 2026-08-01")
    (row,) = moved([replace(timed(0.777), kind=Kind.REPORTED, reported=source)], [timed()])
    assert (row.verdict, row.before, row.after) == (NOT_COMPARED, "10 ms", "reported")
    assert "only what was measured is compared" in row.why


def test_a_noisy_time_is_ambiguous() -> None:
    noisy = replace(timed(), launches=tuple(launch(n, 0.01 * (1 + n % 3)) for n in range(6)))
    (row,) = moved([noisy], [timed()])
    assert row.verdict == "AMBIGUOUS"


def test_counts_that_changed_are_named_with_their_kind_and_others_are_not() -> None:
    estimates = (Estimate("llo", 1e-3, "", Kind.COMPILED), Estimate("timeline", 2e-3, "", Kind.MODELLED))
    before = facts(estimates=estimates, calls=(KERNEL,))
    after = replace(
        before, fusions={"kLoop": 3}, hbm_bytes=1e6, calls=(replace(KERNEL, registers=96),),
        estimates=(estimates[0], replace(estimates[1], seconds=1e-3)),
    )  # fmt: skip
    rows = moved([timed(facts=after)], [timed(facts=before)])
    assert verdicts(rows) == {
        "cold time (measured)": "SAME",
        "fusions (compiled)": "MORE",
        "HBM traffic (compiled)": "LESS",
        "registers (compiled)": "LESS",
        "time by timeline (modelled)": "LESS",
    }
    (registers,) = [row for row in rows if row.series.startswith("registers")]
    assert (registers.before, registers.after) == ("128", "96")


def test_a_difference_that_three_digits_hide_is_shown() -> None:
    rows = moved([timed(facts=facts(hbm_bytes=134_000_001.0))], [timed(facts=facts(hbm_bytes=134e6))])
    (row,) = [row for row in rows if row.series.startswith("HBM")]
    assert row.before != row.after


def test_counts_of_two_kinds_are_not_compared() -> None:
    rows = moved([timed(facts=facts(kind=Kind.INTERPRETED))], [timed(facts=facts())])
    counts = [row for row in rows if "time" not in row.series]
    assert {row.verdict for row in counts} == {NOT_COMPARED}
    assert "HBM traffic (compiled -> interpreted)" in {row.series for row in counts}


def test_a_status_that_changed_is_a_row_and_a_failure_no_number() -> None:
    crashed = replace(timed(0.001), status=Status.CRASHED, reason="signal 11")
    (row,) = moved([crashed], [timed()])
    assert (row.series, row.before, row.after, row.verdict) == ("status", "passed", "crashed", "CHANGED")
    assert row.why == "signal 11"


def test_what_may_not_be_compared_says_why() -> None:
    elsewhere = timed(0.02)
    machine = elsewhere.environment.machine | {"cpu": "Another"}
    elsewhere = replace(elsewhere, environment=replace(elsewhere.environment, machine=machine))
    (row,) = moved([elsewhere], [timed()])
    assert row.verdict == NOT_COMPARED
    assert "machine.cpu: 'A CPU' in A, 'Another' in B" in row.why
    newer = replace(timed(0.02), created="2026-03-01T00:00:00.000Z")
    rows = moved([elsewhere, newer], [timed()])
    assert [row.verdict for row in rows] == ["SLOWER"], "a cell that is on the same machine is compared there alone"


def test_a_version_that_changed_is_named() -> None:
    updated = timed(0.02)
    software = updated.environment.software | {"numpy": "2.5.0"}
    (row,) = moved([replace(updated, environment=replace(updated.environment, software=software))], [timed()])
    assert "numpy 2.4.0 -> 2.5.0" in row.why


def test_the_newest_come_first_and_cells_of_one_set_are_left_out() -> None:
    old, new = timed(), replace(record("torch_eager"), created="2026-02-01T00:00:00.000Z")
    rows = moved([old, new, record("reference")], [old, new])
    assert [row.name for row in rows] == [new.cell.name, old.cell.name]
    assert moved([old], []) == []


def test_compiled_cells_have_counts_and_no_time() -> None:
    made = replace(timed(facts=facts()), status=Status.COMPILED, kind=Kind.COMPILED, launches=(), reason="no device")
    assert moved([made], [made]) == []
    rows = moved([replace(made, facts=facts(fusions={"kLoop": 9}))], [made])
    assert verdicts(rows) == {"fusions (compiled)": "MORE"}


def test_the_page_has_the_rows_and_escapes_them(tmp_path: Path) -> None:
    store(tmp_path / "new", timed(0.02, reason=HOSTILE, status=Status.CRASHED))
    store(tmp_path / "old", timed())
    code, said = run(REPORT, "-o", tmp_path / "new", "--against", tmp_path / "old", "--to", tmp_path / "page.html")
    assert code == 0, said
    page = (tmp_path / "page.html").read_text()
    assert "CHANGED" in page
    assert "<script>alert(1)" not in page
    code, said = run(REPORT, "-o", tmp_path / "new", "--against", tmp_path / "nowhere")
    assert (code, "nowhere: no such directory" in said) == (2, True)


def test_pairs_are_counted_and_cells_of_one_side_are_named() -> None:
    old, new, alone = timed(), record("torch_eager"), record("reference")
    found = against([timed(0.02), new], [old, alone])
    assert (found.pairs, found.moved) == (1, 1)
    assert (found.only_before, found.only_after) == ((alone.cell.name,), (new.cell.name,))
    assert found.sentence == "1 pair compared, 1 moved; cells only before: 1; only after: 1"
    assert against([old], [old]).moved == 0, "a row that says SAME"
    assert against([replace(old, facts=facts(kind=Kind.INTERPRETED))], [replace(old, facts=facts())]).refused == 1
    here = old.environment
    there = replace(old, environment=replace(here, machine=here.machine | {"cpu": "Another"}))
    assert against([old, there], [old]).only_after == (f"{old.cell.name} (smoke on Another)",)


def test_the_page_says_so_when_nothing_moved_and_when_nothing_is_in_common(tmp_path: Path) -> None:
    made = replace(timed(facts=facts()), status=Status.COMPILED, kind=Kind.COMPILED, launches=(), reason="no device")
    store(tmp_path / "new", made)
    store(tmp_path / "equal", made)
    store(tmp_path / "other", record("torch_eager"))
    cases = {"equal": "1 pair compared, 0 moved", "other": "0 pairs compared, 0 moved; cells only before: 1"}
    for before, says in cases.items():
        words = ("-o", tmp_path / "new", "--to", tmp_path / "page.html", "--against", tmp_path / before)
        code, said = run(REPORT, *words, "--export", tmp_path / "out")
        page = (tmp_path / "page.html").read_text()
        assert (code, says in said, says in page) == (0, True, True), said
        assert '<a href="#moved">' in page
        assert json.loads((tmp_path / "out" / "report.json").read_text())["against"]["moved"] == 0
    assert f"<b>Only before:</b> {record('torch_eager').cell.name}" in page
    assert run(REPORT, "-o", tmp_path / "new", "--to", tmp_path / "page.html")[0] == 0
    assert 'id="moved"' not in (tmp_path / "page.html").read_text()
