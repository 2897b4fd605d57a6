"""The user's folders: where the system says, and where there is no home one that holds nothing and takes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oneblock.compilers.api import folders
from oneblock.compilers.api.folders import cache_folder, data_folder

BOTH = pytest.mark.parametrize("folder", [cache_folder, data_folder])


@BOTH
def test_it_is_where_the_environment_says(
    folder: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert folder() == tmp_path / "oneblock"


@BOTH
def test_without_a_home_nothing_is_there_and_nothing_can_be_kept(
    folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: str) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(folders, "user_cache_path", homeless)
    monkeypatch.setattr(folders, "user_data_path", homeless)
    assert not folder().exists()
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        folder().mkdir(parents=True)
