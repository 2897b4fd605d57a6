"""What the trials of a machine's own processor found, kept in the user's cache folder: `oneblock trial --cpu` does it.

It belongs to the machine whose calls were measured: what another one measured is not modelled by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note
from oneblock.bench.records.files import write_whole
from oneblock.bench.records.reading import adapter
from oneblock.bench.silicon.calls import OwnTrial, Way
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.api.folders import cache_folder

_LARGEST_BYTES = 2**20


def kept_file(machine: str) -> Path:
    """Where it is kept of a machine, which is told by a way's digest."""
    return cache_folder() / f"processor-{machine}.json"


def keep(told: Iterable[OwnTrial]) -> list[Path]:
    """Add trials to what is kept of their machines; of one way the last counts. Refused where nothing can be kept."""
    by_machine: dict[str, dict[Way, OwnTrial]] = {}
    for one in told:
        by_machine.setdefault(one.way.machine, {})[one.way] = one
    for machine, found in by_machine.items():
        path, all_of = kept_file(machine), [*{**kept(machine), **found}.values()]
        try:
            write_whole(path, adapter(list[OwnTrial]).dump_json(all_of, indent=1))
        except OSError as error:
            raise Refused(f"{path}: the trial cannot be kept: {error.strerror}") from error
    kept.cache_clear()
    return [*map(kept_file, by_machine)]


@cache
def kept(machine: str) -> Mapping[Way, OwnTrial]:
    """The trials that are kept of a machine; none where there is no file, or another, which is said."""
    path = kept_file(machine)
    try:
        told: list[OwnTrial] = adapter(list[OwnTrial]).validate_json(read_plain(path, _LARGEST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValidationError) as error:
        why = error.strerror if isinstance(error, OSError) else error.errors()[0]["msg"]
        note(f"oneblock: {path}: expected the trials of this processor, got others: {why}; "
             "`oneblock trial --cpu RECORDS` writes it anew")  # fmt: skip
        return {}
    return {one.way: one for one in told if one.way.machine == machine}
