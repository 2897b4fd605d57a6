"""What a record knows beside a stage's text: of each kernel, file and source line, the steps that it serves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from oneblock.compilers.api.facts import Facts
from oneblock.compilers.dialects import hlo as _lines_hlo
from oneblock.compilers.dialects._lines import Context, Steps

_LAUNCH = re.compile(r"^\d+ +(\S+) +(\S+) +\(\d")  # number, step, kernel and its grid
_CALL = re.compile(r"^# call \d+, step (\S+): ")
_PLACE = re.compile(r"^((\w+\.py):\d+) ")


def context(facts: Facts | None, texts: Mapping[str, str], steps: Sequence[str]) -> Context:
    """The context of one record's stages; `texts` are those of them that are at hand, by dialect.

    The names: a kernel's (of a GPU also that of its entry, and the label of "ttir:LABEL"), a function's of TVM,
    "03-linear" of a call in "instructions:03-linear", and of NKI's sources "linear.py" and "linear.py:73".
    """
    found = _joined(_of_facts(facts)) if facts is not None else {}
    found |= _joined(_of_launches(texts.get("launches", "")))  # which tells apart what the facts have under one name
    found |= _joined(_of_trace(texts.get("nki-trace", "")))
    of_fusions = any(dialect.startswith(("llvm:", "asm:")) for dialect in texts)
    if of_fusions and "hlo" in texts:  # whose fusions tell of XLA's kernels for the CPU
        found |= _joined(_lines_hlo.kernels(texts["hlo"], steps).items())
    ordered = {name: tuple(step for step in steps if step in of) for name, of in found.items()}
    return Context(tuple(steps), {name: of for name, of in ordered.items() if of})


def _joined(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, of in pairs:
        found[name] |= set(of)
    return dict(found)


def named(text: str | None, steps: Sequence[str]) -> Steps:
    """Of "rope+attention" those that are steps, each once."""
    return tuple(dict.fromkeys(step for step in (text or "").split("+") if step in steps))


def _of_facts(facts: Facts) -> Iterator[tuple[str, Sequence[str]]]:
    for kernel in facts.gpu_kernels:
        of = (kernel.step or "").split("+")
        for name in {kernel.name, kernel.name.replace(".", "_"), kernel.entry or kernel.name}:
            yield name, of
    for one in facts.kernels:
        yield one.name, [one.step or ""]
    for call in facts.tir_calls:
        yield call.function, call.steps
    for number, issued in enumerate(facts.neuron_calls):
        yield issued.kernel, [issued.step or ""]
        yield f"{number:02d}-{issued.kernel}", [issued.step or ""]


def _of_launches(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """By label, which the facts lack: kernels of one name that differ in their machine code are numbered in it."""
    for line in text.splitlines():
        if launch := _LAUNCH.match(line):
            yield launch[2], launch[1].split("+")


def _of_trace(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """By file and by line of NKI's sources, of the calls in which they issued something."""
    step = ""
    for line in text.splitlines():
        if call := _CALL.match(line):
            step = call[1]
        elif place := _PLACE.match(line):
            yield place[1], [step]
            yield place[2], [step]
