"""A plan over the chips that are known: what fits, what it takes, the order, and where it turns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from oneblock.bench.commands.plan import COMMAND
from oneblock.bench.cost.device import Device, untried
from oneblock.bench.cost.memory import Memory
from oneblock.bench.cost.plan import Asked, plan
from oneblock.bench.cost.prices import read_prices
from oneblock.bench.cost.serving import HIGH, LOW, MIDDLE, Assumed
from oneblock.bench.cost.traffic import Objective, Traffic
from oneblock.bench.judge.roofline import costs
from oneblock.bench.records.store import Store
from oneblock.bench.silicon.blocks import Asked as AskedLaunches
from oneblock.bench.silicon.blocks import launches
from oneblock.bench.silicon.calibration import calibrations
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Chip, Gpu
from oneblock.workloads import _parameters
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import Model, preset_model
from tests.bench.cost.test_prices import GOOD, prices
from tests.bench.cost.test_tried import of as compiled_record
from tests.helpers.stage_records import run

AMONG = ("cuda:sm_80", "cuda:sm_90", "cuda:sm_90:h200", "tpu:v5e", "rocm:gfx942")


def model(name: str = "llama-1b") -> Model:
    found = preset_model(name)
    assert found is not None
    return found


def asked(name: str = "llama-1b", **more: object) -> Asked:
    given = {"traffic": Traffic(1024, 256), "objective": Objective()} | more
    return Asked(model(name), "bfloat16", **given)  # type: ignore[arg-type]


def some(*targets: str) -> list[Chip]:
    return [chips.load(target, Chip) for target in targets or AMONG]


@pytest.mark.parametrize("devices", [1, 2, 4])
@pytest.mark.parametrize(("phase", "T", "S"), [(Phase.PREFILL, 128, 128), (Phase.DECODE, 1, 512)])
def test_the_launches_have_the_flops_of_the_blocks_products_however_many_devices(
    phase: Phase, T: int, S: int, devices: int
) -> None:
    """Held against the costs by step, which another formula states."""
    of = model()
    found = launches(of, AskedLaunches.one(phase, 3, T, S, devices), 2)
    products = sum(2 * one.many * float(np.prod([size[0] for size in one.sizes])) for one in found
                   if one.operator == "product" and one.step != "head")  # fmt: skip
    case = Case("block", of.layers[0], phase, 3, T, S)
    stated = {cost.step: cost.flops for cost in costs(case, "bfloat16").steps}
    least = len(of.layers) * (stated["qkv"] + stated["proj"] + stated["mlp"])
    assert devices * products == pytest.approx(least, rel=2e-3)  # activations and residuals are no products


def test_a_plans_caches_are_read_from_memory_whatever_an_l2_gave_rows_that_were_timed_again_and_again() -> None:
    device = Device(chips.load("cuda:sm_89", Chip), model(), "bfloat16")
    assert calibrations("bfloat16")["cuda:sm_89", "decode"].numbers.cached > 2
    assert device.calibrations["decode"].numbers.cached == 1.0


def test_a_token_reads_every_weight_once() -> None:
    found = launches(model(), AskedLaunches.one(Phase.DECODE, 1, 1, 1), 2)
    read = sum(one.many * one.sizes[1][0] * one.sizes[2][0] for one in found if one.operator == "product")
    parts = _parameters.of_model(model())
    assert read == pytest.approx(parts["layers"] + parts["embedding"], rel=1e-3)  # norms are no products


def test_no_modelled_token_is_faster_than_the_memory_and_each_grows_with_its_batch() -> None:
    for chip in some():
        device = Device(chip, model(), "bfloat16")
        step = device.step_s(1024)
        assert (step[LOW] < step[MIDDLE]).all()
        assert (step[MIDDLE] < step[HIGH]).all()
        assert (np.diff(step[MIDDLE]) >= 0).all()
        read = 2 * sum(_parameters.of_model(model()).values())
        assert step[MIDDLE][0] > read / chip.memory_bytes_per_s.value


def test_a_chip_that_is_twice_as_fast_takes_less_and_one_without_rows_has_the_wider_range() -> None:
    plain, of = (chips.load(target, Gpu) for target in ("cuda:sm_90", "cuda:sm_90:h100pcie"))
    own, other = (Device(chip, model(), "bfloat16") for chip in (plain, of))
    assert own.own
    assert not other.own
    width = [float(one.step_s(1024)[HIGH][0] / one.step_s(1024)[LOW][0]) for one in (own, other)]
    assert width[1] > width[0]


def test_memory_is_that_of_weights_and_caches() -> None:
    room = Memory(model("llama-8b"), "bfloat16").room(80e9, 1)
    weights = 2 * sum(_parameters.of_model(model("llama-8b")).values())
    cache = 2 * 2 * 32 * 8 * 128 * 4096  # k and v of 32 layers, 8 heads of 128
    assert room(4096) == pytest.approx((80e9 - weights) / cache, abs=1)
    assert Memory(model("llama-8b"), "bfloat16").room(16e9, 1)(4096) < 1
    assert Memory(model("llama-8b"), "bfloat16").room(16e9, 2)(4096) > 1


def test_the_first_serves_for_least_and_every_flip_turns_the_order_on_both_sides(tmp_path: Path) -> None:
    listed = GOOD + GOOD[GOOD.index("[[") :].replace("sm_90", "sm_80").replace("24.0", "12.0")
    given = asked(prices=read_prices(prices(tmp_path, listed)), objective=Objective(itl_s=0.05))
    found = plan(given, some())
    able = [one for one in found.able if one.offer is not None and one.offer.price is not None]
    assert {one.target for one in able} == {"cuda:sm_80", "cuda:sm_90"}
    assert found.able[0] is able[0], "what has a price comes first"
    assert {flip.assumption for flip in found.flips} >= {"price", "speed", "utilisation"}
    for flip in found.flips:
        for away, before in ((1 / 1.001, True), (1.001, False)):
            by = flip.by * (away if flip.by > 1 else 1 / away)
            order = []
            for choice in able:
                assert choice.offer is not None
                changed = flip.of in (None, choice.target)
                service = choice.offer.serve(
                    given.traffic, given.objective, Assumed(**{flip.assumption: by}) if changed else Assumed()
                )
                cost = None if service is None or not service.met else service.per_request()
                order.append((np.inf if cost is None else float(cost[MIDDLE]), choice.target))
            assert (min(order)[1] == flip.better) == before, flip


def test_a_first_tokens_objective_turns_the_order_too_and_who_misses_it_at_the_slow_end_is_named(
    tmp_path: Path,
) -> None:
    """The cheap chip answers later: where a first token may take less, only the dear one serves."""
    wanted = ("--target", "cuda:sm_90", "--target", "tpu:v6e", "--preset", "llama-8b", "--traffic", "2048:256")
    cheap = GOOD[GOOD.index("[[") :].replace("cuda:sm_90", "tpu:v6e").replace("24.0", "8.0")
    priced = ("--prices", str(prices(tmp_path, GOOD + cheap)))
    found = json.loads(run(COMMAND, *wanted, *priced, "--slo", "ttft=200ms", "--json")[1])
    assert found["choices"][0]["target"] == "tpu:v6e"
    assert "ttft" in {flip["assumption"] for flip in found["flips"]}
    for one in found["choices"]:
        joules = one["joules_per_token"]
        power = chips.load(one["target"], Chip).tdp_w
        assert (joules is None) == (power is None)
        if joules is not None and power is not None:
            assert joules == pytest.approx(one["devices"] * power.value / one["tokens_per_s"]["middle"], rel=1e-6)
        assert one["tokens_per_s"]["low"] < one["tokens_per_s"]["middle"] < one["tokens_per_s"]["high"]
    code, said = run(COMMAND, *wanted, "--slo", "itl=30ms")
    assert code == 0
    assert "within the objective at the middle of the range, and not at its slow end" in said


def test_whose_prices_they_are_is_said_and_records_without_a_right_answer_have_no_money(tmp_path: Path) -> None:
    priced = str(prices(tmp_path, GOOD))
    code, said = run(COMMAND, "--target", "cuda:sm_90", "--prices", priced)
    assert code == 0
    assert "prices in USD as of 2026-11-30: cuda:sm_90 on demand, somebody, somewhere-1" in said
    assert "taken for granted" in said
    store = Store(tmp_path / "records")
    store.add(compiled_record("cuda:sm_90"))
    code, said = run(COMMAND, tmp_path / "records", "--target", "cuda:sm_90", "--prices", priced)
    assert "no money of cuda:sm_90: no record here says that an answer is right there" in said
    assert json.loads(run(COMMAND, tmp_path / "records", "--target", "cuda:sm_90", "--prices", priced, "--json")[1])[
        "choices"][0]["per_request"] is None  # fmt: skip


def test_a_chip_that_does_not_serve_says_why() -> None:
    wanted = asked("llama-8b", traffic=Traffic(8192, 1024))
    found = {one.target: one for one in plan(wanted, some("cuda:sm_75", "tpu:v5e", "cuda:sm_90")).choices}
    assert "no peak of bfloat16" in str(found["cuda:sm_75"].why)
    assert "no sequence fits the memory of 1" in str(found["tpu:v5e"].why)
    assert "no trial of its links" in str(found["tpu:v5e"].why)
    assert found["cuda:sm_90"].able
    assert untried(chips.load("cuda:sm_90", Chip), model(), "bfloat16", 8) is None


def test_an_objective_that_nothing_meets_is_said_with_what_comes_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    code, said = run(COMMAND, "--target", "cuda:sm_90", "--target", "cuda:sm_80", "--slo", "itl=1us")
    assert code == 1
    assert "nothing here serves that; nearest is cuda:sm_90" in said
    assert "cuda:sm_90 *" in said


def test_the_command_answers_in_json_and_as_a_page(tmp_path: Path) -> None:
    page, priced = tmp_path / "plan.html", prices(tmp_path, GOOD)
    targets = ("--target", "cuda:sm_90", "--target", "tpu:v6e")
    code, said = run(COMMAND, *targets, "--prices", str(priced), "--to", str(page), "--json")
    found = json.loads(said)
    assert code == 0
    assert (found["kind"], found["currency"], found["prices_as_of"]) == ("modelled", "USD", "2026-11-30")
    first, second = found["choices"]
    assert first["target"] == "cuda:sm_90"
    assert first["per_million_out"]["low"] < first["per_million_out"]["middle"] < first["per_million_out"]["high"]
    assert second["per_million_out"] is None, "without a price there is no money"
    assert (first["rows_of_this_chip"], second["rows_of_this_chip"]) == (True, False)
    assert sum(first["steps"].values()) == pytest.approx(1)
    text = page.read_text()
    assert "cuda:sm_90 serves a request for least" in text
    assert "http" not in text.split("<script")[0].replace("http-equiv", "")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("--target", "cuda:sm_91"), "unknown target"),
        (("--preset", "gpt2", "--traffic", "1000:100"), "gpt2 has 1,024 positions"),
        (("--prices", "none.toml"), "cannot be read"),
        (("--traffic", "0:0"), "expected one token or more"),
    ],
)
def test_what_cannot_be_planned_is_refused(given: tuple[str, ...], sentence: str) -> None:
    code, said = run(COMMAND, *given)
    assert code == 2
    assert sentence in said


def test_a_model_of_experts_reads_the_experts_that_its_tokens_chose() -> None:
    """Eight experts of two a token: one token reads a quarter of them, and a batch of 64 all."""
    dense = model().layers[0]
    config = replace(dense, experts=8, experts_per_token=2)
    of = replace(model(), layers=(config,) * 16)
    for among in some("cuda:sm_90", "tpu:v5e"):
        device = Device(among, of, "bfloat16")
        found = {
            one.operator: device.seconds(one)[MIDDLE]
            for one in device.launches(Phase.DECODE, device.batches, *(np.full(len(device.batches), n) for n in (1, 9)))
        }
        read = 16 * 2 * 3 * config.width * config.ffn_width / among.memory_bytes_per_s.value
        many = int(np.searchsorted(device.batches, 64))
        assert found["experts"][0] > 2 * read
        assert found["experts"][many] > 8 * read
    assert untried(chips.load("cuda:sm_90", Chip), of, "bfloat16", 2) is None
