"""The sections of a dossier that the plan tells: candidates, capacity, cost with flip points, and all side by side."""

from __future__ import annotations

from functools import partial
from math import log
from shlex import quote

from oneblock.bench.cost.told import Range, ToldFlip, ToldPlan
from oneblock.bench.report.dossier.evidence import PLAN, Evidence, right, wrong
from oneblock.bench.report.dossier.of_records import memory
from oneblock.bench.report.dossier.sourced import (
    Command,
    Line,
    Numbers,
    Piece,
    Section,
    Sentence,
    Sourced,
    listed,
    ranged,
    table,
)  # fmt: skip
from oneblock.compilers.api.kind import Kind

_TURNED = {  # what is changed, around by how many times
    "price": ("cost", "its price"), "utilisation": ("were used", "as much"), "speed": ("were", "as fast as modelled"),
    "prompt": ("prompts were", "as long"), "answer": ("answers were", "as long"),
    "itl": ("a token might take", "as long"), "ttft": ("a first token might take", "as long"),
}  # fmt: skip
_MONEY = "used is what devices compute, allocated what is paid for with their idle time"


def candidates(evidence: Evidence) -> Section:
    """What the plan chose among, and through what each has right answers."""
    plan = evidence.plan
    if plan is None:
        targets = dict.fromkeys(row.record.cell.target for row in evidence.rows)
        of = [[row for row in evidence.rows if row.record.cell.target == target] for target in targets]
        here: list[Line] = [
            ([(evidence.named(those[0], those[0].record.cell.target, "cell", "target"),), evidence.ways(those)], {})
            for those in of
        ]
        return Section("candidates", "Candidates", table(("target", "ways"), here), absent=(_no_plan(evidence),))
    rows: list[Line] = []
    for number, one in enumerate(plan.choices):
        ways = evidence.ways(evidence.right_on(one.target))
        words = [_target(evidence, number), _serves(evidence, number), ways or ("no record",)]
        rows.append((words, _numbers(evidence, number, ("devices", "batch", "replicas"))))
    heads = ("target", "as the plan has it", "right answers by")
    return Section("candidates", "Candidates", table(heads, rows), (_asked(evidence, plan),))


def _no_plan(evidence: Evidence) -> Sentence:
    return ("No plan is given. ", Command(f"oneblock plan --preset {quote(evidence.model)} --json > plan.json"))


def _asked(evidence: Evidence, plan: ToldPlan) -> Sentence:
    """What is to be served, as the plan was asked."""

    def of(value: float, unit: str, *keys: str) -> Sourced:
        return Sourced(value, unit, Kind.MODELLED, evidence.sources[PLAN].at(*keys))

    said: list[Piece] = ["The plan is of ", evidence.of_plan(plan.model, "model"), " in "]
    said += [evidence.of_plan(plan.dtype, "dtype"), ": ", of(plan.traffic.prompt, "tokens in", "traffic", "prompt")]
    said += [", ", of(plan.traffic.answer, "out", "traffic", "answer")]
    if plan.traffic.rate is not None:
        said += [", ", of(plan.traffic.rate, "requests a second", "traffic", "rate")]
    for name, key in (("the first token", "ttft_s"), ("each further", "itl_s")):
        if (most := getattr(plan.objective, key)) is not None:
            said += [f", {name} within ", of(most, "s", "objective", key)]
    return (*said, ".")


def _target(evidence: Evidence, number: int) -> Sentence:
    assert evidence.plan is not None
    return (evidence.of_plan(evidence.plan.choices[number].target, "choices", number, "target"),)


def _serves(evidence: Evidence, number: int) -> Sentence:
    assert evidence.plan is not None
    one = evidence.plan.choices[number]
    said = "serves" if one.able else one.why or "does not meet the objective"
    return (evidence.of_plan(said, "choices", number, "able" if one.able else "why"),)


_TOLD = {  # of a choice: heading and unit; money has that of the plan
    "devices": ("devices", ""), "batch": ("batch", ""), "replicas": ("replicas", ""),
    "utilisation": ("utilisation", "%"),
    "requests_per_s": ("requests/s", ""), "tokens_per_s": ("tokens/s", ""), "ttft_s": ("first token", "s"),
    "itl_s": ("token", "s"), "device_s_per_request": ("devices' time a request", "s"),
    "joules_per_token": ("energy a token, at most", "J"), "per_million_in": ("a million in, used", None),
    "per_million_out": ("a million out, used", None), "per_million_in_allocated": ("a million in, allocated", None),
    "per_million_out_allocated": ("a million out, allocated", None), "per_request": ("a request, allocated", None),
}  # fmt: skip


def _numbers(evidence: Evidence, number: int, names: tuple[str, ...]) -> Numbers:
    """Figures of a choice by heading; of a range its middle and both ends."""
    assert evidence.plan is not None
    choice, source = evidence.plan.choices[number], evidence.sources[PLAN]
    found: dict[str, Sentence] = {}
    for name in names:
        value, (heading, unit) = getattr(choice, name), _TOLD[name]
        unit = evidence.plan.currency or "" if unit is None else unit
        at = partial(source.at, "choices", number, name)
        if isinstance(value, Range):
            told = [Sourced(getattr(value, end), unit, Kind.MODELLED, at(end)) for end in ("middle", "low", "high")]
            found[heading] = ranged(*told)
        elif value is not None:
            found[heading] = (Sourced(value, unit, Kind.MODELLED, at()),)
    return found


def capacity(evidence: Evidence) -> Section:
    """How much each candidate serves, and what cells took of memory."""
    of_cells = table(("cell", "ended"), memory(evidence), ("Memory of single cells",))
    if evidence.plan is None:
        return Section("capacity", "Capacity", of_cells, absent=(_no_plan(evidence),))
    names = ("devices", "batch", "replicas", "utilisation", "requests_per_s", "tokens_per_s", "ttft_s", "itl_s")
    served = [
        ([_target(evidence, number)], _numbers(evidence, number, names))
        for number, one in enumerate(evidence.plan.choices) if one.itl_s is not None
    ]  # fmt: skip
    return Section("capacity", "Capacity", (*table(("target",), served, ("The plan's service",)), *of_cells))


def priced(evidence: Evidence) -> list[int]:
    """The choices that may have money: they serve, have a price, and a right answer is recorded of them."""
    choices = () if evidence.plan is None else evidence.plan.choices
    return [
        number for number, one in enumerate(choices)
        if one.able and one.price is not None and evidence.right_on(one.target)
    ]  # fmt: skip


def unpriced(evidence: Evidence) -> list[tuple[int, Sentence]]:
    """The choices that serve and have no money here, each with why and what would change it."""
    plan, found = evidence.plan, list[tuple[int, Sentence]]()
    assert plan is not None
    for number, one in enumerate(plan.choices):
        if not one.able:
            continue
        if one.price is None:
            how = f"oneblock plan --preset {quote(plan.model)} --prices prices.toml --json > plan.json"
            found.append((number, ("no price. ", Command(how))))
        elif not evidence.right_on(one.target):
            how = " ".join(map(quote, ("oneblock", "run", "block", "--preset", plan.model, "--dtype", plan.dtype,
                                       "--target", one.target)))  # fmt: skip
            found.append((number, ("no record of a right answer, and so no money. ", Command(how))))
    return found


def cost(evidence: Evidence) -> Section:
    """Money for right answers alone, devices' time for all that serve, and where the order turns."""
    plan = evidence.plan
    if plan is None:
        return Section("cost", "Cost", absent=(_no_plan(evidence),))
    money = tuple(name for name, (_, unit) in _TOLD.items() if unit is None)
    paid = [([_target(evidence, n), _price(evidence, n)], _numbers(evidence, n, money)) for n in priced(evidence)]
    times = [
        ([_target(evidence, n)], _numbers(evidence, n, ("device_s_per_request", "joules_per_token")))
        for n, one in enumerate(plan.choices) if one.able
    ]  # fmt: skip
    tables = (
        *table(("target", "price"), paid, (f"{plan.currency}, where a right answer is recorded: {_MONEY}",)),
        *table(("target",), times, ("Devices' time and energy",)),
        *table(("ahead", "would be ahead", "if"), _flips(evidence), ("Where the order turns",)),
    )
    without: list[Sentence] = [(*_target(evidence, n), ": ", *why) for n, why in unpriced(evidence)]
    return Section("cost", "Cost, and what turns the order", tables, absent=tuple(without))


def _price(evidence: Evidence, number: int) -> Sentence:
    assert evidence.plan is not None
    price = evidence.plan.choices[number].price
    assert price is not None
    said = f"{price.kind}, {price.provider}, {price.region}, of {evidence.plan.prices_as_of}"
    return (evidence.of_plan(said, "choices", number, "price"),)


def _flips(evidence: Evidence) -> list[Line]:
    """Those of the first choice, the nearest first, with the costs of both on either side."""
    plan = evidence.plan
    first = next((one.target for one in plan.choices if one.able), None) if plan is not None else None
    if plan is None or first is None:
        return []
    numbered = [(number, one) for number, one in enumerate(plan.flips) if one.better == first]
    numbered.sort(key=lambda pair: abs(log(pair[1].by)))
    shown = {plan.choices[number].target for number in priced(evidence)}
    return [_flip(evidence, number, one, plan, shown) for number, one in numbered]


def _flip(evidence: Evidence, number: int, flip: ToldFlip, plan: ToldPlan, shown: set[str]) -> Line:
    source = evidence.sources[PLAN]
    verb, what = _TURNED.get(flip.assumption, (flip.assumption, ""))
    of: Sentence = () if flip.of is None else (evidence.of_plan(flip.of, "flips", number, "of"), " ")
    words = (*of, f"{verb} so many times {what}{_within(flip, plan)}")
    numbers: dict[str, Sentence] = {"times": (Sourced(flip.by, "", Kind.MODELLED, source.at("flips", number, "by")),)}
    if plan.currency is None or {flip.better, flip.other} <= shown:
        unit = plan.currency or "s"
        for side in ("before", "beyond"):
            for at, which in enumerate(("the first", "the other")):
                value = getattr(flip, side)[at]
                if not isinstance(value, str):
                    link = source.at("flips", number, side, at)
                    numbers[f"{which}, {side}"] = (Sourced(value, unit, Kind.MODELLED, link),)
    names = [(evidence.of_plan(getattr(flip, key), "flips", number, key),) for key in ("better", "other")]
    return [*names, words], numbers


def _within(flip: ToldFlip, plan: ToldPlan) -> str:
    """Of a speed, whether the device's own range reaches where the order turns."""
    choice = next((one for one in plan.choices if one.target == flip.of), None)
    if flip.assumption != "speed" or choice is None or choice.step_s is None or not choice.step_s.middle:
        return ""
    step = choice.step_s
    inside = step.low / step.middle <= 1 / flip.by <= step.high / step.middle
    return ", which its range " + ("holds: the order is not certain" if inside else "does not hold")


def matrix(evidence: Evidence) -> Section:
    """A row for each target: how its answers are, and what the plan says of it."""
    choices = () if evidence.plan is None else evidence.plan.choices
    numbers = {one.target: number for number, one in enumerate(choices)}
    rows: list[Line] = []
    targets = [*numbers, *(row.record.cell.target.chip_name for row in evidence.rows)]
    for target in dict.fromkeys(targets):
        of = [row for row in evidence.rows if row.record.cell.target.chip_name == target]
        at = numbers.get(target)
        name = _target(evidence, at) if at is not None else (evidence.named(of[0], target, "cell", "target"),)
        judged = [listed([evidence.named(row, row.record.cell.backend, "check") for row in of if test(row)])
                  for test in (right, wrong)]  # fmt: skip
        serves = () if at is None else _serves(evidence, at)
        rows.append(([name, *judged, serves], {} if at is None else _compared(evidence, at)))
    heads = ("target", "right answers by", "wrong answers by", "as the plan has it")
    absent = () if choices else (_no_plan(evidence),)
    return Section("matrix", "Comparison", table(heads, rows), absent=absent)


def _compared(evidence: Evidence, number: int) -> Numbers:
    money = ("per_million_in_allocated", "per_million_out_allocated") if number in priced(evidence) else ()
    names = ("ttft_s", "itl_s", "device_s_per_request", "joules_per_token", *money)
    return _numbers(evidence, number, names)
