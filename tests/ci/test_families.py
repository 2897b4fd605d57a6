"""The table of families and backends: it names all that there are, and says of none that it is what it is not."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ci.families import MOST_UNSUPPORTED, PAGE, WAYS, block_of, page, rows, small
from oneblock.backends.api.target import Target
from oneblock.bench.records.record import Record, Status
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import FAMILIES
from tests.bench.report.test_report import record
from tests.helpers.cases import TINY, TINY_MIXTRAL

ENDS = {"passed", "interpreted", "compiled", "unsupported", "unavailable", "not"}  # not run


def cells() -> dict[str, list[str]]:
    """The cells of each row of the page, by its family."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    header, _, *body = [[word.strip() for word in line.strip("|").split("|")] for line in lines]
    assert header == ["family", *(way.title for way in WAYS)]
    return {family.strip("`"): words for family, *words in body}


def test_the_page_names_all_families_and_all_backends() -> None:
    assert list(cells()) == sorted(FAMILIES), "python ci/families.py NAME writes a family's row"
    assert all(len(words) == len(WAYS) for words in cells().values())


def test_what_runs_here_passed_and_few_are_unsupported() -> None:
    said = [word for words in cells().values() for word in words]
    ends = [
        end for word in said for end in re.findall(r"^(?!prefill|decode)\w+|(?<=prefill )\w+|(?<=decode )\w+", word)
    ]
    assert set(ends) <= ENDS
    assert ends.count("unsupported") <= MOST_UNSUPPORTED * len(ends)
    assert ends.count("not") <= MOST_UNSUPPORTED * len(ends), "python ci/families.py runs what is new"
    run_here = {word for words in cells().values() for word in words[:5]}
    assert run_here <= {"passed", "not run", "prefill passed; decode not run", "prefill not run; decode passed"}


def test_every_family_has_a_small_model() -> None:
    assert all(small(family)[1] for family in FAMILIES)
    assert block_of([TINY, TINY_MIXTRAL]) == TINY_MIXTRAL, "where there are experts, it is they that are tried"
    assert block_of([TINY, TINY]) == TINY


def ended(of: int, phase: Phase, **others: Any) -> Record:
    way, made = WAYS[of], record()
    case = replace(made.cell.case, phase=phase, T=1 if phase is Phase.DECODE else 16, S=16)
    cell = replace(made.cell, case=case, backend=way.backend, ops_set=way.ops_set, target=Target.parse(way.target))
    return replace(made, cell=cell, **others)


def test_a_row_says_what_ended_otherwise_and_why() -> None:
    found = [ended(of, phase) for of in range(len(WAYS)) for phase in Phase]
    found[1] = ended(0, Phase.DECODE, status=Status.UNSUPPORTED, reason="has no a|b\nat all")
    found[2] = ended(1, Phase.PREFILL, status=Status.DISTURBED)
    (row,) = rows(found).values()
    first, second, *_ = row.removeprefix("| `llama` | ").split(" | ")
    assert first == "prefill passed; decode unsupported: has no a\\|b"
    assert second == "passed", "a disturbed time says nothing against an answer"
    found[3] = ended(1, Phase.DECODE, status=Status.FAILED, reason="y: wrong")
    assert "prefill passed; decode failed: y: wrong" in rows(found)["llama"]


def test_rows_are_written_anew_one_by_one() -> None:
    old = "| family |\n| --- |\n| `llama` | old |\n| `gone` | old |\n| `qwen2` | old |\n"
    new = {"qwen2": "| `qwen2` | new |\n", "gemma": "| `gemma` | new |\n"}
    written = page(f"Before\n<!-- table -->\n{old}<!-- end -->\nAfter\n", new).splitlines()
    rows_of = {line.split("`")[1]: line for line in written[4:-2]}
    assert list(rows_of) == sorted(FAMILIES)
    told = [rows_of[family] for family in ("gemma", "llama", "qwen2")]
    assert told == ["| `gemma` | new |", "| `llama` | old |", "| `qwen2` | new |"]
    assert set(rows_of["gpt2"].split(" | ")[1:-1]) == {"not run"}, "who was never run is no gap that nobody sees"
    assert written[:2] == ["Before", "<!-- table -->"]
