"""Every configuration of a launch timed on the device that is here, beside what the static model says of it."""

from __future__ import annotations

from dataclasses import replace

import torch
import triton

from oneblock.backends._triton.plan import PlannedLaunch
from oneblock.backends._triton.runners import start

_REP_MS = 20  # of repetitions; Triton flushes L2 before each and takes the times with CUDA events


def measured(one: PlannedLaunch) -> PlannedLaunch:
    """The same launch with the seconds of each way that can be built: a ranking by the clock beside that by the model.

    The arguments have the shapes of the program's, and random values, which no kernel of ours depends on.
    """
    if not one.ways:
        return one
    found = []
    for (number, config), candidate in zip(one.ways, one.candidates, strict=True):
        if candidate.modelled_s is None:
            found.append(candidate)
            continue
        call = one.started.alternatives[number]
        args = tuple(_real(arg) for arg in call.args(config))
        there = replace(call, args=lambda _, args=args: args)  # type: ignore[misc]
        took_ms = triton.testing.do_bench(lambda: start(there, config), rep=_REP_MS, return_mode="median")  # noqa: B023
        found.append(replace(candidate, measured_s=took_ms * 1e-3))
    return replace(one, candidates=tuple(found))


def _real(arg: object) -> object:
    """An argument on the device in the place of one without data."""
    if isinstance(arg, torch.Tensor):
        return torch.empty_strided(arg.shape, arg.stride(), dtype=arg.dtype, device="cuda").normal_()
    if hasattr(arg, "block_shape"):  # a tensor descriptor: the same one over real memory
        return replace(arg, base=_real(arg.base))  # type: ignore[attr-defined,type-var]
    return arg
