"""Records move between machines as a bundle: each once, with its texts and their hashes, and nothing that is none."""

from __future__ import annotations

import gzip
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.bundle import take, unpack
from oneblock.bench.records.hashes import SUMS
from oneblock.bench.records.order import newest
from oneblock.bench.records.pack import pack
from oneblock.bench.records.store import Store
from oneblock.compilers import Artifact, Stage
from tests.bench.records.test_bundle import packed
from tests.bench.report.test_report import ENVIRONMENT, record
from tests.helpers.oneblock_process import oneblock_here

_PLAIN = tarfile.REGTYPE


def filled(folder: Path, *backends: str, text: str = "module @m {}\n", where: str = "A CPU") -> Store:
    """A folder with a record of each backend, made on a machine, of which each names one text."""
    store = Store(folder)
    for backend in backends:
        ref = store.add_artifact(Artifact(Stage.GRAPH, "jaxpr", text))
        environment = replace(ENVIRONMENT, machine=ENVIRONMENT.machine | {"cpu": where})
        store.add(replace(record(backend), artifacts=(ref,), environment=environment))
    return store


def told(store: Store) -> set[str]:
    """What the records of a folder say, whatever their numbers there."""
    found, problems = store.records()
    assert problems == []
    return {repr(replace(one, number=None)) for _, one in found}


def test_what_is_packed_is_taken_once_beside_what_is_there(tmp_path: Path) -> None:
    there, here = filled(tmp_path / "there", "a", "b", where="Another"), filled(tmp_path / "here", "a")
    made = pack(there.directory, tmp_path / "there.tar.gz")
    assert (made.records, made.texts, made.left_out) == (2, 1, ())
    taken = take(made.path, here.directory)
    assert (taken.records, taken.here_already, taken.texts, taken.left_out) == (2, 0, 0, [])
    assert told(here) >= told(there)
    again = take(made.path, here.directory)
    assert (again.records, again.here_already) == (0, 2)
    machines = {one.environment.machine["cpu"] for _, one in newest(here.records()[0])}
    assert machines == {"A CPU", "Another"}, "the report joins them"
    numbers = [one.number for _, one in here.records()[0]]
    assert len(set(numbers)) == 3, "in the order in which they came, whatever clocks say"


def test_the_same_records_are_the_same_file(tmp_path: Path) -> None:
    store = filled(tmp_path / "r", "a", "b")
    once, twice = (pack(store.directory, tmp_path / f"{n}.tar.gz") for n in "12")
    assert once.path.read_bytes() == twice.path.read_bytes()
    assert once.sha256 == twice.sha256


def test_a_text_that_is_missing_comes_with_a_record_that_is_here(tmp_path: Path) -> None:
    there = filled(tmp_path / "there", "a")
    made = pack(there.directory, tmp_path / "b.tar.gz")
    (text,) = (there.directory / "artifacts").iterdir()
    text.unlink()
    assert take(made.path, there.directory).texts == 1
    assert text.is_file()


def test_what_is_no_record_and_what_is_no_text_of_its_hash_is_left_out_by_name(tmp_path: Path) -> None:
    there = filled(tmp_path / "there", "a", "b", text="right")
    (text,) = (there.directory / "artifacts").iterdir()
    text.write_text("wrong")
    (there.directory / "evil.json").write_text('{"schema": 9}')
    made = pack(there.directory, tmp_path / "b.tar.gz")
    assert made.records == 2
    assert len(made.left_out) == 2
    assert any("evil.json" in why for why in made.left_out)
    members = [(f"r/{p.relative_to(there.directory)}", _PLAIN, "", p.read_bytes())
               for p in there.directory.rglob("*") if p.is_file()]  # fmt: skip
    (tmp_path / "by-hand").mkdir()
    taken = take(packed(tmp_path / "by-hand", *members), tmp_path / "here")
    assert taken.records == 2
    assert taken.texts == 0
    assert not list((tmp_path / "here").glob("artifacts/*"))
    assert any("evil.json" in why for why in taken.left_out)
    assert any("expected the text of the hash" in why for why in taken.left_out)


@pytest.mark.parametrize("change", ["another", "more", "fewer", "no line"])
def test_a_bundle_whose_files_are_not_those_of_its_hashes_is_refused_as_a_whole(tmp_path: Path, change: str) -> None:
    made = pack(filled(tmp_path / "there", "a").directory, tmp_path / "b.tar.gz")
    with tarfile.open(made.path) as archive:
        files = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]
    name = next(name for name in files if name.endswith(".json"))
    changed = json.dumps(json.loads(files[name]) | {"tier": "publish"}).encode()
    files |= {
        "another": {name: changed}, "more": {"records/x.json": changed}, "fewer": {},
        "no line": {f"records/{SUMS}": b"see above\n"},
    }[change]  # fmt: skip
    if change == "fewer":
        del files[name]
    (tmp_path / "by-hand").mkdir()
    bundle = packed(tmp_path / "by-hand", *((n, _PLAIN, "", raw) for n, raw in files.items()))
    with pytest.raises(Refused, match="SHA256SUMS" if change != "another" else "expected of .* the SHA-256"):
        take(bundle, tmp_path / "here")
    with pytest.raises(Refused, match="SHA"):
        unpack(bundle)
    assert not (tmp_path / "here").exists()


def test_a_hostile_archive_leaves_nothing_in_the_folder_or_beside_it(tmp_path: Path) -> None:
    here = filled(tmp_path / "here", "a")
    before = sorted(p for p in tmp_path.rglob("*"))
    (tmp_path / "by-hand").mkdir()
    bundle = packed(tmp_path / "by-hand", ("r/a.json", _PLAIN, "", b"{}"), ("r/../../x", _PLAIN, "", b"x"))
    with pytest.raises(Refused, match="outside"):
        take(bundle, here.directory)
    assert sorted(p for p in tmp_path.rglob("*") if "by-hand" not in p.parts) == before


def test_the_command_says_what_it_did_and_ends_with_what_was_left_out(tmp_path: Path) -> None:
    filled(tmp_path / "records", "a")
    done = oneblock_here("bundle", "pack", "b.tar.gz", cwd=tmp_path)
    assert (done.returncode, "1 records, 1 texts" in done.stdout) == (0, True)
    assert gzip.decompress((tmp_path / "b.tar.gz").read_bytes())
    done = oneblock_here("bundle", "unpack", "b.tar.gz", "-o", "other", cwd=tmp_path)
    assert (done.returncode, "1 records" in done.stdout) == (0, True)
    done = oneblock_here("bundle", "pack", "b.tar", cwd=tmp_path)
    assert done.returncode == 2
    assert "ends in .tar.gz" in done.stderr
    done = oneblock_here("bundle", "pack", "c.tar.gz", "-o", "nowhere", cwd=tmp_path)
    assert (done.returncode, "no such directory" in done.stderr) == (2, True)
    (tmp_path / "other" / "torn.json").write_text('{"schema"')
    assert oneblock_here("bundle", "pack", "d.tar.gz", "-o", "other", cwd=tmp_path).returncode == 1
