"""Prices of the user: dated, of one currency, and each wrong one is a sentence that names it."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from oneblock.bench.cost.prices import read_prices
from oneblock.bench.format.errors import Refused

GOOD = """date = 2026-11-30
currency = "USD"

[[prices]]
target = "cuda:sm_90"
per_hour = 24.0
devices = 8
provider = "somebody"
region = "somewhere-1"
kind = "on demand"
"""
ENTRY = GOOD[GOOD.index("[[") :]


def prices(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_device_costs_its_part_of_an_instance(tmp_path: Path) -> None:
    found = read_prices(prices(tmp_path, GOOD))
    assert found.as_of == date(2026, 11, 30)
    assert found.currency == "USD"
    assert found.by_target["cuda:sm_90"].per_device_hour == 3.0


WRONG = {
    "no date": (GOOD.replace("date = 2026-11-30\n", ""), "date: expected the day"),
    "a date in quotes": (GOOD.replace("2026-11-30", '"2026-11-30"'), "date: expected the day"),
    "no currency": (GOOD.replace('currency = "USD"\n', ""), "currency: expected one of three letters"),
    "a second currency": (GOOD + 'currency = "EUR"\n', "currency: expected one for the whole file"),
    "a negative price": (GOOD.replace("24.0", "-24.0"), "per_hour: expected more than 0"),
    "a price of nothing": (GOOD.replace("24.0", "0"), "per_hour: expected more than 0"),
    "a price in words": (GOOD.replace("24.0", '"24"'), "per_hour: expected more than 0"),
    "not a number": (GOOD.replace("24.0", "nan"), "per_hour: expected more than 0"),
    "half a device": (GOOD.replace("devices = 8", "devices = 0.5"), "devices: expected how many"),
    "another chip": (GOOD.replace("sm_90", "sm_91"), "unknown target"),
    "another key": (GOOD + "per_second = 1\n", "unknown key"),
    "another kind": (GOOD.replace("on demand", "cheap"), "kind: expected one of"),
    "no region": (GOOD.replace('region = "somewhere-1"\n', ""), "region not there"),
    "two prices of a chip": (GOOD + ENTRY, "cuda:sm_90 has 2 prices"),
    "no prices": (GOOD[: GOOD.index("[[")], "prices: expected one or more"),
    "a terminal's commands": (GOOD.replace("somebody", "some\\u001b[31mbody"), "provider: expected up to"),
    "a spreadsheet's formula": (GOOD.replace("somebody", "=cmd()"), "provider: expected up to"),
    "a day before these chips": (GOOD.replace("2026-11-30", "1999-11-30"), "date: expected the day"),
    "no TOML": ("date 2026", "not a readable TOML file"),
}


@pytest.mark.parametrize(("text", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Refused) as error:
        read_prices(prices(tmp_path, text))
    assert sentence in str(error.value)


def test_a_file_that_is_not_there_or_too_large_is_said(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read_prices(tmp_path / "none.toml")
    with pytest.raises(Refused, match="at most"):
        read_prices(prices(tmp_path, GOOD + "#" * 2**20))


def test_a_pipe_that_nobody_writes_to_is_no_file_of_prices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "prices.toml")
    with pytest.raises(Refused, match="cannot be read"):
        read_prices(tmp_path / "prices.toml")
