"""Files that are no files, cut, foreign or huge, wherever oneblock reads or writes one: named, and passed over."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from tests.faults.hostile import ESCAPES
from tests.faults.scene import GOOD, NORM, Scene, hold


def link_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's address is short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name[-90:])
    finally:
        os.chdir(here)
    if len(path.name) > 90:
        (path.parent / path.name[-90:]).rename(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 * 2**30)


# Each makes something of a path.
ODD: dict[str, Callable[[Path], object]] = {
    "fifo": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
    "folder that is full": lambda path: (path.mkdir(), (path / "x").write_text("x")),
    "link to itself": link_loop,
    "link to nothing": lambda path: path.symlink_to("nothing-is-here"),
    "link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "link to the canary": lambda path: path.symlink_to(_canary(path)),
    "socket": a_socket,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(5000)),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "deep": lambda path: path.write_text("[" * 300_000),
    "long number": lambda path: path.write_text("9" * 1_000_000),
    "list": lambda path: path.write_text("[1, [2], {}]"),
    "null": lambda path: path.write_text("null"),
    "text": lambda path: path.write_text('"text"'),
    "escapes": lambda path: path.write_text(json.dumps({ESCAPES: 1, "schema": 6})),
    "twice the same key": lambda path: path.write_text('{"schema": 6, "schema": 6}'),
    "byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbf{}"),
    "utf-16": lambda path: path.write_bytes('{"schema": 6}'.encode("utf-16")),
    "nan": lambda path: path.write_text('{"schema": NaN}'),
    "huge": sparse,
}


def _canary(path: Path) -> Path:
    top = next(parent for parent in path.parents if (parent / "outside").is_dir())
    return top / "outside" / "canary"


READERS = {
    "show": ("show", "-o", "records"),
    "report": ("report", "-o", "records"),
    "compare": ("compare", "records", "records", "--json"),
    "run": (*GOOD,),
}


@pytest.mark.campaign
@pytest.mark.parametrize(("odd", "reader"), list(product(ODD, READERS)))
def test_among_the_records(scene: Scene, odd: str, reader: str) -> None:
    """It is named, and the good ones are shown."""
    ODD[odd](scene.plant(scene.records / "zz.a.b.json"))
    scene.plant(scene.records / "report.html")
    ended = scene.run(*READERS[reader])
    scene.holds(ended, (0,))
    if reader != "run":
        assert "zz.a.b.json" in ended.err
    if reader == "show":
        hold("reference" in ended.out, "good records hidden", ended)
    if reader == "compare":
        hold(len(scene.holds_json(ended)) == len(scene.good), "good records hidden", ended)


@pytest.mark.campaign
@pytest.mark.parametrize("name", ["\x1b[31mred", "a\nb", "[bold]x", "\u202eevil", "x" * 240, "-o", "\udcff"])
@pytest.mark.parametrize("reader", [name for name in READERS if name != "run"])
def test_names_of_files(scene: Scene, name: str, reader: str) -> None:
    scene.plant(scene.records / f"{name}.json").write_text("{}")
    scene.plant(scene.records / "report.html")
    scene.holds(scene.run(*READERS[reader]), (0,))


@pytest.mark.campaign
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("which", ["0.json", "7.json", "x.json", ""])
def test_among_the_launches_of_an_unfinished_cell(scene: Scene, odd: str, which: str) -> None:
    """It is measured again, or refused in a sentence that names the place; it never loops."""
    (lost,) = (path for path in scene.records.glob("*float32*.json"))
    identity = lost.name.split(".")[1]
    lost.unlink()
    folder = scene.records / ".partial" / identity
    ODD[odd](scene.plant(folder / which if which else folder))
    ended = scene.run(*GOOD)
    scene.holds(ended, (0, 2), lost={lost.name})
    if ended.status == 2:
        assert ".partial" in ended.err
    else:
        hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())


@pytest.mark.campaign
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("command", ["report", "export", "json"])
def test_where_a_page_is_to_be_written(scene: Scene, odd: str, command: str) -> None:
    """What is in the way is never written through, and a page is whole or not there."""
    path = scene.plant(scene.records / "report.html") if command != "export" else scene.plant(scene.work / "out")
    ODD[odd](path)
    words = {"report": ("report", "-o", "records"), "export": ("report", "-o", "records", "--export", "out"),
             "json": ("report", "-o", "records", "--json")}[command]  # fmt: skip
    scene.plant(scene.records / "report.html")
    ended = scene.run(*words)
    scene.holds(ended, (0, 1, 2))
    if ended.status == 0 and command != "export":
        assert path.is_file()
        assert not path.is_symlink()
        assert path.read_text().rstrip().endswith("</html>")


@pytest.mark.campaign
@pytest.mark.parametrize("target", ["a record", "the folder", "a link to a record", "the artifacts"])
def test_a_page_is_never_written_over_what_is_no_page(scene: Scene, target: str) -> None:
    record = next(scene.records.glob("*.json"))
    places = {"a record": record, "the folder": scene.records, "the artifacts": scene.records / "artifacts"}
    if (to := places.get(target)) is None:
        to = scene.plant(scene.work / "link.html")
        to.symlink_to(record)
    scene.holds(scene.run("report", "-o", "records", "--to", str(to)), (1, 2))


@pytest.mark.campaign
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["limits", "tuned", "lock", "holder"])
def test_what_is_kept_between_runs(scene: Scene, odd: str, where: str) -> None:
    """A cache or a lock that is odd names itself, or is made anew; it is never believed."""
    if where == "limits":
        (path,) = (scene.home / ".cache").rglob("unwatched-*.json")
    elif where == "holder":
        (path,) = scene.tmp.rglob("holder.json")
    elif where == "lock":
        locks = [path for path in scene.tmp.rglob("*lock*") if not path.is_dir()]
        if not locks:
            pytest.skip("the lock's file is removed with the lock")
        path = locks[0]
    else:
        path = scene.home / ".local" / "share" / "oneblock" / "tuned" / "a" / "b" / "c" / "database_tuning_record.json"
    if path.exists():
        path.unlink()
    ODD[odd](scene.plant(path))
    ended = scene.run(*NORM, "--backend", "reference", "--dtype", "float16", "-o", "records")
    scene.holds(ended, (0, 2))
    if ended.status == 2:
        assert where == "lock" or path.name in ended.err
    else:
        hold(scene.statuses() == {"reference": ["passed"]}, "records lost", scene.statuses())


@pytest.mark.campaign
@pytest.mark.parametrize("what", ["deleted", "a file now", "read-only", "a link away"])
def test_the_folder_of_records_changes_amid_the_run(scene: Scene, what: str) -> None:
    """What a run says it wrote is there, or it says that it is not."""
    words = (*NORM, "--backend", "slow", "--dtype", "float16", "--dtype", "float32", "--dtype", "bfloat16", "-o", "rec")
    process = scene.start(*words)
    scene.plant(scene.work / "rec")
    rec = scene.work / "rec"
    while not list(rec.glob("*.json")) and process.poll() is None:
        pass
    if what == "read-only":
        rec.chmod(0o500)  # root may write all the same: then nothing is wrong
    else:
        shutil.rmtree(rec)
    if what == "a file now":
        rec.write_text("")
    if what == "a link away":
        rec.symlink_to(scene.outside)
    ended = scene.finish(process)
    rec.unlink() if rec.is_symlink() else None
    hold(ended.status in (0, 1, 2), "wrong status", ended)
    scene.holds_text(ended)
    if ended.status == 0:
        hold(len(list(rec.glob("*.json"))) == 3, "records lost", "it said that all is there")


@pytest.mark.campaign
@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("where", ["checkpoint", "index", "shard"])
def test_weights_of_what_is_no_checkpoint(scene: Scene, odd: str, where: str) -> None:
    """It is named, and nothing is measured with it: a pipe is not waited for, and a device is not hashed for ever."""
    index, shard = (scene.plant(scene.work / name) for name in ("model.safetensors.index.json", "model.safetensors"))
    index.write_text(json.dumps({"weight_map": {"model.layers.0.input_layernorm.weight": shard.name}}))
    path = index if where == "index" else shard
    path.unlink(missing_ok=True)
    ODD[odd](path)
    words = (*NORM, "--backend", "reference", "--dtype", "float16", "-o", "records")
    ended = scene.run(*words, "--weights", (shard if where == "checkpoint" else index).name)
    scene.holds(ended, (2,))
    assert path.name in ended.err
    hold(not scene.statuses(), "records wrong", scene.statuses())
