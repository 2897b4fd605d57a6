"""The generations of the NeuronCore by name: a kernel runs on one, and there is no default."""

from __future__ import annotations

from oneblock.compilers.chips import every
from oneblock.compilers.chips.chip import Generation, NeuronCore


def generations() -> dict[Generation, list[str]]:
    """Each generation, with the instances that have it: ["inf2", "trn1"]."""
    found: dict[Generation, list[str]] = {}
    for core in every(NeuronCore):
        found.setdefault(core.generation, []).append(core.architecture)
    return found


def generation(name: str) -> Generation:
    """By its own name ("v2"), an instance's ("trn1") or the vendor's variable's ("gen2"); LookupError lists them."""
    known = []
    for one, instances in generations().items():
        if name in (one.name, f"gen{one.number}", *instances):
            return one
        known += [one.name, *instances]
    raise LookupError(f"generation {name!r}: expected one of {', '.join(known)}; there is no default")
