"""A script's own kernels: what a backend also has that interprets the language they are written in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from oneblock.backends.api.target import Target
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.names import DocumentedLanguage


class ScriptRun(Protocol):
    """What a script's kernels came to: those that ran, and what was refused, even where the script caught it."""

    kernels: Sequence[str]  #: the kernel of each call that ran, in order
    refused: Sequence[str]  #: a sentence for each call that broke a rule, is not interpreted, crashed or answered wrong
    checked: Sequence[str]  #: a sentence for each call whose answer is what the script says; absent: none is checked
    error: str | None  #: what ended the script, as Python tells it; None where a refusal of a kernel did, or nothing
    exit_status: int

    def facts(self) -> Facts:
        """The counts of the calls that ran."""
        ...

    def by_line(self) -> list[str]:
        """For each call its instructions by source line, as text."""
        ...

    def traces(self) -> list[dict[str, Any]]:
        """For each call its modelled timeline, as ui.perfetto.dev reads it."""
        ...


@runtime_checkable
class ScriptRunner(Protocol):
    """What a backend also has whose kernel language is interpreted here."""

    def run_script(self, script: Path, arguments: Sequence[str], target: Target) -> ScriptRun:
        """Run a script as Python would, its kernels interpreted for a target that names an architecture.

        The process is the script's: its `sys.argv`, its path, its modules. Unavailable where the language's own
        toolchain is installed, which is never shadowed; Unsupported for a target that the language is not for.
        """
        ...


@runtime_checkable
class Documented(Protocol):
    """What a backend also has whose kernel language is documented by name."""

    def documented(self) -> DocumentedLanguage:
        """Each name that the maker documents, and whether it is interpreted here."""
        ...
