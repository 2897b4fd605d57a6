"""The workflows run what was looked at: an action by the hash of its commit, a tool by its version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

WORKFLOWS = sorted((Path(__file__).parents[2] / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")


def not_pinned(text: str) -> list[str]:
    """Actions by a tag or a branch, which may be moved, and tools of whatever version is the newest."""
    actions = [used for used in re.findall(r"uses: (.*)", text) if not PINNED.fullmatch(used)]
    tools = [tool for line in re.findall(r"pip install (.*)", text) for tool in line.split() if "==" not in tool]
    return actions + tools


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_nothing_is_run_that_may_be_another_tomorrow(path: Path) -> None:
    text = path.read_text()
    assert "uses: " in text
    assert not_pinned(text) == []
    assert "\npermissions: {}\n" in text, "what a job may do it says itself"


def test_what_may_move_is_found() -> None:
    sound = f"- uses: actions/checkout@{'1f' * 20}  # v4.2.2\n- run: pip install nox==1.0"
    assert not_pinned(sound) == []
    assert not_pinned(sound.replace("1f" * 20, "v4")) != []
    assert not_pinned(sound.replace("  # v4.2.2", "")) != [], "nobody knows which it is"
    assert not_pinned(sound.replace("==1.0", "")) == ["nox"]
