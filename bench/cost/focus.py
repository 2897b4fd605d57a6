"""Costs of a plan as rows of FOCUS 1.2, the FinOps Foundation's specification of costs and usage. Kind: modelled.

A row is an hour of a choice, from the first moment of the day of the prices: all its replicas, idle time included. The
one price that a file of prices has of it is list, contract and bill alike; nobody was ever billed for a plan.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from decimal import Decimal

from oneblock.bench.cost.told import PlanFile, ToldChoice, ToldPlan

_CATEGORIES = {"on demand": "Standard", "spot": "Dynamic"}  # by kind of price; the others hold no commitment of FOCUS's
_OURS = "x_"  # before what FOCUS has no column for
Row = dict[str, str]


def focus_rows(file: PlanFile, targets: Collection[str]) -> list[Row]:
    """A row for each of these targets that serves and has a price."""
    return [
        _row(file, one) for one in file.plan.choices if one.target in targets and one.able and one.price is not None
    ]


def as_csv(rows: Sequence[Row]) -> bytes:
    """The rows under one head; what is null is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _row(file: PlanFile, one: ToldChoice) -> Row:
    plan, price, devices = file.plan, one.price, (one.devices or 1) * (one.replicas or 1)
    assert price is not None  # nor is there one without a currency, or without devices: see ToldPlan.unsound
    unit, hours = Decimal(repr(price.per_device_hour)), Decimal(devices)
    cost, provider = _number(unit * hours), price.provider
    words = f"one hour of {plan.model} in {plan.dtype} on {devices} {one.target}"
    tokens = _tokens(plan, one)
    tags = {"kind": plan.kind, "model": plan.model, "dtype": plan.dtype, "target": one.target}
    sku = f"{one.target}, {price.region}"
    return _moments(plan) | {
        "BilledCost": cost, "EffectiveCost": cost, "ListCost": cost, "ContractedCost": cost,
        "BillingCurrency": plan.currency or "",
        "BillingAccountId": "oneblock plan", "BillingAccountName": "oneblock plan",
        "ChargeCategory": "Usage", "ChargeClass": "", "ChargeDescription": f"modelled, never billed: {words}",
        "ChargeFrequency": "Usage-Based", "CommitmentDiscountStatus": "",
        "ConsumedQuantity": _number(tokens), "ConsumedUnit": "Tokens",
        "ContractedUnitPrice": _number(unit), "ListUnitPrice": _number(unit),
        "InvoiceId": "", "InvoiceIssuerName": provider, "ProviderName": provider, "PublisherName": provider,
        "PricingCurrency": plan.currency or "", "PricingCurrencyContractedUnitPrice": _number(unit),
        "PricingCurrencyEffectiveCost": cost, "PricingCurrencyListUnitPrice": _number(unit),
        "PricingCategory": _CATEGORIES.get(price.kind, "Other"), "PricingQuantity": _number(hours),
        "PricingUnit": "Hours", "RegionId": price.region, "RegionName": price.region,
        "ServiceCategory": "AI and Machine Learning", "ServiceSubcategory": "Generative AI",
        "ServiceName": f"{plan.model} inference", "SkuId": one.target, "SkuMeter": "Device hours",
        "SkuPriceId": f"{sku}, {price.kind}", "SkuPriceDetails": "", "Tags": json.dumps(tags),
        f"{_OURS}IdleCost": _number(unit * hours * (1 - Decimal(repr(one.utilisation or 1.0)))),
        f"{_OURS}Kind": plan.kind, f"{_OURS}PlanSha256": file.sha256,
    }  # fmt: skip


def _moments(plan: ToldPlan) -> Row:
    """The hour of the charge, and the month of the bill."""
    assert plan.prices_as_of is not None
    day = date.fromisoformat(plan.prices_as_of)
    month = day.replace(day=1)
    following = (month + timedelta(days=31)).replace(day=1)
    return {
        "BillingPeriodStart": f"{month}T00:00:00Z", "BillingPeriodEnd": f"{following}T00:00:00Z",
        "ChargePeriodStart": f"{day}T00:00:00Z", "ChargePeriodEnd": f"{day}T01:00:00Z",
    }  # fmt: skip


def _tokens(plan: ToldPlan, one: ToldChoice) -> Decimal:
    """In and out in an hour: as many as the traffic has, or without a rate as many as all replicas serve."""
    rate = plan.traffic.rate
    if rate is None:
        assert one.requests_per_s is not None
        rate = one.requests_per_s.middle * (one.replicas or 1)
    return Decimal(repr(rate)) * 3600 * (plan.traffic.prompt + plan.traffic.answer)


def _number(value: Decimal) -> str:
    """As FOCUS has numbers: to a billionth, without an exponent; with a point, or readers take it for an integer."""
    digits = f"{round(value, 9):.9f}".rstrip("0")
    return f"{digits}0" if digits.endswith(".") else digits
