"""The section of releases: a chart and a table of one cell with several releases of its toolchain."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

from oneblock.bench.commands.report import write
from oneblock.bench.records.record import Status
from oneblock.bench.records.store import Store, read_record
from oneblock.bench.report.sections.releases.section import build
from oneblock.bench.report.study import Study
from tests.bench.report.test_report import drawn, page_of, record
from tests.helpers.stage_records import HLO, PLANTED, RENUMBERED, facts, released, store


def study_of(folder: Path) -> Study:
    return Study("A report", Store(folder).records()[0])


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


def test_a_text_that_moved_alone_is_told(tmp_path: Path) -> None:
    for version, text in (("1", HLO), ("2", PLANTED)):
        released(tmp_path, version, text)
    write([tmp_path], tmp_path / "page.html", "x")
    text = section((tmp_path / "page.html").read_text())
    assert "Nothing moved" not in text
    assert "1 of 1 pairs of neighbours have another text and the same counts" in text


def test_only_releases_that_differ_in_one_package_are_held_against_each_other(tmp_path: Path) -> None:
    """Of two packages that each move, the mixture differs from its neighbours in one, and from the earliest in both."""
    for jax, libtpu in ((2, 2), (2, 1), (1, 2), (1, 10), (1, 1)):
        made = record("jax_xla")
        made = replace(made, cell=replace(made.cell, toolchain=f"jax-{jax}+libtpu-{libtpu}"))
        store(tmp_path, replace(made, facts=facts(scratch_bytes=100 * jax + libtpu)), hlo=HLO + "\n" * jax)
    (series,) = build(study_of(tmp_path)) or []
    assert [row.record.cell.toolchain for row in series.rows] == [
        "jax-1+libtpu-1", "jax-2+libtpu-1", "jax-1+libtpu-2", "jax-1+libtpu-10", "jax-2+libtpu-2",
    ]  # fmt: skip
    assert {(one.before, one.after) for one in series.moved} == {
        ("jax-1+libtpu-1", "jax-2+libtpu-1"), ("jax-1+libtpu-2", "jax-2+libtpu-2"),
        ("jax-1+libtpu-1", "jax-1+libtpu-2"), ("jax-1+libtpu-2", "jax-1+libtpu-10"),
        ("jax-2+libtpu-1", "jax-2+libtpu-2"),
    }  # fmt: skip
    assert series.chart is not None
    assert not series.chart.joined, "a line would say that neighbours on the axis follow each other"


def test_a_cost_that_was_nothing_is_drawn_and_the_caption_says_so(tmp_path: Path) -> None:
    for version, scratch in (("1", 0), ("2", 1408), ("3", 704)):
        released(tmp_path, version, HLO, scratch_bytes=scratch)
    study = study_of(tmp_path)
    (series,) = build(study) or []
    assert series.chart is not None
    assert series.chart.joined
    assert (series.chart.from_nothing, "scratch" in series.chart.figures) == (("scratch",), True)
    values = json.loads("".join(study.plots.specs))["layer"][0]["data"]["values"]
    assert [one["times"] for one in values if one["figure"] == "scratch"] == [0, 1, 0.5]
    page = drawn(study_of(tmp_path))
    assert "but scratch, which was 0 with it" in section(page)


def test_what_is_of_no_release_has_no_section_and_one_of_another_hand_ends_no_page(tmp_path: Path) -> None:
    released(tmp_path, "0.0.9", HLO)
    assert 'id="releases"' not in page_of(record())
    made = record("jax_xla")
    odd = read_record(store(tmp_path, replace(made, cell=replace(made.cell, toolchain="of another hand")), hlo=PLANTED))
    assert odd.cell.toolchain is not None
    write([tmp_path], tmp_path / "page.html", "x")
    assert "none is held against another" in section((tmp_path / "page.html").read_text())
    assert len(Store(tmp_path).records()[0]) == 2
