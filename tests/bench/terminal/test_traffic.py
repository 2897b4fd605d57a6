"""`show --bytes`: the list of HBM traffic by array, and its sums of a call in the steady state and of the first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.judge.figures import whole
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.bench.terminal.programs import details
from oneblock.compilers.api.facts import Facts
from tests.bench.report.test_report import page_of
from tests.bench.report.test_report_compiled import section
from tests.helpers.stage_records import run
from tests.helpers.traffic_records import SMALL, WEIGHT, listed

STEADY, FIRST = WEIGHT + 3 * SMALL, 2 * WEIGHT + 3 * SMALL


def kept(folder: Path, record: Record) -> Path:
    return Store(folder).add(record)


def test_the_list_has_each_array_and_both_sums(tmp_path: Path) -> None:
    code, said = run(SHOW, kept(tmp_path, listed()), "--bytes")
    words = " ".join(said.split())
    assert code == 0
    for told in (
        "gate_weight",
        "copy-start.1",
        "fusion.9",
        f"{STEADY:,}",
        f"{FIRST:,}",
        f"{2 * SMALL:,}",
        "first call",
    ):
        assert told in words
    assert "compulsory" in words


def test_what_is_shown_elsewhere_is_the_steady_sum(tmp_path: Path) -> None:
    record = listed()
    assert whole(record)["HBM traffic"].value == STEADY
    _, said = run(SHOW, kept(tmp_path, record))
    assert "in the steady state" in said
    assert "in the first call" in said


def test_it_is_there_for_other_programs(tmp_path: Path) -> None:
    code, said = run(SHOW, kept(tmp_path, listed()), "--bytes", "--json")
    told = json.loads(said)
    assert code == 0
    assert (told["steady_bytes"], told["first_call_bytes"], told["counted_in"]) == (STEADY, FIRST, "HLO")
    counted = sum(one["bytes"] * one["times"] for one in told["transfers"] if not one["first_call_only"])
    assert counted == STEADY


def test_a_record_without_a_list_is_refused_with_the_reason(tmp_path: Path) -> None:
    old = kept(tmp_path / "old", listed(traffic=None))
    untold = kept(tmp_path / "untold", listed(traffic=None, hbm_bytes=None, steps=(), caveats=("a library's product",)))
    nothing = kept(tmp_path / "nothing", replace(listed(), facts=None))
    for path, why in ((old, "before such lists"), (untold, "a library's product"), (nothing, "nothing of it was")):
        code, said = run(SHOW, path, "--bytes")
        assert (code, why in said) == (2, True)
    code, said = run(SHOW, kept(tmp_path, listed()), "--bytes", "--stats")
    assert (code, "leave out" in said) == (2, True)
    assert run(SHOW, "-o", tmp_path, "--bytes")[0] == 2


def test_a_tpus_traffic_of_an_older_record_is_not_subtracted_from_one_of_today() -> None:
    """It counted both copies of what is prefetched for the next call."""
    old, new = (whole(record)["HBM traffic"] for record in (listed(traffic=None), listed()))
    assert not old.alike(new)
    assert new.alike(whole(listed(hbm_bytes=1.0))["HBM traffic"])


def test_the_page_lists_it_with_both_sums() -> None:
    text = section(page_of(listed()))
    assert "HBM traffic by array, 4.06 MB in the steady state, 8.06 MB in the first call" in " ".join(text.split())
    assert f"{2 * SMALL:,}" in text
    assert "gate_weight" in text


def test_a_count_of_flops_that_is_not_ours_is_no_zero() -> None:
    told = replace(Facts(), compiler_flops=5e6)
    for facts, says in ((told, "5e+06 (not counted by us)"), (replace(told, flops=4e6), "5e+06 (ours: 4e+06)")):
        assert any(says in line for line in details(replace(listed(), facts=facts)))
