"""A script as its user sees it: run in a process of its own, so that its end is not that of the command."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from oneblock.backends.api.target import Target
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.reading import adapter
from oneblock.bench.worker.script import ScriptAnswer

_START = "from oneblock.bench.worker.script import main; main()"


def run_script(
    backend: str, script: Path, arguments: Sequence[str], target: Target, *, tell: Sequence[str], quiet: bool
) -> ScriptAnswer:
    """What its kernels came to; `tell`: also their "lines" and "traces". With `quiet` it prints to standard error.

    Refused with the exit status that the command then has: where it could not be run, was interrupted, or ended its
    process itself, so that nothing is known of its kernels.
    """
    with tempfile.TemporaryFile() as answers:
        words = [str(answers.fileno()), backend, str(target), ",".join(tell), str(script), *arguments]
        output = sys.stderr.fileno() if quiet else None  # whatever it prints with: a descriptor is all it has
        with subprocess.Popen(
            [sys.executable, "-P", "-c", _START, *words], stdout=output, pass_fds=[answers.fileno()]
        ) as child:
            _wait(child)
        answers.seek(0)
        raw = answers.read()
    try:
        answer = adapter(ScriptAnswer).validate_json(raw)
    except ValueError:
        raise _no_answer(script, child.returncode) from None
    assert isinstance(answer, ScriptAnswer)
    if answer.not_run is not None:
        raise Refused(answer.not_run)
    return answer


def _wait(child: subprocess.Popen[bytes]) -> None:
    """Until it ends; Ctrl-C is the script's, which a terminal has sent it too, and a second one ends it."""
    try:
        child.wait()
    except KeyboardInterrupt:
        try:
            if child.poll() is None:  # `wait` gave it a moment: only this process was interrupted
                child.send_signal(signal.SIGINT)
            child.wait()
        except KeyboardInterrupt:
            child.kill()
            raise


def _no_answer(script: Path, code: int) -> Refused:
    if code == -signal.SIGINT:
        return Refused("interrupted", 130)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended its process itself, with status {code}"
    return Refused(f"{script}: {how}, so nothing is known of its kernels: let it end by itself", 1)
