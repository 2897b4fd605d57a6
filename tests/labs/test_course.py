"""The course's modules: their pages are what index.toml generates, and what that names is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.labs import _course

INDEX = _course.index()
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", INDEX["module"])
def test_a_modules_page_is_what_its_data_generates(module: str) -> None:
    mend = "python -m oneblock.labs._course writes it anew"
    assert (_course.PAGES / f"{module}.md").read_text(encoding="utf-8") == _course.page(module, INDEX), mend


def test_there_are_eight_modules_and_four_projects_and_no_page_of_another() -> None:
    assert [*INDEX["module"]] == [f"MOD-{number}" for number in range(521, 529)]
    assert [*INDEX["project"]] == [f"PROJ-{number}" for number in range(521, 525)]
    assert {path.stem for path in _course.PAGES.glob("*.md")} == {*INDEX["module"]}


def test_every_lab_profile_project_and_page_that_is_named_is_there() -> None:
    assert {module for lab in INDEX["lab"].values() for module in lab["modules"]} <= {*INDEX["module"]}
    for about in (*INDEX["module"].values(), *INDEX["project"].values()):
        assert {*about["profiles"]} <= {*INDEX["profile"]}
        assert {*about.get("projects", ())} <= {*INDEX["project"]}
        assert all((ROOT / "docs" / page).exists() for page in about.get("pages", ()))
    taken = {project for about in INDEX["module"].values() for project in about["projects"]}
    assert taken == {*INDEX["project"]}, "each belongs to a module"
    labs = {path.name for path in (ROOT / "labs").glob("[0-9]*_*")}
    assert labs == {*INDEX["lab"]}


def test_the_last_module_is_validated_by_all_that_blocks_a_merge() -> None:
    blocking = {name for name, of in INDEX["profile"].items() if of["blocks"] == "merges"}
    assert {*INDEX["module"]["MOD-528"]["profiles"]} == blocking
    assert all("lab-integrity" in about["profiles"] for about in INDEX["module"].values())


def test_a_page_follows_its_data(tmp_path: Path) -> None:
    """A lab of a module, with what its hardware.md says; a page that was edited is written anew."""
    of = INDEX | {"lab": {"13_nki_ladder": INDEX["lab"]["13_nki_ladder"] | {"minutes": 5, "modules": ["MOD-525"]}}}
    page = _course.page("MOD-525", of)
    assert "| 5 | nothing |" in page
    assert "Together 5 minutes" in page
    assert "neuron-profile" in page
    assert "None yet." in _course.page("MOD-521", of)
    edited = tmp_path / "MOD-525.md"
    edited.write_text("# mine\n")
    assert edited in _course.write(tmp_path)
    assert edited.read_text() == _course.page("MOD-525", INDEX)
