"""The sentence that `oneblock report` prints names all that it wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.bench.commands.report import write
from oneblock.bench.report.explorer import explorer as _explorer
from tests.bench.report.test_report_explorer import FX, kept


def test_the_folder_beside_the_page_is_named_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(tmp_path, ("fx", FX))
    plain = write([tmp_path], tmp_path / "page.html", "A page")
    assert "page-stages" not in plain.sentence
    assert "beside" not in plain.counts
    monkeypatch.setattr(_explorer, "LONGEST", 200)
    found = write([tmp_path], tmp_path / "page.html", "A page")
    assert found.sentence.endswith(f"too long for it are in {tmp_path / 'page-stages'}/, 0.0 MiB")
    assert found.counts["beside_bytes"] == len(FX.encode())
