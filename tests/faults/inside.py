"""A command in a fork of this process, by its own entry: a hundred bad inputs in the time of a few starts."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from oneblock.bench.commands._app import main
from tests.faults.scene import Ended


def ask(*words: str, cwd: Path) -> Ended:
    """What a command answers there, with descriptors and a working folder of its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        if (child := os.fork()) == 0:
            _become(words, cwd, out.fileno(), err.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="surrogateescape"))
    return Ended(status, *texts)


def _become(words: tuple[str, ...], cwd: Path, out: int, err: int) -> None:
    """In the child: the command, and its end."""
    status = 70
    try:
        os.chdir(cwd)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        # pytest has put streams of its own in their place.
        sys.stdin, sys.stdout, sys.stderr = (
            open(fd, mode, closefd=False)  # noqa: SIM115
            for fd, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        sys.argv = ["oneblock", *words]
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 71
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
