"""What a run says that it wrote is there when it ends, or it says that it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from oneblock.bench.commands.run import COMMAND as RUN
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.compilers import Artifact, Stage
from tests.bench.report.test_report import record

WORDS = ["norm", "--preset", "tiny", "-T", "8", "--phase", "prefill", "--ops", "plain", "--backend", "reference"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_run_whose_folder_is_deleted_meanwhile_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    add = Store.add

    def add_and_lose(store: Store, made: Record) -> Path:
        path = add(store, made)
        shutil.rmtree(store.directory)
        return path

    monkeypatch.setattr(Store, "add", add_and_lose)
    words = [*WORDS, "-o", str(tmp_path / "rec"), *(["--json"] if as_json else [])]
    done = CliRunner().invoke(RUN, words)
    assert done.exit_code == 1, done.output
    assert "was written, and it or a text of its stages is gone" in done.stderr
    if as_json:
        assert [one["status"] for one in json.loads(done.stdout)] == ["passed"]
    else:
        assert "0 records of this run in " in done.stdout


@pytest.mark.parametrize("what", ["record", "text"])
@pytest.mark.parametrize("change", ["deleted", "cut"])
def test_a_store_knows_whether_it_holds_what_was_written(tmp_path: Path, what: str, change: str) -> None:
    store, made = Store(tmp_path), record()
    ref = store.add_artifact(Artifact(Stage.OPTIMIZED, "hlo", "HloModule x\n"))
    made = Record(**vars(made) | {"artifacts": (ref,)})
    path = store.add(made)
    assert store.holds(path, made)
    changed = path if what == "record" else store.artifact_path(ref.sha256)
    if change == "deleted":
        changed.unlink()
    else:
        changed.write_bytes(changed.read_bytes()[:-5])
    assert not store.holds(path, made)
