"""The text of one kernel, or of several: its lines are of the steps that the kernel's launches serve."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from oneblock.compilers.dialects._lines import Context, Lines, Reader, Steps, named

_AROUND = re.compile(r"^(?:__compute_module_|__tvm_ffi_)|(?:_compute_|_kernel(?:_\d+)?|_elemental)$")
_ENTRY = re.compile(r"^(?:(?:\.visible )?\.entry ([\w$]+)|([\w.$]+):)")


def steps_of(symbol: str, kernels: Mapping[str, Steps]) -> Steps | None:
    """The steps of a kernel by the name that a toolchain made of it; None for a function that is no kernel."""
    plain = _AROUND.sub("", _AROUND.sub("", symbol))
    return next((tuple(kernels[name]) for name in (symbol, plain) if name in kernels), None)


def of_kernel(is_operation: Callable[[str], bool]) -> Reader:
    """A reader of texts of kernels, given which of their lines are operations."""

    def read(name: str, text: str, context: Context) -> Lines:
        lines = text.splitlines()
        of = (steps_of_name(name, context),) * len(lines) if name else tuple(_by_entry(lines, context))
        return Lines(of, tuple(map(is_operation, lines)), "kernel")

    return read


def _by_entry(lines: Sequence[str], context: Context) -> Iterator[Steps]:
    """Of a text of several kernels, as TVM's is, each from its entry on."""
    now: Steps = ()
    for line in lines:
        entry = _ENTRY.match(line)
        of = steps_of(entry[1] or entry[2], context.kernels) if entry else None
        now = now if of is None else named("+".join(of), context.steps)
        yield now


def steps_of_name(name: str, context: Context) -> Steps:
    """Of a kernel; one that is numbered, "linear.2", in a record that has only the name: of all with that name."""
    found = context.kernels.get(name) or context.kernels.get(re.sub(r"\.\d+$", "", name), ())
    return tuple(step for step in found if step in context.steps)
