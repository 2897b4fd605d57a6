"""A script in which `import nki` means our interpreter: run as it stands, every call of a kernel noted down."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneblock.backends._nki.computes import COMPUTES, checked, crash, named
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.nki import NotInterpreted, RuleError, Run, install, old_namespace_named, perfetto, watched
from oneblock.compilers.nki import lowering as nki
from oneblock.compilers.nki.kernel import PLATFORM, Kernel
from oneblock.workloads.ops.nearest import unknown

_OURS = ("<frozen runpy>", "runpy.py", "shim.py")  # files whose lines are none of the script's


class NkiScript:
    """A run of a script; see backends/api/scripts.py."""

    def __init__(self) -> None:
        self.calls: list[nki.Call] = []
        self.refused: list[str] = []
        self.checked: list[str] = []
        self.told: list[Exception] = []
        self.named: dict[str, None] = {}
        self.error: str | None = None
        self.exit_status = 0

    @property
    def kernels(self) -> list[str]:
        """The name of each call's kernel."""
        return [call.kernel.__name__ for call in self.calls]

    def tell(self, kernel: Kernel, args: Sequence[Any], ended: Run | Exception) -> None:
        """Take in a run, and check what it answered; or the error in its place."""
        if isinstance(ended, Run):
            self.calls.append(nki.Call.of(None, kernel, args, ended))
            said = checked(kernel, args, ended.outputs)
            self.named |= dict.fromkeys(named(kernel))
            if said is not None:
                (self.checked if said.right else self.refused).append(said.words)
            return
        self.told.append(ended)
        kind = {RuleError: "breaks a rule", NotInterpreted: "not interpreted"}.get(type(ended))
        self.refused.append(f"crashed: {crash(kernel, ended)}" if kind is None else f"{kind}: {ended}")

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
        with watched(ran.tell), old_namespace_named():
            runpy.run_path(str(script), run_name="__main__")
        called = [*dict.fromkeys(ran.kernels)]
        uncalled = [name for name in ran.named if name not in called]
        ran.refused += [f"{COMPUTES}: {unknown('kernel', name, called)}: expected those called" for name in uncalled]
    except SystemExit as end:
        ran.exit_status = end.code if isinstance(end.code, int) else int(end.code is not None)
        ran.error = end.code if isinstance(end.code, str) else None
    except KeyboardInterrupt:
        ran.exit_status = 130
    except BaseException as error:  # noqa: BLE001  the script's own, told as Python tells it
        ran.exit_status = 1
        if error not in ran.told:
            frames = traceback.extract_tb(error.__traceback__)[1:]
            own = [frame for frame in frames if not frame.filename.endswith(_OURS)]
            told = "".join(["Traceback (most recent call last):\n", *traceback.format_list(own)]).rstrip()
            ran.error = f"{told}\n{type(error).__name__}: {error}"
    return ran
