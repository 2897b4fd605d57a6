"""Where a number was made: what a helper fails to tell is unknown, and leaves the identity of what is known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import cpuinfo
import psutil
import pytest

from oneblock.bench.records import environment as here
from oneblock.bench.records.environment import cpu_name, environment


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    cpu_name.cache_clear()
    yield
    cpu_name.cache_clear()


def without_proc(monkeypatch: pytest.MonkeyPatch, text: str | None = None) -> None:
    """A system whose /proc/cpuinfo has that text, or that has none."""
    read = Path.read_text

    def read_text(path: Path, *args: object, **kwargs: object) -> str:
        if str(path) == "/proc/cpuinfo":
            if text is None:
                raise FileNotFoundError(2, "No such file or directory")
            return text
        return read(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "read_text", read_text)


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the system states nothing there")
def test_a_helper_that_is_killed_changes_nothing_where_the_system_states_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "model name" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no name there")
    told = cpuinfo.get_cpu_info().get("brand_raw")
    monkeypatch.setattr(cpuinfo, "get_cpu_info", dict)
    assert cpu_name() == told, "records that py-cpuinfo named have the same identity"


@pytest.mark.parametrize("text", [None, "", "processor : 0\n", "model name\n", "model name : \n"])
def test_a_helper_that_is_killed_once_is_asked_again(monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    without_proc(monkeypatch, text)
    answers = iter([{}, {"brand_raw": ""}, {"brand_raw": "Neoverse-N1"}])
    monkeypatch.setattr(cpuinfo, "get_cpu_info", lambda: next(answers))
    assert cpu_name() == "Neoverse-N1"


def test_a_name_that_nothing_tells_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    without_proc(monkeypatch)
    monkeypatch.setattr(cpuinfo, "get_cpu_info", dict)
    monkeypatch.setattr(here.platform, "processor", lambda: "")
    assert environment(1).machine["cpu"] is None


def test_facts_of_the_moment_that_fail_are_unknown_and_end_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    before = environment(1)
    for where, name in ((psutil, "cpu_freq"), (os, "getloadavg"), (here.subprocess, "run")):
        monkeypatch.setattr(where, name, fail)
    found = environment(1)
    assert (found.state["cpu_mhz"], found.state["load_average"], found.state["git_commit"]) == (None, None, None)
    assert (found.machine, found.software) == (before.machine, before.software)
