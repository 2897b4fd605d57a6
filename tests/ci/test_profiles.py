"""Profiles of the course are data: each names sessions that there are, and says what it holds and lacks."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
INDEX: dict[str, Any] = tomllib.loads((ROOT / "labs" / "index.toml").read_text(encoding="utf-8"))
BLOCKS = {"merges", "reports only", "on devices"}


@pytest.fixture(scope="module")
def sessions() -> set[str]:
    """Every session, as nox lists it."""
    pytest.importorskip("nox", reason="nox lists the sessions")
    words = (sys.executable, "-m", "nox", "--list", "-f", str(ROOT / "noxfile.py"))
    listed = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return {*re.findall(r"^[*-] (\S+)", listed.stdout, re.MULTILINE)}


def test_a_profile_has_sessions_that_there_are(sessions: set[str]) -> None:
    assert {*INDEX["profile"]} == {
        "docs-quality", "python-strict", "kernel-correctness", "compile-budget", "accuracy-guardrail", "lab-integrity",
        "perf-relative", "perf-hardware",
    }  # fmt: skip
    for name, of in INDEX["profile"].items():
        assert of["sessions"], name
        assert {*of["sessions"]} <= sessions, name
        assert of["blocks"] in BLOCKS
        assert of["holds"]
        assert f"profile({name})" in sessions
    assert all(INDEX["profile"][name]["lacks"] for name in ("compile-budget", "accuracy-guardrail"))


def test_each_lab_has_a_session(sessions: set[str]) -> None:
    assert {f"lab({int(name[:2])})" for name in INDEX["lab"]} <= sessions


def test_a_profile_for_devices_asks_which_is_here(sessions: set[str]) -> None:
    words = (sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "profile(perf-hardware)")
    for chosen in ((), ("--", "lint")):
        done = subprocess.run((*words, *chosen), capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode != 0
        assert "say which is here, of gpu, tpu, neuron" in done.stderr
