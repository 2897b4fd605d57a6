"""What works here, found out in a process of its own: a toolchain that kills it is only a line in the answer."""

from __future__ import annotations

from typing import Any

from oneblock import backends
from oneblock.bench._jobs import Probed, ProbeJob
from oneblock.bench._launch import Bounds, launch
from oneblock.bench._store import adapter
from oneblock.workloads._config import unknown


def probe(names: list[str], bounds: Bounds) -> list[Probed]:
    """What each of these backends has for each of its platforms; LookupError offers the nearest names."""
    known = backends.names()
    for name in names:
        if name not in known:
            raise LookupError(unknown("backend", name, known))
    found: list[Probed] = []
    left = list(names)
    while left:
        said, culprit, why = _probe_together(left, bounds)
        found += said
        if culprit is None:
            break
        found.append(Probed(culprit, "", None, None, f"its probe ended badly: {why}", "import its toolchain by hand"))
        left = left[left.index(culprit) + 1 :]
    return found


def _probe_together(names: list[str], bounds: Bounds) -> tuple[list[Probed], str | None, str]:
    """(what was found, the backend at which the process died if it did, how)."""
    found: list[Probed] = []
    probing: list[str] = []

    def listen(answer: dict[str, Any]) -> None:
        event = answer.pop("event")
        if event == "probing":
            probing.append(answer["backend"])
        elif event == "probed":
            found.append(adapter(Probed).validate_python(answer))

    outcome = launch(ProbeJob(tuple(names)), bounds, listen=listen)
    if outcome.reason is None:
        return found, None, ""
    culprit = probing[-1] if probing else names[0]
    return [row for row in found if row.backend != culprit], culprit, outcome.reason
