"""A record of a compiled program with its list of HBM traffic: a weight that is fetched for the next call, x and y."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from oneblock.bench.records.record import Record
from oneblock.compilers.api.facts import Facts, StepFacts
from oneblock.compilers.api.traffic import Traffic, Transfer
from tests.bench.report.test_report_compiled import compiled

WEIGHT, SMALL = 4_000_000, 20_000
HEAD = Transfer("gate_weight", "read", "copy-start", "mlp", WEIGHT, 1, "a call before this has done it", True)
END = Transfer("gate_weight", "read", "copy-start.1", "mlp", WEIGHT, 1, "for the next call")
X = Transfer("x", "read", "fusion.7", "norm1", SMALL, 2, "operand")
Y = Transfer("y.3", "written", "fusion.9", "mlp", SMALL, 1, "result of the program")
TRAFFIC = Traffic("HLO", (HEAD, X, Y, END))
STEPS = (StepFacts("norm1", 1, 1.0, 2.0 * SMALL, None), StepFacts("mlp", 3, 1.0, float(WEIGHT + SMALL), None))


def listed(**changes: Any) -> Record:
    """The record; `changes` are of its facts."""
    facts = Facts(hbm_bytes=float(WEIGHT + 3 * SMALL), steps=STEPS, traffic=TRAFFIC)
    return replace(compiled(), facts=replace(facts, **changes))
