"""Standard output and error that never end the work: a reader may leave, a disk be full, an encoding lack a sign."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any

from oneblock.compilers.api.process import open_closed_streams


class _Steady(io.FileIO):
    """A descriptor to which writing never fails: what it does not take is dropped, and why is remembered."""

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            while (written := super().write(data)) is None:  # it does not wait, as one that others share may be set
                select.select([], [self], [])
        except OSError as error:
            self.lost = error
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return memoryview(data).nbytes
        return written


def hold_standard_streams() -> None:
    """Put steady streams in the place of standard output and error; those that are closed lead nowhere.

    What a stream's encoding lacks is written as an escape: the work is done, and a sign that cannot be shown must not
    undo it.
    """
    open_closed_streams()
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115  for as long as the process lives
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        given = getattr(sys, name)
        steady = io.TextIOWrapper(
            io.BufferedWriter(_Steady(descriptor, "w", closefd=False)),
            encoding=given.encoding if given is not None else "utf-8",
            errors="backslashreplace",
            line_buffering=name == "stderr" or os.isatty(descriptor),
        )
        setattr(sys, name, steady)


def lost_output() -> str | None:
    """Why standard output did not take all, if so; a reader that has seen enough is no reason."""
    sys.stdout.flush()
    error = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    why = error.lost if isinstance(error, _Steady) else None
    if why is None or isinstance(why, ConnectionError):
        return None
    return f"standard output does not take the answer: {why.strerror}"
