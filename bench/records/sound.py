"""What must hold of a record beyond the types of its fields, so that whatever reads it can rely on it.

Each rule here is one that something which shows or compares records needs: a stranger's record that breaks one is named
and left out, and those beside it are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from math import isclose
from typing import Any, NoReturn

from pydantic_core import from_json

from oneblock.bench.records.kinds import kinds
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.api.traffic import Traffic

_MOST_DIGITS = 100  # of a whole number: more than any count of operations, and short of where floats end
_LONG = 10**99  # a whole number from here on is looked at as text, digit by digit
_LARGEST, _SMALLEST = 1e60, 1e-150  # of any other number but 0, so that a ratio of two is finite
_SHA256 = re.compile("[0-9a-f]{64}")
_LONGEST_NAME = 2000  # characters, of a cell


class Unsound(ValueError):
    """JSON with a number that no record has, in which arithmetic would end."""


def parsed(raw: bytes) -> Any:
    """JSON as Python has it; ValueError where it is none, and Unsound where a number is out of all bounds.

    What is ordinary is read by a parser that takes a seventh of the time; what is not, by one that says what is odd.
    """
    with suppress(ValueError):
        found = from_json(raw, allow_inf_nan=False)
        if _is_ordinary(found):
            return found
    return json.loads(raw, parse_int=_whole, parse_float=_number, parse_constant=_constant)


def _is_ordinary(value: Any) -> bool:
    """Whether all numbers within are of sizes that a record's may have."""
    if isinstance(value, float):
        return value == 0 or _SMALLEST < abs(value) < _LARGEST
    if isinstance(value, int):
        return abs(value) < _LONG
    if not isinstance(value, list | dict):
        return True
    for one in value.values() if isinstance(value, dict) else value:
        if type(one) is float:  # as most are: looked at here, which takes half as long
            if one and not _SMALLEST < abs(one) < _LARGEST:
                return False
        elif type(one) is not str and not _is_ordinary(one):
            return False
    return True


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise Unsound(f"expected whole numbers of at most {_MOST_DIGITS} digits, got one of {len(text)}")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if value and not _SMALLEST < abs(value) < _LARGEST:
        raise Unsound(f"expected numbers of a size from {_SMALLEST:g} to {_LARGEST:g}, got {text[:40]}")
    return value


def _constant(text: str) -> NoReturn:
    raise Unsound(f"expected JSON, which has no {text}")


def unsound(record: Record) -> Iterator[str]:
    """What is wrong with a record, a sentence each."""
    if len(record.cell.name) > _LONGEST_NAME:
        yield f"expected a cell's name of at most {_LONGEST_NAME} characters, got {len(record.cell.name)}"
    if record.cell.case.workload.startswith("-"):
        yield f"expected a workload's name, got the option {record.cell.case.workload!r}"
    case, cell = record.cell.case, record.cell
    said = (case.workload, case.config.name, cell.dtype, cell.backend, cell.ops_set, str(cell.target), record.tier)
    paths = (cell.model or "", *(one.path for one in (cell.weights, cell.inputs) if one is not None))
    for own in cell.replaced:
        paths = (*paths, own.path)
        if not (own.operation.isidentifier() and own.function.isidentifier() and _SHA256.fullmatch(own.sha256)):
            yield f"expected an operation, a function and a SHA-256 of a kernel, got {own!r}"
    if "\0" in "".join((*said, *paths)):
        yield "expected words of its command, got a zero character, which none can have"
    if record.status is Status.PASSED and not record.launches:
        yield "expected samples of a cell that passed, got none: no record of a measurement"
    yield from _of_its_check(record)
    yield from _of_what_is_reported(record)
    if record.facts is not None and record.facts.traffic is not None:
        yield from _of_its_traffic(record.facts, record.facts.traffic)


def _of_its_traffic(facts: Facts, listed: Traffic) -> Iterator[str]:
    """Bytes conserve: what the list of arrays comes to is what is said of the whole, of each step and of its calls."""
    for one in listed.transfers:
        if one.bytes < 0 or one.times < 0:
            yield f"expected of {one.array} no fewer than 0 bytes and times, got {one.bytes} bytes {one.times} times"
    sums = {"the whole": (facts.hbm_bytes, listed.steady_bytes)}
    by_step = listed.steady_by_step
    for step in facts.steps:
        sums[f"the step {step.step}"] = (step.hbm_bytes, by_step.get(step.step, 0))
    by_call = [call.hbm_bytes for call in facts.launches]
    if by_call and None not in by_call:
        sums["the calls together"] = (sum(one for one in by_call if one is not None), listed.steady_bytes)
    for what, (said, found) in sums.items():
        if said is None or not isclose(said, found, rel_tol=1e-9):
            yield f"expected of {what} the {found} bytes of HBM traffic that its list of arrays comes to, got {said}"


def _of_its_check(record: Record) -> Iterator[str]:
    if record.check is None:
        return
    if not record.check.outputs:
        yield "expected a check of at least one output, got none: nothing was checked"
    for output in record.check.outputs:
        told = (output.p999_ulps, output.worst_index, output.worst_expected, output.worst_got)
        if output.relative_l2 is not None and None in told:
            yield f"expected of output {output.name} where its error is worst, as that is known, got nothing"


def _of_what_is_reported(record: Record) -> Iterator[str]:
    """A number of others' has its source, and stands beside none of ours."""
    if (record.kind is Kind.REPORTED) != (record.reported is not None):
        yield (
            f"expected a source of a reported number and of no other, got the kind {record.kind} and the "
            f"source {record.reported}: a number without its source is hearsay"
        )
    if record.reported is None and (borrowed := [where for where, kind in kinds(record) if kind is Kind.REPORTED]):
        yield (
            "expected the kind reported within a record that names its source alone, got it at "
            f"{', '.join(borrowed)}: a number without its source is hearsay, and stands beside none of ours"
        )
