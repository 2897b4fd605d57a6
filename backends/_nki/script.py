"""A script in which `import nki` means our interpreter: run as it stands, every call of a kernel noted down."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.nki import NotInterpreted, RuleError, Run, install, perfetto, watched
from oneblock.compilers.nki import lowering as nki
from oneblock.compilers.nki.kernel import PLATFORM, Kernel


class NkiScript:
    """A run of a script; see backends/api/scripts.py."""

    def __init__(self) -> None:
        self.calls: list[nki.Call] = []
        self.refused: list[str] = []
        self.error: str | None = None
        self.exit_status = 0

    @property
    def kernels(self) -> list[str]:
        """The name of each call's kernel."""
        return [call.kernel.__name__ for call in self.calls]

    def tell(self, kernel: Kernel, args: Sequence[Any], ended: Run | RuleError | NotInterpreted) -> None:
        """Take in a run, or the error in its place."""
        if isinstance(ended, Run):
            self.calls.append(nki.Call.of(None, kernel, args, ended))
        else:
            kind = "not interpreted" if isinstance(ended, NotInterpreted) else "breaks a rule"
            self.refused.append(f"{kind}: {ended}")

    def facts(self) -> Facts:
        """The counts of the calls."""
        return nki.facts(self.calls)

    def by_line(self) -> list[str]:
        """The instructions of each call by source line."""
        return [nki.by_line(i, call) for i, call in enumerate(self.calls)]

    def traces(self) -> list[dict[str, Any]]:
        """The modelled timeline of each call."""
        return [perfetto(call.timeline, call.kernel.__name__) for call in self.calls]


def run(script: Path, arguments: Sequence[str], architecture: str) -> NkiScript:
    """Run a script as Python would; RealNkiHere where AWS's nki is installed."""
    ran = NkiScript()
    install()
    os.environ[PLATFORM] = architecture
    sys.argv = [str(script), *arguments]
    sys.path.insert(0, str(script.resolve().parent))
    try:
        with watched(ran.tell):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        ran.exit_status = end.code if isinstance(end.code, int) else int(end.code is not None)
        ran.error = end.code if isinstance(end.code, str) else None
    except KeyboardInterrupt:
        ran.exit_status = 130
    except BaseException as error:  # noqa: BLE001  the script's own, told as Python tells it
        ran.exit_status = 1
        if not ran.refused:
            own = [frame for frame in traceback.extract_tb(error.__traceback__) if "runpy" not in frame.filename][1:]
            told = "".join(["Traceback (most recent call last):\n", *traceback.format_list(own)]).rstrip()
            ran.error = f"{told}\n{type(error).__name__}: {error}"
    return ran
