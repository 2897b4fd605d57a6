"""What the page's tables and captions say of what it lacks: texts without room, steps without bytes, old files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.records.store import Store
from oneblock.bench.report.explorer import explorer as _explorer
from oneblock.bench.report.explorer.cells import StageText
from oneblock.bench.report.explorer.explorer import explore
from oneblock.bench.report.explorer.files import write_beside
from oneblock.bench.report.explorer.shares import Share, shares
from oneblock.bench.report.study import Study
from oneblock.compilers.api.facts import StepFacts
from oneblock.compilers.dialects import Lines
from tests.bench.report.test_report import drawn, page_of
from tests.bench.report.test_report_compiled import FACTS, compiled, section
from tests.bench.report.test_report_explorer import FX, kept


def table(found: Any, *records: Any) -> str:
    """The words of the table of shares."""
    return " ".join(section(drawn(Study("A page", records, explorer=found)), "explorer").split())


def test_the_share_of_a_text_without_room_is_still_told(tmp_path: Path) -> None:
    entry = kept(tmp_path, ("fx", FX))
    whole, none = explore([entry]), explore([entry], budget=10)
    (stage,) = none.cells[0].stages
    assert "no room" in stage.absent
    for name in ("share", "operations", "counts", "lines"):
        assert getattr(stage, name) == getattr(whole.cells[0].stages[0], name) is not None
    assert "100 %" in table(none, entry)


def test_a_text_that_was_never_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = kept(tmp_path, ("fx", FX), ("nobody-reads-it", "x"), ("nor-this", "y"))
    monkeypatch.setattr(_explorer, "MOST_READ", 1)
    words = table(explore([entry]), entry)
    assert "fx not read: no room" in words.replace("<small>", "").replace("</small>", "")
    assert words.count("other files –") == 1, "of hundreds that a compiler leaves, one line"
    monkeypatch.undo()
    Store(tmp_path).artifact_path(entry[1].artifacts[0].sha256).unlink()
    assert "not read: its file is gone" in table(explore([entry]), entry)


def test_texts_of_a_family_that_were_not_read_are_counted_beside_the_share() -> None:
    known: dict[str, Any] = {"n": 0, "stage": "kernel", "family": "ttir", "bytes": 9, "sha": "", "lexer": 0, "words": 0}
    one = StageText(dialect="ttir:a", share=0.5, operations=4, **known)
    found = shares([one, StageText(dialect="ttir:b", unread="no room", **known)])
    assert found == {"kernel": [Share("ttir", 0.5, 4, "operation", {"no room": 1})]}


def test_a_share_by_kernel_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, lines = kept(tmp_path, ("fx", FX)), len(FX.splitlines())
    assert "(by kernel)" not in table(explore([entry]), entry)
    monkeypatch.setattr(_explorer, "read", lambda *_: Lines((("mlp",),) * lines, (True,) * lines, "kernel"))
    found = explore([entry])
    assert found.cells[0].stages[0].by == "kernel"
    assert "100 % (by kernel)" in table(found, entry)


def test_a_step_without_bytes_is_named_under_the_roofline() -> None:
    assert "Not drawn" not in section(page_of(compiled()), "roofline")
    steps = (*FACTS.steps, StepFacts("attention", 2, 5e6, 0.0, None), StepFacts("rope", 2, 0.0, 9.0, None))
    text = section(page_of(replace(compiled(), facts=replace(FACTS, steps=steps))), "roofline")
    assert "Not drawn, no HBM bytes: attention of xla_tpu plain." in text
    assert "Not drawn, no FLOPs: rope of xla_tpu plain." in text


def test_files_of_an_earlier_page_go_and_others_stay(tmp_path: Path) -> None:
    folder = tmp_path / "page-stages"
    old, new = f"hlo-{'a' * 12}.txt", f"fx-{'b' * 12}.txt"
    assert write_beside({old: "old"}, folder) == 3
    (folder / "notes.txt").write_text("mine")
    (folder / f"x-{'A' * 12}.txt").write_text("mine")
    assert write_beside({new: "né"}, folder) == 3
    assert {one.name for one in folder.iterdir()} == {new, "notes.txt", f"x-{'A' * 12}.txt"}
    write_beside({}, folder)
    assert {one.name for one in folder.iterdir()} == {"notes.txt", f"x-{'A' * 12}.txt"}
    write_beside({old: "old"}, tmp_path / "other")
    write_beside({}, tmp_path / "other")
    assert not (tmp_path / "other").exists()
