"""Prices of the user, out of a dated TOML file: what an hour of a device costs, by whom and where.

date = 2026-11-30
currency = "USD"

[[prices]]
target = "cuda:sm_90"
per_hour = 24.0         # of an instance
devices = 8             # of that target in it, as programs count them: of a TPU v7x two a chip
provider = "somebody"
region = "somewhere-1"
kind = "on demand"      # or reserved, spot, owned
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.compilers import chips
from oneblock.compilers.api.files import read_plain
from oneblock.compilers.chips.chip import Chip
from oneblock.workloads.ops.nearest import unknown

# Rows of costs are opened in spreadsheets, which take a text that begins with one of four signs for a formula.
NAME = r"^[^=+@\s\x00-\x1f\x7f-][^\x00-\x1f\x7f]*$"
KINDS = ("on demand", "reserved", "spot", "owned")
_WORDS = ("provider", "region", "kind")
_KEYS = ("target", "per_hour", "devices", *_WORDS)
_LARGEST_BYTES = 2**20
_LONGEST = 80  # characters of a word


@dataclass(frozen=True)
class Price:
    """What one device costs an hour, in the currency of its file."""

    target: str
    per_device_hour: float
    provider: str
    region: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}, {self.provider}, {self.region}"


@dataclass(frozen=True)
class Prices:
    """The prices of a file, by target."""

    as_of: date
    currency: str
    by_target: Mapping[str, Price]


def read_prices(path: Path) -> Prices:
    """The prices of a file; Refused says what is wrong with it."""
    try:
        told = tomllib.loads(read_plain(path, _LARGEST_BYTES).decode())
    except OSError as error:
        raise Refused(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: not a readable TOML file: {str(error)[:200]}") from error
    _only(path, "", told, ("date", "currency", "prices"))
    as_of, currency, listed = told.get("date"), told.get("currency"), told.get("prices")
    if type(as_of) is not date or as_of.year < 2000:
        raise Refused(f"{path}: date: expected the day of the prices, as date = 2026-11-30, got {as_of!r}")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise Refused(f'{path}: currency: expected one of three letters for all prices, as "USD", got {currency!r}')
    if not (isinstance(listed, list) and listed and all(isinstance(one, dict) for one in listed)):
        raise Refused(f"{path}: prices: expected one or more tables [[prices]], got {listed!r:.60}")
    found = [_price(path, number, one) for number, one in enumerate(listed, 1)]
    target, times = Counter(one.target for one in found).most_common(1)[0]
    if times > 1:
        raise Refused(f"{path}: {target} has {times} prices: expected one, so that a sum has one meaning")
    return Prices(as_of, currency, {one.target: one for one in found})


def _price(path: Path, number: int, told: dict[str, Any]) -> Price:
    where = f"price {number}: "
    if "currency" in told:
        raise Refused(f"{path}: {where}currency: expected one for the whole file, beside the date")
    _only(path, where, told, _KEYS)
    if missing := [key for key in _KEYS if key not in told]:
        raise Refused(f"{path}: {where}expected {', '.join(_KEYS)}; {', '.join(missing)} not there")
    target, per_hour, devices = told["target"], told["per_hour"], told["devices"]
    known = [*(chip.target for chip in chips.every(Chip)), "cpu"]
    if target not in known:
        raise Refused(f"{path}: {where}{unknown('target', str(target)[:_LONGEST], known)}")
    if isinstance(per_hour, bool) or not isinstance(per_hour, (int, float)) or not 0 < per_hour < 1e9:
        raise Refused(f"{path}: {where}per_hour: expected more than 0 for an instance, got {per_hour!r}")
    if isinstance(devices, bool) or not isinstance(devices, int) or not 1 <= devices <= 10**6:
        raise Refused(f"{path}: {where}devices: expected how many devices an instance has, got {devices!r}")
    for key in _WORDS:
        word = told[key]
        if not (isinstance(word, str) and len(word) <= _LONGEST and word.isprintable() and re.search(NAME, word)):
            expected = f"up to {_LONGEST} printable characters, the first no space and none of = + - @"
            raise Refused(f"{path}: {where}{key}: expected {expected}, got {word!r:.60}")
    if told["kind"] not in KINDS:
        raise Refused(f"{path}: {where}kind: expected one of {', '.join(KINDS)}, got {told['kind']!r}")
    each = per_hour / devices
    assert isfinite(each)
    return Price(target, each, *(told[key] for key in _WORDS))


def _only(path: Path, where: str, told: dict[str, Any], keys: tuple[str, ...]) -> None:
    if strange := [key for key in told if key not in keys]:
        raise Refused(f"{path}: {where}{unknown('key', strange[0][:_LONGEST], list(keys))}")
