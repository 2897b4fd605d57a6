"""What the DMA of one kernel's run moves: which array, in pieces of which size, how often, and how many times over."""

from __future__ import annotations

from collections import Counter

from oneblock.compilers.api.traffic import Direction, Transfer
from oneblock.compilers.nki.machine import Event, Machine
from oneblock.compilers.nki.memory import Storage


def transfers(machine: Machine, call: str, step: str | None) -> tuple[Transfer, ...]:
    """The transfers of a run, those alike counted; `call` tells its arrays from those of another call."""
    moves = [(*_moved(event), event) for event in machine.events if event.dma_bytes]
    storages = {storage.number: storage for storage, _, _ in moves}
    whole, alike = Counter[tuple[int, Direction]](), Counter[tuple[int, Direction, str, int]]()
    for storage, direction, event in moves:
        whole[storage.number, direction] += event.dma_bytes
        alike[storage.number, direction, event.instruction.removeprefix("nisa."), event.dma_bytes] += 1
    return tuple(
        Transfer(
            array=f"{storages[number].name or 'unnamed'} of {call}",
            direction=direction,
            operation=f"{call}: {instruction}",
            step=step,
            bytes=nbytes,
            times=times,
            reason=_reason(storages[number], whole[number, direction]),
        )
        for (number, direction, instruction, nbytes), times in alike.items()
    )


def _moved(event: Event) -> tuple[Storage, Direction]:
    """(the array in HBM, what is done with it); between two places on the chip, where it goes."""
    written = next((span.storage for span in event.writes if not span.storage.on_chip), None)
    if written is not None:
        return written, "written"
    read = next((span.storage for span in event.reads if not span.storage.on_chip), None)
    return (read, "read") if read is not None else (event.writes[0].storage, "written")


def _reason(storage: Storage, nbytes: int) -> str:
    if storage.on_chip:
        return "moved within the chip, by DMA"
    over = nbytes / storage.bytes
    return "in tiles, once" if 0.995 < over < 1.005 else f"in tiles, {over:.3g} times over"
