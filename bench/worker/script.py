"""The child that runs a script and tells what its kernels came to, however the script ends."""

from __future__ import annotations

import atexit
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from oneblock import backends
from oneblock.backends.api.backend import Unavailable, Unsupported
from oneblock.backends.api.scripts import ScriptRunner
from oneblock.backends.api.target import Target
from oneblock.bench.records.store import to_json
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.process import adopt_orphans, die_with_parent, kill_below


@dataclass(frozen=True)
class ScriptAnswer:
    """What came of it: `ScriptRun` as data, or why the script was not begun."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}
    not_run: str | None = None
    kernels: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    checked: tuple[str, ...] = ()
    error: str | None = None
    exit_status: int = 0
    facts: Facts | None = None
    by_line: tuple[str, ...] = ()
    traces: tuple[dict[str, Any], ...] = ()


def main() -> None:
    """Run a script: the words are where the answer goes, backend, target, what to tell, the script and its own."""
    die_with_parent()
    own = os.getpid()
    adopt_orphans()
    atexit.register(kill_below, own)  # once its threads have ended: what it started ends with it
    answers, backend, target, tell, script, *arguments = sys.argv[1:]
    answer = _run(backend, Path(script), arguments, Target.parse(target), tell.split(","))
    if os.getpid() != own:  # a fork of the script's own, which came to the script's end as well: it tells nothing
        os._exit(0)
    with open(int(answers), "wb") as file:
        file.write(to_json(answer))


def _run(backend: str, script: Path, arguments: list[str], target: Target, tell: list[str]) -> ScriptAnswer:
    runner = backends.load(backend)
    assert isinstance(runner, ScriptRunner)
    try:
        ran = runner.run_script(script, arguments, target)
    except Unsupported as error:
        return ScriptAnswer(not_run=f"--target: {error}")
    except Unavailable as error:
        return ScriptAnswer(not_run=f"{error}: {error.hint}")
    return ScriptAnswer(
        kernels=tuple(ran.kernels),
        refused=tuple(map(_text, ran.refused)),
        checked=tuple(map(_text, getattr(ran, "checked", ()))),  # a third party's may check nothing
        error=None if ran.error is None else _text(ran.error),
        exit_status=ran.exit_status,
        facts=ran.facts(),
        by_line=tuple(ran.by_line()) if "lines" in tell else (),
        traces=tuple(ran.traces()) if "traces" in tell else (),
    )


def _text(told: str) -> str:
    """A script's words as JSON takes them: halves of a pair, as of a path that is no UTF-8, become escapes."""
    return told.encode("utf-8", "backslashreplace").decode()
