"""A plan as people read it: the answer and what would turn it, then a row for each chip. All of it is modelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np

from oneblock.bench.cost.flips import Flip
from oneblock.bench.cost.plan import Choice, Plan
from oneblock.bench.cost.prices import Prices
from oneblock.bench.cost.processor import Processing
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE
from oneblock.bench.cost.told import SCHEMA
from oneblock.bench.format.text import figures
from oneblock.bench.format.units import seconds, size
from oneblock.bench.terminal.fitted import Table
from oneblock.compilers.chips.chip import Tpu
from oneblock.workloads._workload import Phase

_LEAVES = ("J / token", "time goes to", "90 % of token", "utilisation", "first token")
_WORDS = {  # of an assumption, by its name: what is changed, and how
    "price": "{of} cost {by} its price", "utilisation": "{of} were used {by} as much",
    "speed": "{of} were {by} as fast as modelled", "prompt": "prompts were {by} as long",
    "answer": "answers were {by} as long", "itl": "a token might take {by} as long",
    "ttft": "a first token might take {by} as long",
}  # fmt: skip
_SHOWN = 3  # flips that are told


def table(plan: Plan) -> Table:
    """A row for each chip that serves, the best first."""
    currency = None if plan.asked.prices is None else plan.asked.prices.currency
    rated = plan.asked.traffic.rate is not None
    money = [] if currency is None else [f"in, {currency} / M", f"out, {currency} / M"]
    idle = [f"{heading}, idle too" for heading in money] if rated else []
    made = Table(leaves=(*_LEAVES, *idle))
    served = ["replicas", "utilisation"] if rated else []
    request = "a request" if currency is None else f"1,000 requests, {currency}"
    for heading in (
        "target", request, "devices", "batch", "first token", "token", "90 % of token", "tokens/s", *served, *money,
        *idle, "J / token", "time goes to",
    ):  # fmt: skip
        made.add_column(heading, no_wrap=True, justify="left" if heading in ("target", "time goes to") else "right")
    for one in plan.choices:
        if one.service is not None:
            made.add_row(*_row(one, rated=rated, priced=currency is not None))
    return made


def _row(one: Choice, *, rated: bool, priced: bool) -> Iterator[str]:
    service = one.service
    assert service is not None
    yield one.target if service.met else f"{one.target} *"
    cost = service.per_request() if priced else service.device_s
    yield "" if cost is None else figures(cost[MIDDLE], 1e3) if priced else seconds(cost[MIDDLE])
    yield from (str(service.devices), str(service.B))
    yield from (seconds(service.ttft_s[MIDDLE]), seconds(service.itl_s[MIDDLE]))
    yield f"{seconds(service.itl_s[LOW])} to {seconds(service.itl_s[HIGH])}"
    yield figures(service.tokens_per_s()[MIDDLE])
    if rated:
        yield from (str(service.replicas), f"{service.utilisation:.0%}")
    if priced:
        for allocated in (False, True)[: 1 + rated]:
            costs = service.per_million_in(allocated=allocated), service.per_million_out(allocated=allocated)
            yield from ("" if cost is None else figures(cost[MIDDLE]) for cost in costs)
    yield "" if one.joules_per_token is None else figures(one.joules_per_token)
    step = one.binds()
    yield "" if step is None else f"{step[0]} {step[1]:.0%}"


def what(plan: Plan) -> str:
    """What is served."""
    asked, itl, ttft = plan.asked, plan.asked.objective.itl_s, plan.asked.objective.ttft_s
    times = (("the first token", ttft), ("each further", itl))
    asks = [f"{name} within {seconds(most)}" for name, most in times if most is not None]
    return f"{asked.model.name} in {asked.dtype}, {', '.join([str(asked.traffic), *asks])}"


def answers(plan: Plan) -> Iterator[str]:
    """The answer in a sentence, and the assumptions that it hangs on most."""
    able = plan.able
    if not able:
        tried = [one for one in plan.choices if one.service is not None]
        near = f"; nearest is {tried[0].target}, {_times(tried[0])}" if tried else ""
        yield f"{what(plan)}: nothing here serves that{near}"
        return
    first = able[0]
    cost = f"{_cost(first, plan)} (modelled, as all below)"
    yield f"{what(plan)}: {first.target} serves a request for least, {cost}{_ahead(plan)}"
    for flip in _told(plan):
        yield turned(flip, plan)


def _ahead(plan: Plan) -> str:
    ranked = [one for one in plan.able if one.service is not None and _money(one) == _money(plan.able[0])]
    if len(ranked) < 2:
        return "; no other does"
    one, other = (_value(choice) for choice in ranked[:2])
    return f"; {ranked[1].target} follows at {other[MIDDLE] / one[MIDDLE]:.2f}x"


def _money(one: Choice) -> bool:
    return one.service is not None and one.service.per_device_hour is not None


def _value(one: Choice) -> np.ndarray:
    assert one.service is not None
    money = one.service.per_request()
    return one.service.device_s if money is None else money


def _cost(one: Choice, plan: Plan) -> str:
    """Of a request, with its range."""
    value, prices = _value(one), plan.asked.prices
    if prices is not None and _money(one):
        middle, low, high = (figures(value[end], 1e3) for end in (MIDDLE, LOW, HIGH))
        return f"{middle} {prices.currency} for a thousand ({low} to {high})"
    return f"{seconds(value[MIDDLE])} of a device ({seconds(value[LOW])} to {seconds(value[HIGH])})"


def _times(one: Choice) -> str:
    assert one.service is not None
    return f"a first token in {seconds(one.service.ttft_s[MIDDLE])} and one each {seconds(one.service.itl_s[MIDDLE])}"


def _told(plan: Plan) -> list[Flip]:
    """The nearest flip of each assumption of the best choice, those that hang on the smallest changes."""
    found: dict[str, Flip] = {}
    for flip in sorted((one for one in plan.flips if one.better == plan.able[0].target), key=lambda one: one.far):
        found.setdefault(flip.assumption, flip)
    return [*found.values()][:_SHOWN]


def turned(flip: Flip, plan: Plan) -> str:
    """A flip in words, and whether a device's range reaches it."""
    words = _WORDS[flip.assumption].format(of=flip.of, by=f"{flip.by:.3g} times")
    said = f"{flip.other} would be ahead of {flip.better} if {words}"
    choice = next((one for one in plan.choices if one.target == flip.of), None)
    if flip.assumption != "speed" or choice is None or choice.service is None:
        return said
    step = choice.service.step_s
    inside = step[LOW] / step[MIDDLE] <= 1 / flip.by <= step[HIGH] / step[MIDDLE]
    return f"{said}, which its 90 % range {'holds: the order is not certain' if inside else 'does not hold'}"


def data(plan: Plan) -> dict[str, Any]:
    """The same for other programs, in seconds, joules and the currency of the prices."""
    asked = plan.asked
    return {
        "schema": SCHEMA, "model": asked.model.name, "dtype": asked.dtype, "kind": "modelled", "traffic": asked.traffic,
        "objective": asked.objective, "prices_as_of": None if asked.prices is None else asked.prices.as_of.isoformat(),
        "currency": None if asked.prices is None else asked.prices.currency,
        "choices": [_data(one, plan) for one in plan.choices], "flips": plan.flips,
    }  # fmt: skip


def _data(one: Choice, plan: Plan) -> dict[str, Any]:
    service, found = one.service, {"target": one.target, "able": one.able, "why": one.why}
    if service is None or one.device is None:
        return found
    ranges = {
        "prompt_s": service.prompt_s, "step_s": service.step_s, "ttft_s": service.ttft_s, "itl_s": service.itl_s,
        "device_s_per_request": service.device_s, "requests_per_s": service.requests_per_s,
        "tokens_per_s": service.tokens_per_s(), "per_million_in": service.per_million_in(),
        "per_million_out": service.per_million_out(),
        "per_million_in_allocated": service.per_million_in(allocated=True),
        "per_million_out_allocated": service.per_million_out(allocated=True), "per_request": service.per_request(),
    }  # fmt: skip
    return {
        **found, "devices": service.devices, "batch": service.B, "replicas": service.replicas,
        "utilisation": service.utilisation, "rows_of_this_chip": one.device.own,
        "scratch_bytes": None if (took := plan.asked.scratch.get(one.target)) is None else took.nbytes,
        "joules_per_token": one.joules_per_token, "price": _price(one),
        "steps": one.device.shares(Phase.DECODE, service.B, 1, service.traffic.prompt + service.traffic.answer),
        **{name: None if value is None else {"middle": float(value[MIDDLE]), "low": float(np.min(value)),
                                             "high": float(np.max(value))} for name, value in ranges.items()},
    }  # fmt: skip


def _price(one: Choice) -> dict[str, Any] | None:
    price = None if one.offer is None else one.offer.price
    if price is None:
        return None
    words = {"provider": price.provider, "region": price.region, "kind": price.kind}
    return {"per_device_hour": price.per_device_hour, **words}


def remarks(plan: Plan) -> Iterator[str]:
    """What is to be known of the numbers."""
    for one in plan.choices:
        if isinstance(one.device, Processing):
            yield f"{one.target}: by the trial of {one.device.trial.cells} calls of {one.device.trial.way}"
    if plan.asked.prices is not None:
        yield from _prices(plan, plan.asked.prices)
    if late := [one.target for one in plan.able if not _met_at(one, plan, HIGH)]:
        yield f"{', '.join(late)}: within the objective at the middle of the range, and not at its slow end"
    for target, took in plan.asked.scratch.items():
        if any(one.target == target and one.service is not None for one in plan.choices):
            yield f"{target}: less {size(took.nbytes)} of scratch, as its compiler reports of {took.cell}"
    other = [one.target for one in plan.choices if one.device is not None and not one.device.own]
    if other:
        yield f"no rows of {', '.join(other)} are known: their range is that of chips that were left out of a trial"
    if halves := [one.target for one in plan.choices if isinstance(one.chip, Tpu) and one.chip.devices_per_chip > 1]:
        yield f"{', '.join(halves)}: a device is half a chip, as programs are given it"
    if missed := [one.target for one in plan.choices if one.service is not None and not one.service.met]:
        yield f"* {', '.join(missed)}: no batch meets the objective; this is the quickest token"


def _met_at(one: Choice, plan: Plan, end: int) -> bool:
    service = one.service
    return service is not None and bool(plan.asked.objective.allows(service.ttft_s[end], service.itl_s[end]))


def _prices(plan: Plan, prices: Prices) -> Iterator[str]:
    """Whose they are and of which day, and why there is money of some alone."""
    named = [f"{one.target} {one.offer.price}" for one in plan.choices if one.offer and one.offer.price]
    ahead = ", a day that is to come" if prices.as_of > date.today() else ""
    yield f"prices in {prices.currency} as of {prices.as_of}{ahead}: {'; '.join(named) or 'of none of these'}"
    if plan.asked.right is None:
        yield "no records were given: that answers are right on these targets is taken for granted"
    elif unproven := [one.target for one in plan.choices if one.service and one.target in prices.by_target
                      and one.target not in plan.asked.right]:  # fmt: skip
        yield f"no money of {', '.join(unproven)}: no record here says that an answer is right there"
