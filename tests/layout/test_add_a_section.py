"""A section of the report is one folder: added to a copy of the tree it is on the page; a half-defined one is named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from oneblock.bench.report import sections
from oneblock.bench.report.page_assets import policy_hash
from oneblock.bench.report.section import FRAME_IDS, RESERVED, Section, Table
from tests.helpers.page_fixture import FIXTURE
from tests.helpers.tree_copy import command, copied
from tests.layout.test_layout import imported

WHOLE = '''"""Records by their status."""

from __future__ import annotations

from oneblock.bench.report.section import Section, Table
from oneblock.bench.report.study import Study


def build(study: Study) -> dict[str, int] | None:
    """How many of the newest ended how."""
    return dict(study.statuses) or None


def rows(study: Study) -> list[dict[str, str | int]]:
    """The same for other programs."""
    return [{"status": status, "cells": count} for status, count in study.statuses.items()]


ROWS = Table("endings", ("status", "cells"), rows)
SECTION = Section("How cells <ended>", "endings", 15, build, table=ROWS)
'''
TEMPLATE = "<ul>{% for status, count in data.items() %}<li>{{ count }} ended as {{ status }}</li>{% endfor %}</ul>\n"
IMPORTS = "from oneblock.bench.report.section import Section, Table\nSECTION = "
HALF_DEFINED = {  # folder: (section.py, section.html, what the refusal must say); None has no such file
    "untitled": (f'{IMPORTS}Section(" ", "untitled", 1, list)', "x", "needs a title"),
    "twice": (f'{IMPORTS}Section("Again", "matrix", 99, list)', "x", "anchor 'matrix' is that of section matrix"),
    "framed": (f'{IMPORTS}Section("Filters", "filters", 1, list)', "x", "none of ['filters', 'page', 'plots']"),
    "raising": (f'{IMPORTS}Section("Raising", "raising", 1, lambda study: 1 / 0)', "x", "ZeroDivisionError"),
    "unreadable": ("SECTION = (", "x", "SyntaxError"),
    "undeclared": ("X = 1", "x", "declares no SECTION"),
    "undrawn": (f'{IMPORTS}Section("Undrawn", "undrawn", 1, list)', None, "has no section.html"),
    "misnamed": (f'{IMPORTS}Section("Misnamed", "misnamed", 1, id)', "{{ dta }}", "'dta' is undefined"),
    "codeless": (None, "x", "ModuleNotFoundError"),
    "again": (f'{IMPORTS}Section("Again", "again", 99, id, table=Table("cells", ("a",), list))', "x", "table 'cells'"),
    "ragged": (
        f'{IMPORTS}Section("Ragged", "ragged", 1, lambda study: None,'
        ' table=Table("ragged", ("a",), lambda study: [{"b": 1}]))',
        "x",
        "ValueError",
    ),
}


def add(tree: Path, name: str, code: str | None, template: str | None) -> None:
    folder = tree / "oneblock/bench/report/sections" / name
    folder.mkdir()
    for file, text in (("section.py", code), ("section.html", template)):
        if text is not None:
            (folder / file).write_text(text)


def report(tree: Path) -> tuple[str, Path, str]:
    """The page, the folder of its exports and what was said, by the command of the copy."""
    done = command(tree, "report", str(FIXTURE), "--to", str(tree / "page.html"), "--export", str(tree / "out"))
    assert done.returncode == 0, done.stderr
    return (tree / "page.html").read_text(), tree / "out", done.stderr


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the installed folders, to which a test adds."""
    return copied(tmp_path)


def contents(page: str) -> list[str]:
    """The anchors that the table of contents names, in its order."""
    nav = page[page.index("<nav") : page.index("</nav>")]
    return re.findall(r'href="#([^"]+)"', nav)


def test_one_folder_adds_a_section_its_link_and_its_table(tree: Path) -> None:
    before, _, _ = report(tree)
    add(tree, "endings", WHOLE, TEMPLATE)
    folder = tree / "oneblock/bench/report/sections/endings"
    (folder / "section.js").write_text('document.body.dataset.endings = "drawn";\n')
    (folder / "section.css").write_text("#endings { color: var(--odd); }\n")
    page, out, said = report(tree)
    assert "left out" not in said
    assert '<h2 id="endings">How cells &lt;ended&gt;</h2>' in page
    expected = contents(before)
    expected.insert(expected.index("matrix"), "endings")
    assert contents(page) == expected, "in its order, and no other link moves"
    assert "#endings { color: var(--odd); }" in page[: page.index("</style>")]
    (script,) = (one for one in re.findall(r"<script>(.*?)</script>", page, re.DOTALL) if "dataset.endings" in one)
    assert policy_hash(script) in page[: page.index("<style>")], "the policy lets its script run"
    rows = json.loads((out / "report.json").read_text())["endings"]
    assert sum(row["cells"] for row in rows) == len(list(FIXTURE.glob("*.json")))
    for row in rows:
        assert f"<li>{row['cells']} ended as {row['status']}</li>" in page
    assert (out / "endings.csv").read_text().splitlines() == [
        "status,cells", *(f"{row['status']},{row['cells']}" for row in rows),
    ]  # fmt: skip


def test_a_half_defined_section_is_named_and_the_rest_is_written(tree: Path) -> None:
    before, out, _ = report(tree)
    tables = {path.name for path in out.glob("*.csv")}
    for name, (code, template, _) in HALF_DEFINED.items():
        add(tree, name, code, template)
    page, out, said = report(tree)
    for name, (_, _, why) in HALF_DEFINED.items():
        told = next((line for line in said.splitlines() if f"section {name} is left out" in line), "")
        assert why in told, f"{name}: {told or said}"
        if name != "ragged":  # which fails only as a table
            assert f"section {name} is left out" in page
    assert contents(page) == contents(before)
    assert page.count("<section ") == before.count("<section ")
    assert {path.name for path in out.glob("*.csv")} == tables
    left_out = json.loads((out / "report.json").read_text())["left_out"]
    assert any("section ragged is left out" in one["why"] for one in left_out)


def test_every_section_of_ours_is_whole() -> None:
    found, problems = sections.load_all()
    assert problems == []
    assert sorted(found) == sections.names()


@pytest.mark.parametrize("anchor", ["", "Two words", "9", *sorted(FRAME_IDS)])
def test_an_anchor_that_is_no_id_or_the_frame_s_is_refused(anchor: str) -> None:
    with pytest.raises(ValueError, match="an anchor is"):
        Section("A title", anchor, 1, list)


@pytest.mark.parametrize("name", ["../cells", "a.b", *sorted(RESERVED)])
def test_a_table_by_the_name_of_another_part_of_the_export_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a table's name is"):
        Table(name, ("a",), list)


def test_a_table_without_columns_or_with_one_twice_is_refused() -> None:
    for columns in ((), ("a", "a")):
        with pytest.raises(ValueError, match="needs columns of different names"):
            Table("rows", columns, list)


def test_sections_reach_only_what_lies_below_the_report() -> None:
    """As import-linter holds of every other folder; these have no __init__.py, which would have to be listed."""
    below = ("report", "terminal", "judge", "records", "cells", "format")
    of_compilers = (
        "oneblock.compilers.api.",
        "oneblock.compilers.dialects.",
        "oneblock.compilers.chips.",
        "oneblock.compilers.Stage",
    )
    for path in sorted(sections.HERE.glob("*/*.py")):
        own = f"oneblock.bench.report.sections.{path.parent.name}."
        for name in imported(path):
            if name.startswith("oneblock.bench.report.sections"):
                assert f"{name}.".startswith(own), f"{path.parent.name} imports {name} of another section"
            elif name.startswith("oneblock.bench."):
                assert name.split(".")[2] in below, f"{path.parent.name} imports {name}"
            elif name.startswith("oneblock.compilers"):
                assert f"{name}.".startswith(of_compilers) or name == "oneblock.compilers", (
                    f"{path.parent.name} imports {name}"
                )
