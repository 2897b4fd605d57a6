"""Commands of oneblock that a lab's run gives, as a learner would in a terminal."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.scratch import scratch

_SHOWN = 1500
_MOST_S = 900.0  # on a machine that is busy; on a free one a lab's compile takes less than a minute


def ask(*words: str, cwd: Path, accept: Collection[int] = (0,)) -> tuple[Any, str]:
    """What a command answered in JSON, and what it said beside that; Refused with its last words where it failed."""
    note(f"$ oneblock {shlex.join(words)}")
    command = [sys.executable, "-m", "oneblock.bench", *words, "--json"]
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, timeout=_MOST_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"oneblock {' '.join(words)}: no answer in {_MOST_S:.0f} s: try on a machine less busy") from None
    if done.returncode not in accept:
        lines = done.stderr.strip().splitlines()
        said = [line.removeprefix("oneblock: ") for line in lines if line.startswith("oneblock: ")] or lines[-3:]
        raise Refused(f"`oneblock {words[0]}` failed: {' '.join(said)[:_SHOWN]}", 1)
    return json.loads(done.stdout), done.stderr


def run_script(script: Path, *words: str) -> Any:
    """What a script of a lab wrote as JSON to the file that is its first word; Refused with its last words else."""
    with scratch("lab") as folder:
        out = folder / "told.json"
        command = [sys.executable, "-P", str(script), str(out), *words]
        note(f"running {script.name}")
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_MOST_S, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            raise Refused(f"{script.name}: no answer in {_MOST_S:.0f} s") from None
        if done.returncode or not out.exists():
            raise Refused(f"`{script.name}` failed: {_last_words(done.stderr, words)[:_SHOWN]}", 1)
        return json.loads(out.read_bytes())


def _last_words(stderr: str, words: Collection[str]) -> str:
    """What a script ended with: an exception with its notes, and the line of the learner's file that it came from."""
    lines = stderr.strip().splitlines()
    begin = max((n for n, line in enumerate(lines) if line.startswith(" ")), default=-1) + 1  # behind the traceback
    said = "; ".join(lines[begin:]) or "it ended without an answer"
    places = re.findall(r'^  File "(.*)", line (\d+)', stderr, re.MULTILINE)
    found = [f"{Path(path).name}, line {line}: " for path, line in places if path in words]
    return f"{found[-1] if found else ''}{said}"


def keep(texts: Mapping[str, str], folder: Path) -> None:
    """Write a compiler's texts into a lab's hlo/, to be read; they are no part of the artifact."""
    for name, text in texts.items():
        write_whole(folder / "hlo" / f"{name}.txt", text.encode())
