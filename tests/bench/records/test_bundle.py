"""A bundle may be anybody's: nothing of it stands outside its folder, and nothing at all of one that is refused."""

from __future__ import annotations

import gzip
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oneblock.bench.format.errors import Refused
from oneblock.bench.records import tar
from oneblock.bench.records.bundle import unpack

_PLAIN = tarfile.REGTYPE


def packed(folder: Path, *members: tuple[str, bytes, str, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    """A bundle of members: (name, type, where a link leads, data)."""
    path = folder / "b.tar.gz"
    with tarfile.open(path, "w:gz", format=form) as archive:
        for name, kind, leads, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.size, info.mtime = kind, leads, len(data), 1.5
            archive.addfile(info, io.BytesIO(data))
    return path


def refused(bundle: Path, says: str) -> None:
    """It is, in a sentence that names it; and of it nothing stays, beside it or above."""
    above = bundle.parent.parent
    (above / "flag").write_text("precious")
    before = sorted(path for path in above.rglob("*"))
    with pytest.raises(Refused, match=says) as told:
        unpack(bundle)
    assert str(bundle).removesuffix(".tar.gz") in str(told.value)
    assert sorted(path for path in above.rglob("*")) == before
    assert (above / "flag").read_text() == "precious"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with something above it."""
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_plain_files_and_folders_of_every_form_are_unpacked(here: Path, form: int) -> None:
    long = f"./r/{'a' * 90}/{'b' * 95}.json"
    top = [(name, tarfile.DIRTYPE, "", b"") for name in ("./", "./r")]
    folder = unpack(packed(here, *top, (long, _PLAIN, "", b"{}" * 999), ("r/ü.json", _PLAIN, "", b""), form=form))
    assert folder == here / "b"
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()} == {
        long.removeprefix("./r/"): b"{}" * 999,
        "ü.json": b"",
    }
    assert not list(here.glob(".unpacking-*"))
    refused(here / "b.tar.gz", "is there already")


@pytest.mark.parametrize(
    ("member", "says"),
    [
        (("../flag", _PLAIN, "", b"x"), "outside"),
        (("r/../../flag", _PLAIN, "", b"x"), "outside"),
        (("/tmp/flag", _PLAIN, "", b"x"), "absolute"),
        (("//tmp/flag", _PLAIN, "", b"x"), "absolute"),
        (("r\\..\\..\\flag", _PLAIN, "", b"x"), "character"),
        (("r/a", tarfile.SYMTYPE, "a.json", b""), "link"),
        (("r", tarfile.SYMTYPE, "..", b""), "link"),
        (("r/a", tarfile.LNKTYPE, "r/a.json", b""), "link"),
        (("r/a", tarfile.FIFOTYPE, "", b""), "special file"),
        (("r/a", tarfile.CHRTYPE, "", b""), "special file"),
        (("r/a", tarfile.BLKTYPE, "", b""), "special file"),
        (("r/a", tarfile.CONTTYPE, "", b""), "special file"),
        (("r/a", tarfile.GNUTYPE_SPARSE, "", b""), "special file"),
        (("r/a.json", _PLAIN, "", b"twice"), "twice"),
        (("r/./a.json", _PLAIN, "", b"twice"), "twice"),
        (("r/a.json/b", _PLAIN, "", b"x"), "Not a directory|File exists"),
        (("r", _PLAIN, "", b"x"), "twice|directory"),
        (("r/" + "x" * 300, _PLAIN, "", b"x"), "too long"),
        (("r/" + "x/" * 40 + "x", _PLAIN, "", b"x"), "too long"),
        (("r/" + "x" * 99_000, _PLAIN, "", b"x"), "a header has"),
        (("s/a.json", _PLAIN, "", b"x"), r"expected one folder of records in it, got \['r', 's'\]"),
    ],
)  # fmt: skip
def test_what_is_no_plain_file_with_a_name_of_its_own_is_refused(
    here: Path, member: tuple[str, bytes, str, bytes], says: str
) -> None:
    good = ("r/a.json", _PLAIN, "", b"{}")
    refused(packed(here, good, member), says)


def test_a_chain_of_links_that_outgrows_a_path_is_refused(here: Path) -> None:
    """CVE-2025-4517, to which Python's own filter answers by the interpreter's version."""
    part, path, members = "d" * 247, "r", [("r", tarfile.DIRTYPE, "", b"")]
    for step in "abcdefghijklmnop":
        members += [(f"{path}/{part}", tarfile.DIRTYPE, "", b""), (f"{path}/{step}", tarfile.SYMTYPE, part, b"")]
        path = f"{path}/{part}"
    members += [("r/escape", tarfile.SYMTYPE, "a/b/c/../../..", b""), ("r/escape/flag", _PLAIN, "", b"OVERWRITTEN")]
    refused(packed(here, *members), "is a link")


@pytest.mark.parametrize("member", [10 * 2**20, 2**19])
def test_a_bomb_is_refused_by_the_bound_that_the_sentence_names(
    here: Path, monkeypatch: pytest.MonkeyPatch, member: int
) -> None:
    monkeypatch.setattr(tar, "MOST_BYTES", 2**20)
    refused(packed(here, *((f"r/{i}.json", _PLAIN, "", bytes(member)) for i in range(4))), "more than 1 MiB")


def test_zeros_after_the_end_are_bounded_as_well(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MOST_BYTES", 2**20)
    path = packed(here, ("r/a.json", _PLAIN, "", b"{}"))
    path.write_bytes(path.read_bytes() + gzip.compress(bytes(2**22)))
    refused(path, "more than 1 MiB")


def test_members_are_counted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MOST_MEMBERS", 10)
    refused(packed(here, *((f"r/{i}", tarfile.DIRTYPE, "", b"") for i in range(11))), "more than 10 members")


def test_streams_one_behind_the_other_are_one_and_are_counted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MOST_MEMBERS", 10)
    path = packed(here, ("r/a.json", _PLAIN, "", b"{}" * 99))
    raw, empty = path.read_bytes(), gzip.compress(b"")
    for bad, says in ((empty * 11, "more than 10 compressed"), (raw[:-1], "cut off"), (raw + b"x" * 9, "damaged")):
        path.write_bytes(bad)
        refused(path, says)
    inner = gzip.decompress(raw)
    path.write_bytes(empty * 3 + gzip.compress(inner[:700]) + gzip.compress(inner[700:]) + bytes(99_999))
    assert (unpack(path) / "a.json").read_bytes() == b"{}" * 99


def test_folders_that_only_long_names_bring_are_counted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MOST_MEMBERS", 30)
    deep = [(f"r/{i}/" + "d/" * 8 + "a.json", _PLAIN, "", b"") for i in range(4)]
    refused(packed(here, *deep), "more than 30 folders")
    assert len(list(unpack(packed(here, *deep[:3])).rglob("a.json"))) == 3


def test_a_file_without_a_name_is_refused(here: Path) -> None:
    refused(packed(here, ("r/a.json", _PLAIN, "", b"{}"), ("./", _PLAIN, "", b"x")), "twice")


def test_a_header_that_lies_of_its_size_is_refused(here: Path) -> None:
    path = packed(here, ("r/a.json", _PLAIN, "", b"{}"), form=tarfile.GNU_FORMAT)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    for size, says in ((b"77777777777\0", "more than"), (b"\xff" * 12, "bytes")):
        raw[124:136] = size
        raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 0x20 + sum(raw[156:512]))
        path.write_bytes(gzip.compress(bytes(raw)))
        refused(path, says)


@pytest.mark.parametrize("pax", [b"11 size=99\n", b"99999999 path=r\n", b"x", b"0 =\n", b"27 GNU.sparse.realsize=99\n"])
def test_an_extended_header_that_is_damaged_or_changes_a_size_is_refused(here: Path, pax: bytes) -> None:
    refused(packed(here, ("r/x", tarfile.XHDTYPE, "", pax), ("r/a", _PLAIN, "", b"{}"), form=tarfile.USTAR_FORMAT),
            "extended header")  # fmt: skip


def test_an_extended_header_may_give_a_name_that_climbs_and_is_refused(here: Path) -> None:
    pax = b"16 path=../flag\n"
    refused(packed(here, ("r/x", tarfile.XHDTYPE, "", pax), ("r/a", _PLAIN, "", b"{}"), form=tarfile.USTAR_FORMAT),
            "outside")  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_stream_that_is_cut_or_changed_is_a_sentence_or_whole(tmp_path: Path, data: st.DataObject) -> None:
    raw = bytearray(packed(tmp_path, ("r/a.json", _PLAIN, "", bytes(range(256)) * 8 + bytes(9000))).read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw = raw[:at]
    else:
        raw[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(raw)
    taken = 0
    try:
        for member in tar.members(path):
            taken += sum(map(len, member.data))
    except tar.BadArchive:
        return
    assert taken in (0, 11_048)  # a changed time or comment in the header of gzip harms nothing


def test_a_kill_amid_the_unpacking_leaves_nothing(here: Path) -> None:
    rows = [(f"r/{i}.json", _PLAIN, "", os.urandom(10_000)) for i in range(2000)]
    bundle = packed(here, *rows)
    code = "import sys, pathlib; from oneblock.bench.records.bundle import unpack; unpack(pathlib.Path(sys.argv[1]))"
    process = subprocess.Popen([sys.executable, "-c", code, str(bundle)])
    end = time.monotonic() + 60
    while not (found := list(here.glob(".unpacking-*/r/1.json"))) and time.monotonic() < end:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert found
    while [path.name for path in here.iterdir()] != ["b.tar.gz"] and time.monotonic() < end:
        time.sleep(0.02)
    assert [path.name for path in here.iterdir()] == ["b.tar.gz"]
