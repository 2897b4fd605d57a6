"""Rows of FOCUS: what each says of a plan, and what the FinOps Foundation's own validator says of them.

`nox -s focus` has the validator, in an environment of its own, and none of this skips there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from oneblock.bench.cost.focus import Row, as_csv, focus_rows
from oneblock.bench.cost.told import read_plan
from tests.helpers.plan_files import FIRST, SECOND, UNPRICED, plan_data, plan_file

VALIDATOR = os.environ.get("ONEBLOCK_FOCUS_VALIDATOR", "")  # the folder of its environment
TARGETS = (FIRST, SECOND, UNPRICED, "cuda:sm_75")
# What a provider does for which a plan has rows; of the rest, such as commitments, it has none.
APPLIES = (
    "ACCOUNT_NAMING_SUPPORTED", "MULTIPLE_PRICING_CATEGORIES_SUPPORTED", "NEGOTIATED_PRICING_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED", "REGION_SUPPORTED", "TAGGING_SUPPORTED", "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
)  # fmt: skip
# InvoiceId is to be null where there is no invoice (C-004), and not null where there is one (C-005). The validator asks
# both of every row, and then that one of them holds (C-003), which it must.
EITHER = {"InvoiceId-C-005-C"}


def rows(folder: Path) -> list[Row]:
    return focus_rows(read_plan(plan_file(folder)), TARGETS)


def test_a_row_is_an_hour_of_all_replicas(tmp_path: Path) -> None:
    first, second = rows(tmp_path)
    assert (first["SkuId"], second["SkuId"]) == (FIRST, SECOND), "the third has no price, and the fourth does not serve"
    assert first["BilledCost"] == first["EffectiveCost"] == first["ListCost"] == first["ContractedCost"] == "6.5"
    assert Decimal(first["ListUnitPrice"]) * Decimal(first["PricingQuantity"]) == Decimal(first["ListCost"])
    assert Decimal(first["ConsumedQuantity"]) == Decimal("4.5") * 3600 * (1024 + 256)
    assert Decimal(first["x_IdleCost"]) == Decimal("6.5") / 4
    assert (first["ChargePeriodStart"], first["ChargePeriodEnd"]) == ("2026-11-30T00:00:00Z", "2026-11-30T01:00:00Z")
    assert (first["BillingPeriodStart"], first["BillingPeriodEnd"]) == ("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
    assert (first["PricingCategory"], second["PricingCategory"]) == ("Standard", "Dynamic")
    assert "modelled, never billed" in first["ChargeDescription"]
    assert json.loads(first["Tags"])["kind"] == first["x_Kind"] == "modelled"


def test_without_a_rate_the_tokens_are_those_that_the_devices_serve(tmp_path: Path) -> None:
    path = plan_file(tmp_path, traffic=plan_data()["traffic"] | {"rate": None})
    first = focus_rows(read_plan(path), [FIRST])[0]
    assert Decimal(first["ConsumedQuantity"]) == Decimal("45.25") * 2 * 3600 * 1280


def test_the_file_has_the_rows_and_no_number_has_an_exponent(tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    path.write_bytes(as_csv(rows(tmp_path)))
    with path.open(newline="") as file:
        assert [*csv.DictReader(file)] == rows(tmp_path)
    told = [item for row in rows(tmp_path) for item in row.items()]
    numbers = [value for name, value in told if re.search("Cost$|UnitPrice|Quantity", name)]
    assert all(re.fullmatch(r"\d+\.\d+", value) for value in numbers)


def failures(path: Path) -> set[str]:
    """The rules that the validator says are broken; it exits well whatever it finds, and so its report is read."""
    validator = Path(VALIDATOR)
    site = next((validator / "lib").glob("python3*")) / "site-packages"  # its list of currencies is sought from there
    words = ["--data-file", str(path), "--block-download", "--validate-version", "1.2"]
    words += ["--applicability-criteria", ",".join(APPLIES)]
    command = [str(validator / "bin" / "focus-validator"), *words]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=True, timeout=300)
    counted = re.search(r"Total: (\d+) \| Pass: (\d+) \| Fail: (\d+)", done.stdout)
    assert counted is not None, done.stdout[-2000:]
    found = set(re.findall(r"([A-Za-z]+-[A-Z]-\d{3}-[A-Z]): FAIL", done.stdout))
    assert len(found) == int(counted[3])
    assert int(counted[2]) > 200
    return found


def without(name: str) -> Callable[[list[Row]], list[Row]]:
    return lambda found: [{key: value for key, value in row.items() if key != name} for row in found]


def having(**changes: str) -> Callable[[list[Row]], list[Row]]:
    return lambda found: [row | changes for row in found]


@pytest.mark.skipif(not VALIDATOR, reason="the validator of FOCUS has a session: `nox -s focus`")
@pytest.mark.parametrize(
    ("changed", "broken"),
    [
        (having(), EITHER),
        (without("BilledCost"), {"CostAndUsage-D-006-M"}),
        (
            having(BillingCurrency="usd1", ServiceCategory="Tokens", BilledCost="", ChargePeriodEnd="tomorrow"),
            {"BillingCurrency-C-003-M", "ServiceCategory-C-003-M", "BilledCost-C-003-M", "ChargePeriodEnd-C-001-M"},
        ),
    ],
    ids=["as it is", "without a cost", "wrong in four"],
)  # fmt: skip
def test_the_validator_passes_rows_of_a_plan_and_no_wrong_ones(
    tmp_path: Path, changed: Callable[[list[Row]], list[Row]], broken: set[str]
) -> None:
    path = tmp_path / "focus.csv"
    path.write_bytes(as_csv(changed(rows(tmp_path))))
    found = failures(path)
    assert found == EITHER if broken is EITHER else found > broken
