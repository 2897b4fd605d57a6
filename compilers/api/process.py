"""Child processes of compilers: a module in a fresh interpreter, and its last words."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence

_FATAL = re.compile(r"ERROR|FATAL|Error:|Check fail|_CHECK|^F\d{4} ")


def run_module(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a module of ours in a process of its own; how it ended if badly, in the compiler's own words."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return "" if done.returncode == 0 else last_words(done.stderr) or f"exit status {done.returncode}"


def last_words(log: str) -> str:
    """The line that tells why, of a log that is mostly stack; or else the last one."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return telling(lines) or "".join(lines[-1:])[:300]


def telling(lines: Sequence[str]) -> str | None:
    """The last line by which a toolchain says why it ends: a failed check, an error; None if there is none."""
    return next((line.strip()[:300] for line in reversed(lines) if _FATAL.search(line)), None)
