"""A plan is read back as it was told, and whatever is no plan is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.commands.plan import COMMAND
from oneblock.bench.cost.told import LARGEST_BYTES, read_plan
from oneblock.bench.format.errors import Refused
from tests.bench.cost.test_prices import GOOD, prices
from tests.helpers.plan_files import choice, plan_data, plan_file
from tests.helpers.stage_records import run


def test_what_the_command_answers_is_a_plan(tmp_path: Path) -> None:
    targets = ("--target", "cuda:sm_90", "--target", "tpu:v6e", "--target", "cuda:sm_75")
    code, said = run(COMMAND, *targets, "--slo", "itl=50ms", "--prices", prices(tmp_path, GOOD), "--json")
    assert code == 0
    path = tmp_path / "plan.json"
    path.write_text(said)
    plan = read_plan(path).plan
    assert [one.target for one in plan.choices] == ["cuda:sm_90", "tpu:v6e", "cuda:sm_75"]
    first, second, third = plan.choices
    assert first.price is not None
    assert (first.price.per_device_hour, first.price.region) == (3.0, "somewhere-1")
    assert second.price is None
    assert "no peak of bfloat16" in str(third.why)


def deep() -> str:
    return '{"schema":"oneblock plan 1","choices":' + "[" * 100_000


def changed(**changes: Any) -> str:
    return json.dumps(plan_data() | changes)


def of_first(**changes: Any) -> str:
    first, *others = plan_data()["choices"]
    return changed(choices=[first | changes, *others])


NO_PLANS = {
    "nothing": ("", "not JSON"),
    "no JSON": ("date = 1", "not JSON"),
    "a list": ("[]", "expected the schema 'oneblock plan 1', got None"),
    "a record": ('{"schema": 9}', "got 9"),
    "a later plan": (changed(schema="oneblock plan 2"), "got 'oneblock plan 2'"),
    "deep": (deep(), "not JSON"),
    "another kind": (changed(kind="measured"), "kind: Input should be 'modelled'"),
    "another key": (changed(extra=1), "extra: Unexpected keyword argument"),
    "no choices": (changed(choices=[]), "choices: Tuple should have at least 1 item"),
    "a number in words": (of_first(itl_s={"middle": "many", "low": 1, "high": 2}), "choices.0.itl_s.middle"),
    "not a number": (of_first(itl_s={"middle": float("nan"), "low": 1, "high": 2}), "not JSON"),
    "endless": (of_first(itl_s={"middle": "Infinity", "low": 1, "high": 2}), "choices.0.itl_s.middle"),
    "half a device": (of_first(devices=0.5), "choices.0.devices"),
    "no device": (of_first(devices=None), "serves, and without a time"),
    "a formula for a provider": (
        of_first(price={"per_device_hour": 1, "provider": "=A1", "region": "r", "kind": "spot"}),
        "choices.0.price.provider",
    ),
    "another kind of price": (
        of_first(price={"per_device_hour": 1, "provider": "a", "region": "r", "kind": "cheap"}),
        "a kind that no file of prices has",
    ),
    "money without a price": (of_first(price=None), "money without a price"),
    "a strange currency": (changed(currency="usd1"), "currency: String should match"),
    "no currency": (changed(currency=None), "a day without a currency"),
    "no day": (changed(prices_as_of="2026-13-01"), "prices_as_of"),
    "a day that is none": (changed(prices_as_of="2026-02-31"), "prices_as_of: no such day"),
    "twice": (changed(choices=[choice("cuda:sm_90", 1.0, 3.0)] * 2, flips=[]), "two choices of one target"),
    "a flip of another": (changed(choices=plan_data()["choices"][:1]), "a flip of cuda:sm_80"),
    "an assumption of its own": (
        changed(flips=[plan_data()["flips"][0] | {"assumption": "12 <b>"}]),
        "flips.0.assumption",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), NO_PLANS.values(), ids=NO_PLANS)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(Refused, match=r"oneblock plan --json > plan\.json") as refused:
        read_plan(path)
    assert sentence in str(refused.value)


def test_a_huge_file_a_link_and_a_folder_are_not_read(tmp_path: Path) -> None:
    huge, link = tmp_path / "huge.json", tmp_path / "link.json"
    with huge.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    link.symlink_to(plan_file(tmp_path))
    for path, why in ((huge, "more than the"), (link, "it is a link"), (tmp_path, "expected a plain file")):
        with pytest.raises(Refused, match=why):
            read_plan(path)
