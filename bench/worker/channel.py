"""The worker's end of the line: a job comes as one line of JSON on standard input, events go as lines on descriptor 3.

Events while it works, then one `Answer`; a `Question` is answered on the same descriptor. Standard output and error are
the log.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json

from oneblock.bench.worker.guard import guard

if TYPE_CHECKING:
    from oneblock.bench.worker.events import Event, Question

ANSWERS = 3


def receive() -> dict[str, Any]:
    """The job, read before any toolchain is imported: from now on the worker dies with its parent, on its own CPUs."""
    guard(lifeline=0, answers=ANSWERS)
    request = _line(0, "the job never came")
    if request["cpus"] is not None:
        os.sched_setaffinity(0, request["cpus"])
    return request


def emit(event: Event) -> None:
    """One line to the parent, dataclasses as their fields; a parent that is gone is not waited for."""
    line = to_json(event, inf_nan_mode="constants") + b"\n"
    with open(ANSWERS, "wb", closefd=False) as answers:
        answers.write(line)


def ask(question: Question) -> dict[str, Any]:
    """What the parent answers to a question."""
    emit(question)
    return _line(ANSWERS, "nobody answers a question")


def _line(descriptor: int, otherwise: str) -> dict[str, Any]:
    line = bytearray()
    while not line.endswith(b"\n"):
        data = os.read(descriptor, 65536)
        if not data:
            sys.exit(otherwise)
        line += data
    said = json.loads(line)
    assert isinstance(said, dict)
    return said
