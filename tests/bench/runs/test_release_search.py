"""The search for who moved a figure, in releases that are done."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.bench.cells.toolchain import told
from oneblock.bench.format.errors import Refused
from oneblock.bench.runs.release_search import search
from oneblock.bench.runs.releases import ReleaseRuns
from oneblock.bench.toolchains.release import Release
from tests.bench.report.test_report import record

WAY = [{"toychain": version} for version in ("1.0", "1.1")]


def done(folder: Path, *ends: Release) -> ReleaseRuns:
    return ReleaseRuns((), folder, {}, done={told(one.versions) or "": one for one in ends})


def test_a_figure_that_no_end_tells_is_refused_and_those_that_they_tell_are_listed(tmp_path: Path) -> None:
    counted = [Release(at, counts={"a case": {"scratch": n, "fusions": 3}}) for n, at in enumerate(WAY)]
    with pytest.raises(Refused, match=r"--of nosuch: expected a figure that the ends tell: fusions, scratch$"):
        search(done(tmp_path, *counted), [WAY], "nosuch", halves=True)
    assert search(done(tmp_path, *counted), [WAY], "fusions", halves=True) is None, "it did not move"
    compiled = [Release(at, (record(),)) for at in WAY]
    with pytest.raises(Refused, match=r"--of nosuch: expected a figure that the ends tell: error budget, relative L2$"):
        search(done(tmp_path, *compiled), [WAY], "nosuch", halves=True)
