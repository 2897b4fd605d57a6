"""What a kernel needs of SBUF and PSUM at once, by its tensors' first and last uses.

A compiler allots memory by live ranges in the order of the program: from the instruction that first touches a tensor to
the one that last does. A tensor in PSUM takes whole banks, as a group of accumulated products does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from math import ceil

from oneblock.compilers.chips.makers.neuron_cores import PSUM_BANK_BYTES, PSUM_BANKS
from oneblock.compilers.nki.machine import Machine
from oneblock.compilers.nki.memory import PSUM, SBUF, Storage
from oneblock.compilers.nki.rules import RuleError

_SHOWN = 4


@dataclass(frozen=True)
class Occupancy:
    """The most that lives at once."""

    sbuf_bytes: int  # of a partition
    psum_banks: int


def units(storage: Storage) -> int:
    """What a tensor takes: bytes of a partition in SBUF, banks in PSUM."""
    return ceil(storage.bytes / PSUM_BANK_BYTES) if storage.buffer == PSUM else storage.bytes


def check(machine: Machine) -> Occupancy:
    """The peaks; RuleError at the allocation with which the tensors alive no longer fit."""
    limits = {SBUF: machine.generation.sbuf_bytes, PSUM: PSUM_BANKS}
    peaks = {SBUF: 0, PSUM: 0}
    starts, ends = defaultdict(list), defaultdict(list)
    for storage in machine.storages:
        if storage.buffer in limits and storage.first is not None and storage.last is not None:
            starts[storage.first].append(storage)
            ends[storage.last].append(storage)
    alive: dict[int, Storage] = {}
    used = dict.fromkeys(peaks, 0)
    for event in machine.events:
        for storage in starts[event.index]:
            alive[storage.number] = storage
            used[storage.buffer] += units(storage)
            peaks[storage.buffer] = max(peaks[storage.buffer], used[storage.buffer])
            if used[storage.buffer] > limits[storage.buffer]:
                _too_much(machine, storage, list(alive.values()), used[storage.buffer], limits[storage.buffer])
        for storage in ends[event.index]:
            del alive[storage.number]
            used[storage.buffer] -= units(storage)
    return Occupancy(peaks[SBUF], peaks[PSUM])


def _too_much(machine: Machine, last: Storage, alive: list[Storage], used: int, limit: int) -> None:
    what = "banks of PSUM" if last.buffer == PSUM else "bytes of a partition of SBUF"
    same = sorted((one for one in alive if one.buffer == last.buffer), key=units, reverse=True)
    largest = ", ".join(f"{units(one)} allocated at {one.place}" for one in same[:_SHOWN])
    said = (
        f"expected at most {limit} {what} alive at once on {machine.generation.name}, got {used} in "
        f"{len(same)} tensors: {largest}"
    )
    raise RuleError(f"{last.buffer.upper()} capacity", said, "nl.ndarray", last.place)
