"""A stranger's bundle writes nothing but its own records, reads no file, and is bounded."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Callable, Iterator

import pytest

from tests.faults.scene import Scene, hold

Member = tuple[tarfile.TarInfo, bytes | None]


def made(
    name: str, data: bytes | None = b"{}", kind: bytes = tarfile.REGTYPE, link: str = "", **more: object
) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, len(data or b"") if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def chained(depth: int) -> Iterator[Member]:
    """Links whose names together are longer than a path may be, so that realpath gives up: CVE-2025-4517."""
    inner, path = "d" * 247, ""
    for letter in "abcdefghijklmnop"[:depth]:
        yield made(f"r/{path}{inner}", None, tarfile.DIRTYPE)
        yield made(f"r/{path}{letter}", None, tarfile.SYMTYPE, inner)
        path += f"{inner}/"
    short = "/".join("abcdefghijklmnop"[:depth])
    yield made(f"r/{short}/{'l' * 254}", None, tarfile.SYMTYPE, "../" * depth)
    yield made("r/escape", None, tarfile.SYMTYPE, f"{short}/{'l' * 254}/../../../outside")
    yield made("r/hard", None, tarfile.LNKTYPE, "r/escape/canary")
    yield made("r/hard", b"overwritten\n")
    yield made("r/escape/new", b"new\n")


HOSTILE: dict[str, Callable[[], list[Member]]] = {
    "long chain of links": lambda: list(chained(16)),
    "../ member": lambda: [made("r/x.json"), made("../outside/new")],
    "inner ../": lambda: [made("r/../../outside/new")],
    "absolute": lambda: [made("r/x.json"), made("/tmp/oneblock-absolute")],
    "link out": lambda: [made("r/l", None, tarfile.SYMTYPE, "../../outside"), made("r/l/new")],
    "link to the canary": lambda: [made("r/l.json", None, tarfile.SYMTYPE, "../../outside/canary")],
    "absolute link": lambda: [made("r/l.json", None, tarfile.SYMTYPE, "/etc/passwd")],
    "hard link out": lambda: [made("r/l.json", None, tarfile.LNKTYPE, "../outside/canary")],
    "hard link within": lambda: [made("r/a.json"), made("r/b.json", None, tarfile.LNKTYPE, "r/a.json")],
    "link within": lambda: [made("r/a.json"), made("r/report.html", None, tarfile.SYMTYPE, "a.json")],
    "device": lambda: [made("r/d", None, tarfile.CHRTYPE, devmajor=1, devminor=5)],
    "block device": lambda: [made("r/d", None, tarfile.BLKTYPE)],
    "fifo": lambda: [made("r/f.json", None, tarfile.FIFOTYPE)],
    "twice": lambda: [made("r/a.json", b"1"), made("r/a.json", b"2")],
    "a file, then a folder of it": lambda: [made("r/a", b"1"), made("r/a/b", b"2")],
    "two folders": lambda: [made("r/a.json"), made("s/a.json")],
    "no folder": lambda: [made("a.json")],
    "nothing": list,
    "top is a link": lambda: [made("r", None, tarfile.SYMTYPE, "../outside")],
    "top is dots": lambda: [made("./a.json"), made(".", None, tarfile.DIRTYPE)],
    "top is dotdot": lambda: [made("../", None, tarfile.DIRTYPE)],
    "long name": lambda: [made("r/" + "x" * 5000 + ".json")],
    "deep folders": lambda: [made("r/" + "d/" * 2000 + "x.json")],
    "name of escapes": lambda: [made("r/\x1b[31m\u202e.json")],
    "name with zero": lambda: [made("r/a\x00b.json")],
    "name with newline": lambda: [made("r/a\nb.json")],
    "empty name": lambda: [made("")],
    "surrogate name": lambda: [made("r/\udcff.json")],
    "setuid": lambda: [made("r/a.json", mode=0o6777)],
    "mode 000": lambda: [made("r", None, tarfile.DIRTYPE, mode=0), made("r/a.json", mode=0)],
    "time of ages": lambda: [made("r/a.json", mtime=1e30)],
    "many folders of few members": lambda: [made("r/" + f"{n}/" * 30 + "a", b"") for n in range(33_000)],
    "many members": lambda: [made(f"r/{n}.json", b"") for n in range(300_000)],
    "bomb": lambda: [made("r/a.json", bytes(3 * 2**30))],
}


@pytest.mark.campaign
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_members(scene: Scene, name: str) -> None:
    path = scene.plant(scene.work / "bundle.tar.gz")
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, compresslevel=1) as packed:
        for info, data in HOSTILE[name]():
            packed.addfile(info, io.BytesIO(data) if data is not None and info.isreg() else None)
    scene.plant(scene.work / "bundle")
    ended = scene.run("report", "bundle.tar.gz", within_s=120)
    scene.holds(ended, (0, 2))
    hold(not (scene.work / "bundle").is_symlink(), "files written outside", "a link for a folder")
    size = sum(file.stat().st_size for file in (scene.work / "bundle").rglob("*") if file.is_file())
    assert size < 2**31, "it is bounded"


@pytest.mark.campaign
@pytest.mark.parametrize("number", range(24))
def test_damaged_streams(scene: Scene, seed: int, number: int) -> None:
    """A good bundle with bytes changed, cut, doubled or in another wrapping."""
    chance = random.Random(f"{seed}/{number}")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        packed.add(scene.records, "records")
    data = bytearray(buffer.getvalue())
    how = ("bytes", "cut", "tail", "head", "plain", "inner")[number % 6]
    if how == "bytes":
        for _ in range(chance.randint(1, 20)):
            data[chance.randrange(10, len(data))] = chance.randrange(256)
    elif how == "cut":
        del data[chance.randrange(len(data)) :]
    elif how == "tail":
        data += chance.randbytes(1000)
    elif how == "head":
        data[: chance.randint(1, 12)] = b""
    elif how == "plain":
        data = bytearray(gzip.decompress(data))
    else:
        inner = bytearray(gzip.decompress(data))
        for _ in range(chance.randint(1, 20)):
            inner[chance.randrange(2048)] = chance.randrange(256)
        data = bytearray(gzip.compress(inner))
    scene.plant(scene.work / "b.tgz").write_bytes(data)
    scene.plant(scene.work / "b")
    scene.holds(scene.run("report", "b.tgz"), (0, 2))
