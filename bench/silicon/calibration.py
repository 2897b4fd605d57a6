"""What the last trial found, kept so that nothing needs its rows: the numbers of chips by operator, and their range.

`python -m oneblock.bench.silicon.calibrating` finds them anew; the session `silicon` holds what is kept against that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from oneblock.bench.silicon.operators import OPERATORS

FILE = Path(__file__).with_name("assets") / "calibrations.json"
DTYPE = "bfloat16"  # that is kept


@dataclass(frozen=True)
class Calibration:
    """The model of an operator's launches on a chip, as far as rows tell."""

    operator: str
    dtype: str
    target: str | None  #: None: of a chip without rows, by those of all others
    numbers: Any  #: the Numbers of the operator's model
    low: float  #: of a time / the modelled one: nine tenths lie between
    high: float
    median_log: float  #: of held-out rows, |log(reported / modelled)|
    covered: tuple[float, float]  #: the least and the most of held-out rows that lie in the range, by chip
    by: str  #: whose kernels on which device; of None the chips that were left out in turn
    sha256: tuple[str, ...]  #: of the tables


@cache
def calibrations(dtype: str) -> Mapping[tuple[str | None, str], Calibration]:
    """Those that are kept of a dtype, by (target, operator)."""
    told = json.loads(FILE.read_text(encoding="utf-8"))
    found = [Calibration(**{**one, **_typed(one)}) for one in told if one["dtype"] == dtype]
    return {(one.target, one.operator): one for one in found}


def _typed(told: dict[str, Any]) -> dict[str, Any]:
    """What JSON has no types for."""
    numbers = OPERATORS[told["operator"]].model.numbers(**told["numbers"])
    return {"numbers": numbers, "covered": tuple(told["covered"]), "sha256": tuple(told["sha256"])}
