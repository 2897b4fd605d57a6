"""The section of releases: a chart and a table of one cell with several releases of its toolchain."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from oneblock.bench.commands.report import write
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store, read_record
from tests.bench.report.test_report import page_of, record
from tests.helpers.stage_records import HLO, PLANTED, RENUMBERED, released, store


def section(page: str) -> str:
    found = page.partition('id="releases"')[2]
    return found.partition("</section>")[0]


def test_releases_stand_in_their_own_order_and_what_moved_is_a_row(tmp_path: Path) -> None:
    for version, text, scratch in (("0.0.10", HLO, 64), ("0.0.9", RENUMBERED, 64), ("0.0.51", PLANTED, 128)):
        released(tmp_path / "records", version, text, scratch_bytes=scratch)
    found = write([tmp_path / "records"], tmp_path / "page.html", "x", folder=tmp_path / "out")
    assert found.problems == ()
    text = section((tmp_path / "page.html").read_text())
    assert "Costs over 3 releases" in text
    assert text.count("<tr><td") == 1, "0.0.9 and 0.0.10 are one program"
    assert "libtpu-0.0.10</td>" in text
    assert "scratch 64 B -&gt; 128 B (+100.0%)" in text
    rows = list(csv.DictReader((tmp_path / "out" / "releases.csv").read_text().splitlines()))
    scratch_of = {row["toolchain"]: row["value"] for row in rows if row["figure"] == "scratch"}
    assert {name: float(of) for name, of in scratch_of.items()} == {
        "libtpu-0.0.9": 64.0, "libtpu-0.0.10": 64.0, "libtpu-0.0.51": 128.0,
    }  # fmt: skip


def test_a_release_that_crashed_is_a_row_with_its_reason(tmp_path: Path) -> None:
    good, bad = released(tmp_path, "1", HLO), replace(record("jax_xla"), status=Status.CRASHED, reason="a <SIGSEGV>")
    Store(tmp_path).add(replace(bad, cell=replace(good.cell, toolchain="libtpu-2"), check=None, launches=()))
    write([tmp_path], tmp_path / "page.html", "x")
    text = section((tmp_path / "page.html").read_text())
    assert "passed -&gt; crashed: a &lt;SIGSEGV&gt;</td>" in text
    assert "Nothing moved" not in text


def test_what_is_of_no_release_has_no_section_and_one_of_another_hand_ends_no_page(tmp_path: Path) -> None:
    released(tmp_path, "0.0.9", HLO)
    assert 'id="releases"' not in page_of(record())
    made = record("jax_xla")
    odd = read_record(store(tmp_path, replace(made, cell=replace(made.cell, toolchain="of another hand")), hlo=PLANTED))
    assert odd.cell.toolchain is not None
    write([tmp_path], tmp_path / "page.html", "x")
    text = section((tmp_path / "page.html").read_text())
    assert "Nothing moved" not in text
    assert "1 of 1 pairs of neighbours have another text and the same counts" in text
    assert len(Store(tmp_path).records()[0]) == 2
