"""A learner's state.json: what was done, in order, each event with a hash over itself and the one before it.

The chain finds an edit by hand. It proves nothing against who computes it anew: an instructor's `oneblock lab grade`
trusts no verdict in it, and makes the artifact again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.files import write_whole
from oneblock.compilers.api.files import read_plain

FILE = "state.json"
_MOST_BYTES = 4 * 2**20
_TOLD: dict[str, dict[str, type]] = {
    "start": {"shape": dict},
    "predict": {"answers": dict},
    "run": {"sha256": str, "software": dict},
    "check": {"standings": dict, "held": dict},
}


@dataclass
class State:
    """The events of one attempt at a lab."""

    path: Path
    events: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> State:
        """The state of a folder; Refused where there is none, or where it is not as it was written."""
        path = folder / FILE
        try:
            events = json.loads(read_plain(path, _MOST_BYTES))
        except FileNotFoundError:
            raise Refused(f"{folder}: no lab was started here: `oneblock lab start LAB` does") from None
        except (ValueError, RecursionError):
            raise Refused(f"{path}: expected what `oneblock lab` wrote, got no JSON; start again elsewhere") from None
        if not isinstance(events, list) or not events:
            raise Refused(f"{path}: expected a list of events, got something else; start again elsewhere")
        before = ""
        for number, event in enumerate(events):
            if not isinstance(event, dict) or event.get("hash") != _hash(event, before) or not _known(event, number):
                raise Refused(f"{path}: event {number} is not as it was written: it was edited; start again elsewhere")
            before = event["hash"]
        return cls(path, events)

    def add(self, what: str, **told: Any) -> None:
        """Write one more event."""
        event = {"what": what, **told}
        before = self.events[-1]["hash"] if self.events else ""
        self.events.append({**event, "hash": _hash(event, before)})
        write_whole(self.path, (json.dumps(self.events, indent=1) + "\n").encode())

    def last(self, what: str) -> dict[str, Any] | None:
        """The last event of a sort."""
        return next((event for event in reversed(self.events) if event["what"] == what), None)


def _known(event: dict[str, Any], number: int) -> bool:
    what = event.get("what")
    if not isinstance(what, str) or what not in _TOLD or (what == "start") != (number == 0):
        return False
    return all(isinstance(event.get(name), sort) for name, sort in _TOLD[what].items())


def _hash(event: dict[str, Any], before: str) -> str:
    told = {name: value for name, value in event.items() if name != "hash"}
    return sha256((before + json.dumps(told, sort_keys=True)).encode()).hexdigest()
