"""The page's script that is kept in the cache folder: read where it is whole and a plain file, made anew elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import vl_convert

from oneblock.bench.report import page_assets


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where it is kept; what is joined is short here."""
    monkeypatch.setattr(page_assets, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: "vega();")
    page_assets.vega.__wrapped__()
    (path,) = tmp_path.iterdir()
    return path


def a_link_to_zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def another_text(path: Path) -> None:
    path.write_text("0" * 64 + "evil();")


@pytest.mark.parametrize("lay", [os.mkfifo, a_link_to_zeros, another_text])
def test_what_is_not_what_was_kept_is_made_anew(kept: Path, lay: Callable[[Path], None]) -> None:
    kept.unlink()
    lay(kept)
    assert page_assets.vega.__wrapped__() == "vega();"


def test_what_was_kept_is_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda _: pytest.fail("joined again"))
    assert page_assets.vega.__wrapped__() == "vega();"
