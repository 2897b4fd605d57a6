"""A plan as `oneblock plan --json` told it, read back like a stranger's file. Kind: modelled."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError
from pydantic_core import from_json

from oneblock.bench.cost.prices import KINDS, NAME
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.reading import adapter
from oneblock.compilers.api.files import read_plain

SCHEMA: Literal["oneblock plan 1"] = "oneblock plan 1"
LARGEST_BYTES = 16 * 2**20
_STRICT = {"extra": "forbid", "allow_inf_nan": False, "str_max_length": 2000}
Name = Annotated[str, Field(max_length=200, pattern=NAME)]
Amount = Annotated[float, Field(ge=0, le=1e18)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Cost = Amount | Literal["Infinity"]  # of one that beyond a flip point cannot serve


@dataclass(frozen=True)
class Range:
    """A modelled figure, and the range in which nine tenths of held-out launches lie."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    middle: Amount
    low: Amount
    high: Amount


@dataclass(frozen=True)
class ToldPrice:
    """What a device costs an hour, as the file of prices had it."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    per_device_hour: Annotated[float, Field(gt=0, lt=1e9)]
    provider: Name
    region: Name
    kind: Name


@dataclass(frozen=True)
class ToldChoice:
    """A chip of the plan; what does not serve has a reason, and nothing but that."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    target: Name
    able: bool
    why: str | None
    devices: Count | None = None
    batch: Count | None = None
    replicas: Count | None = None
    utilisation: Annotated[float, Field(gt=0, le=1 + 1e-9)] | None = None
    rows_of_this_chip: bool | None = None
    scratch_bytes: Amount | None = None
    joules_per_token: Amount | None = None
    steps: dict[str, Amount] | None = None
    prompt_s: Range | None = None
    step_s: Range | None = None
    ttft_s: Range | None = None
    itl_s: Range | None = None
    device_s_per_request: Range | None = None
    requests_per_s: Range | None = None
    tokens_per_s: Range | None = None
    per_million_in: Range | None = None
    per_million_out: Range | None = None
    per_million_in_allocated: Range | None = None
    per_million_out_allocated: Range | None = None
    per_request: Range | None = None
    price: ToldPrice | None = None


@dataclass(frozen=True)
class ToldTraffic:
    """What was asked to be served."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    prompt: Count
    answer: Count
    rate: Annotated[float, Field(gt=0, le=1e12)] | None


@dataclass(frozen=True)
class ToldObjective:
    """How soon tokens must come; None: as they do."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    ttft_s: Amount | None
    itl_s: Amount | None


@dataclass(frozen=True)
class ToldFlip:
    """Where the order of two choices turns, with the costs of both a thousandth on either side."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    better: Name
    other: Name
    assumption: Literal["price", "speed", "utilisation", "prompt", "answer", "itl", "ttft"]
    of: Name | None
    by: Annotated[float, Field(gt=0, le=1e6)]
    before: tuple[Cost, Cost]
    beyond: tuple[Cost, Cost]


@dataclass(frozen=True)
class ToldRecord:
    """What a record says of the model's block, each number of the kind that its name says."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    record: str
    target: Name
    backend: Name
    status: Name
    measured_s: Amount | None
    scratch_bytes: Amount | None
    hbm_bytes: Amount | None
    modelled_s: Amount | None


@dataclass(frozen=True)
class ToldPlan:
    """All of it."""

    __pydantic_config__: ClassVar[Any] = _STRICT
    schema: Literal["oneblock plan 1"]
    model: Name
    dtype: Name
    kind: Literal["modelled"]
    traffic: ToldTraffic
    objective: ToldObjective
    prices_as_of: Annotated[str, Field(pattern=r"^20\d\d-\d\d-\d\d$")] | None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] | None
    choices: Annotated[tuple[ToldChoice, ...], Field(min_length=1, max_length=1000)]
    flips: Annotated[tuple[ToldFlip, ...], Field(max_length=100_000)]
    records: Annotated[tuple[ToldRecord, ...], Field(max_length=100_000)] = ()

    def unsound(self) -> str | None:
        """What of it cannot be together, as a sentence."""
        targets = [one.target for one in self.choices]
        if len({*targets}) < len(targets):
            return "two choices of one target"
        if (self.currency is None) != (self.prices_as_of is None):
            return "a currency without the day of its prices, or a day without a currency"
        if self.prices_as_of is not None and not _is_day(self.prices_as_of):
            return f"prices_as_of: no such day as {self.prices_as_of}"
        for one in self.choices:
            for name, value in vars(one).items():
                if isinstance(value, Range) and not value.low <= value.middle <= value.high:
                    return f"{one.target}: {name}: a middle outside its range, or a range that ends before it begins"
            if (one.price is None) != (one.per_request is None):
                return f"{one.target}: money without a price, or a price without money"
            if one.price is not None and (self.currency is None or one.price.kind not in KINDS):
                return f"{one.target}: a price of no currency, or of a kind that no file of prices has"
            if one.able and None in (one.itl_s, one.devices, one.replicas, one.requests_per_s):
                return f"{one.target}: serves, and without a time or a number of devices"
        if strange := {name for one in self.flips for name in (one.better, one.other)} - {*targets}:
            return f"a flip of {min(strange)}, which is no choice of it"
        return None


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class PlanFile:
    """A plan, the text that it was read of, what that has by key, and its SHA-256."""

    plan: ToldPlan
    raw: bytes
    told: Any
    sha256: str


def read_plan(path: Path) -> PlanFile:
    """The plan of a file; Refused says why it is none, and what makes one."""
    how = "`oneblock plan --json > plan.json` makes one"
    try:
        raw = read_plain(path, LARGEST_BYTES)
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error
    try:
        told = from_json(raw, allow_inf_nan=False)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: no plan, for it is not JSON ({str(error)[:120]}); {how}") from error
    given = told.get("schema") if isinstance(told, dict) else None
    if given != SCHEMA:
        raise Refused(f"{path}: no plan: expected the schema {SCHEMA!r}, got {ascii(given)[:60]}; {how}")
    try:
        plan: ToldPlan = adapter(ToldPlan).validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(ascii(part)[:60].strip("'") for part in first["loc"])
        raise Refused(f"{path}: no plan: {where}: {first['msg'][:200]}; {how}") from error
    if (why := plan.unsound()) is not None:
        raise Refused(f"{path}: no plan: {ascii(why)[1:-1]}; {how}")
    return PlanFile(plan, raw, told, hashlib.sha256(raw).hexdigest())
