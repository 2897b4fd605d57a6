"""What a node does when it is asked, without Ray; and what a command refuses of a cluster before it has one."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from oneblock.bench.fleet import node
from oneblock.bench.fleet.messages import (
    CellRequest,
    Greeting,
    GreetRequest,
    NodeBounds,
    parted,
    read,
    source_sha256,
    written,
)
from oneblock.bench.records.reading import made_of
from oneblock.bench.records.record import Status
from oneblock.compilers import Detail
from tests.bench.report.test_report import record
from tests.helpers.oneblock_process import oneblock_here

WITHIN = NodeBounds(1, 60.0, None)


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_node_says_who_it_is_and_does_a_cell_as_a_run_does(tmp_path: Path) -> None:
    cell = record("neuron_torch").cell  # whose toolchain is in no environment of the tests
    good, raw = node.perform("greet", written(GreetRequest((cell,), WITHIN)))
    assert good, raw
    greeting: Greeting = read(Greeting, raw)
    assert greeting.source_sha256 == source_sha256()
    request = CellRequest((), cell, "smoke", WITHIN, 0, Detail.DEFAULT, elsewhere=True, untimed=True)
    good, raw = node.perform("cell", written(request))
    assert good, raw
    sent, texts = parted(raw)
    found = made_of(sent)
    assert texts == {}
    assert found.status in (Status.UNAVAILABLE, Status.UNSUPPORTED), found.reason
    assert found.reason
    assert found.cell == cell
    assert found.environment.software == greeting.software[greeting.of_cells[0]]
    assert found.environment.facts() == greeting.environment.facts()
    assert not list(tmp_path.glob("*/*fleet*"))
    assert not list(tmp_path.glob("*fleet*"))


@pytest.mark.parametrize("request_", [b"", b"[]", b"{}", b'{"run": "../../etc"}', b"\xff" * 9])
def test_a_node_does_nothing_that_it_is_not_asked_for_in_due_form(request_: bytes) -> None:
    for what in ("greet", "probe", "cell", "job"):
        good, why = node.perform(what, request_)
        assert not good
        assert b"expected a " in why


def test_a_node_without_disk_and_with_too_few_cores_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    good, why = node.perform("greet", written(GreetRequest((), NodeBounds(4096, 60.0, None))))
    assert not good
    assert b"more threads than cores time nothing" in why
    about = os.statvfs("/")
    full = os.statvfs_result((*about[:4], 1, *about[5:]))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    good, why = node.perform("greet", written(GreetRequest((), WITHIN)))
    assert not good
    assert b"is full" in why


def test_a_command_refuses_what_is_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: str) -> str:
        done = oneblock_here("run", "norm", "--preset=tiny", "--backend=reference", *words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        return done.stderr

    assert "expected --on beside it" in run("--runtime-env", "x.json")
    assert "expected no --on beside it" in run("--on", "ray", "--fit", "batch")
    if find_spec("ray") is None:
        assert "pip install 'oneblock[fleet]'" in run("--on", "ray")
    monkeypatch.setattr("oneblock.bench.fleet.cluster.find_spec", lambda _: True)
    assert "expected ray, ray://HOST:PORT or HOST:PORT" in run("--on", "nowhere")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert "no cluster there" in run("--on", f"ray://127.0.0.1:{nobody.getsockname()[1]}")
    assert not (tmp_path / "records").exists()
