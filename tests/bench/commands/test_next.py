"""`oneblock` alone: what there is here, and lines that go on from it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import click

from oneblock.bench.commands._app import cli
from oneblock.bench.records.record import Status
from tests.bench.report.test_report import record
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.stage_records import HLO, store
from tests.layout.test_layout import TOOLCHAINS


def told(folder: Path) -> tuple[str, list[str]]:
    """(all that is said, the lines that are offered), each of which its command takes."""
    done = oneblock_here(cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    offered = [line.strip().split("  ")[0] for line in done.stdout.partition("next:")[2].strip().splitlines()]
    for line in offered:
        _, name, *words = shlex.split(line)
        if name != "--help" and "..." not in words:
            command = cli.get_command(click.Context(cli), name)
            assert command is not None
            command.make_context(name, words)
    return done.stdout, offered


def test_without_records_it_says_how_to_make_some(tmp_path: Path) -> None:
    said, offered = told(tmp_path)
    assert "none in records/" in said
    assert "reference" in said.split("records ")[0], "which needs no toolchain"
    assert offered == ["oneblock doctor", "oneblock run block --preset tiny", "oneblock --help"]
    assert list(tmp_path.iterdir()) == []


def test_of_records_it_offers_what_has_not_been_done_with_them(tmp_path: Path) -> None:
    store(tmp_path / "records", record("jax_xla"), hlo=HLO)
    said, offered = told(tmp_path)
    assert "records   1 in records/\n" in said
    assert offered == ["oneblock report", "oneblock show", "oneblock --help"], (
        "nothing is doubtful, and nothing beside it"
    )
    (tmp_path / "records" / "report.html").write_text("later")
    assert "oneblock report" not in told(tmp_path)[1]
    store(tmp_path / "records", record("torch_eager"))
    lost = replace(record("lost"), status=Status.CRASHED, reason="it died", launches=())
    store(tmp_path / "records", lost)
    (tmp_path / "records" / ".partial" / "0123").mkdir(parents=True)
    (tmp_path / "records" / ".partial" / "0123" / "0.json").write_text("{}")
    said, offered = told(tmp_path)
    assert "3 in records/: 1 without a number or with a doubt" in said
    assert offered[0] == "oneblock run ..."
    assert {"oneblock report", "oneblock show --why"} <= set(offered)
    (diff,) = [line for line in offered if line.startswith("oneblock diff ")]
    assert "jax_xla" in diff
    assert "torch_eager" in diff, "and not the one that died, which has nothing to compare"
    assert oneblock_here(*shlex.split(diff)[1:], cwd=tmp_path).returncode in (0, 1, 2)


def test_no_toolchain_is_imported_for_it(tmp_path: Path) -> None:
    code = (
        "import sys; from oneblock.bench.commands._app import cli; cli.main([], standalone_mode=False);"
        "print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert set(done.stderr.split()).isdisjoint(TOOLCHAINS)
