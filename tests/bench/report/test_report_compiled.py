"""Compiled cells are shown by counts and estimates that no one could take for a measured time."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.judge.estimates import ROOFLINE, estimates
from oneblock.bench.records.record import Limits, Record, Status
from oneblock.compilers.api.calls import TpuKernel
from oneblock.compilers.api.facts import (
    Buffer,
    Collective,
    Estimate,
    Facts,
    Memory,
    StepFacts,
)
from oneblock.compilers.api.gpu_kernel import GpuKernel, Occupancy
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import HOSTILE, Page, ended, page_of, record

V5E = Limits(197e12, "the specification of TPU v5e", 819e9, Kind.MODELLED)
STEPS = (StepFacts("norm1", 3, 1e3, 1e6, None), StepFacts("mlp", 9, 2e6, 5e6, 80.0), StepFacts(None, 1, 0.0, 5e5, None))
HOW = 'max(1 static LLO cycles, 2 MB): "memory" & more'
ESTIMATES = (
    Estimate("xla", 3.21e-3, "by XLA"),
    Estimate("hlo", None, "no clock is known"),
    Estimate("llo", 6.54e-3, HOW),
)
FACTS = Facts(
    flops=2e9, compiler_flops=2e9, hbm_bytes=6.5e6, scratch_bytes=7_000_000, argument_bytes=1, output_bytes=1,
    code_bytes=123_000, operations={"fusion": 12}, fusions={"kLoop": 12, "kOutput": 3}, custom_calls={},
    attributed=0.97, attributed_by_name=0.9, steps=STEPS,
    estimates=ESTIMATES,
)  # fmt: skip


def compiled(target: str = "tpu:v5e", ops_set: str = "plain", T: int = 16, **facts: Any) -> Record:
    """A record of a cell compiled for a device that is elsewhere."""
    made = replace(record("xla_tpu", ops_set, T), status=Status.COMPILED, kind=Kind.COMPILED, reason="no device here")
    made = replace(
        made, cell=replace(made.cell, target=Target(target)), check=None, launches=(), limits=V5E, compile_s=4.56
    )
    return replace(made, facts=replace(FACTS, **facts))


def tpu_kernel(name: str, slots: dict[str, float], cycles: float) -> TpuKernel:
    return TpuKernel(name=name, steps=("mlp",), bundles=10, slots=slots, cycles=cycles)


def section(text: str, name: str = "compiled") -> str:
    """One section of a page; a page without it fails here."""
    return re.findall(rf'<section aria-labelledby="{name}">.*?</section>', text, re.DOTALL)[0]


def row_of(text: str) -> list[str]:
    """The cells of a table's first row that has any, as words."""
    return [" ".join(cell.split()) for _, cell in Page(section(text)).cells]


def specs(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(Page(text).scripts[0])
    return found


def values(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The data of a plot, of all its layers."""
    sets = [spec.get("data", {}), *(layer.get("data", {}) for layer in spec.get("layer", ()))]
    sets += [{"values": data} for data in spec.get("datasets", {}).values()]
    return [value for data in sets for value in data.get("values", ())]


def test_a_study_without_compiled_cells_has_no_such_section() -> None:
    text = page_of(record(), ended(Status.COMPILED, "k", kind=Kind.COMPILED, launches=()), ended(Status.CRASHED, "c"))
    assert 'id="compiled"' not in text
    assert 'id="memory"' not in text
    assert ".heats" not in text


def test_a_row_says_what_was_counted_and_what_was_estimated() -> None:
    made = compiled()
    share, least = 2e9 / made.costs.flops, 6.5e6 / made.costs.compulsory_bytes
    roofline_ms = 1e3 * max(made.costs.flops / 197e12, made.costs.compulsory_bytes / 819e9)
    cells = row_of(page_of(made))
    assert cells[0] == "2.00"
    assert float(cells[1].replace(",", "")) == pytest.approx(100 * share, rel=0.01)
    assert cells[2] == "6.50"
    assert float(cells[3].replace(",", "")) == pytest.approx(least, rel=0.01)
    assert cells[4:9] == ["7.00", "123", "12 kLoop, 3 kOutput", "–", "97.0"]
    assert float(cells[9]) == pytest.approx(roofline_ms, rel=0.01)
    assert cells[10:] == ["3.21", "–", "6.54", "4.56"]


def test_each_estimate_says_its_kind_and_how_it_came_about() -> None:
    text = section(
        page_of(compiled(estimates=(*FACTS.estimates, Estimate("new-model", 1.0, "by a model of tomorrow"))))
    )
    kinds = re.findall(r'<th scope="col"[^>]* title="[^"]+">([a-z-]+)<br><small>(\w+)</small>', text)
    assert dict(kinds) == {"roofline": "modelled"} | dict.fromkeys(("xla", "hlo", "llo", "new-model"), "compiled")
    titles = {names["title"] for tag, names in Page(text).tags if tag == "td" and "title" in names}
    assert {"by XLA", "no clock is known", HOW, "by a model of tomorrow"} <= titles
    assert "none is a measurement" in text


def test_a_compiled_cell_is_no_failure_and_has_no_place_among_measured_times() -> None:
    text = page_of(record("jax_xla"), compiled())
    assert "Every cell passed or was compiled." in text
    assert "no device here" not in text
    measured = section(text, "subjects")
    assert "3.21" not in measured
    assert "1 cell compiled for a device that is not here" in measured
    overview = section(text, "matrix")
    assert re.findall(r'<a class="count" href="#compiled-1">(.*?)</a>', overview) == ["6.50"], "a count, in MB"
    assert overview.count("<table") == 2, "in a table of its own: kinds share no column"
    assert "not counted" in section(page_of(compiled(hbm_bytes=None)), "matrix")
    assert "not counted" not in overview


def test_subjects_of_which_nothing_ran_are_one_line_of_the_comparison() -> None:
    text = section(page_of(compiled(), record(T=32), *(compiled(T=T) for T in (32, 64))), "subjects")
    before, after = text.split("2 subjects of which no cell ran here")
    assert re.findall('id="subject-(.)"', before) == ["2"]
    assert re.findall('id="subject-(.)"', after) == ["1", "3"], "links find them"


def test_a_plot_of_estimates_holds_no_measured_time() -> None:
    plots = [spec for spec in specs(page_of(record("jax_xla"), compiled())) if "stimated" in spec["description"]]
    assert [point["ms"] for point in values(plots[0])][1:] == pytest.approx([3.21, 6.54])
    assert {point["method"] for point in values(plots[0])} == {"roofline", "xla", "llo"}
    assert {point["target"] for point in values(plots[0])} == {"tpu:v5e"}


def test_a_program_without_a_count_is_told_from_one_without_traffic() -> None:
    kinds = {"tpu:v5p": {"hbm_bytes": None}, "tpu:v6e": {"hbm_bytes": 0.0}, "tpu:v7x": {"hbm_bytes": 5.0}}
    bare = [compiled(target, steps=(), **changes) for target, changes in kinds.items()]
    plot = next(spec for spec in specs(page_of(compiled(), *bare)) if "HBM" in spec["description"])
    words = {value["row"]: value["words"] for value in values(plot) if "words" in value}
    assert words == {"tpu:v5p": "not counted", "tpu:v6e": "none", "tpu:v7x": "not counted by step"}


def test_step_rooflines_are_folded_by_subject_and_not_by_target() -> None:
    targets = ("tpu:v4", "tpu:v5e", "tpu:v6e")
    text = section(page_of(*(compiled(target, T=T) for target in targets for T in (16, 32, 64, 128))), "roofline")
    assert text.count('<details class="subject"') == 4, "and twelve plots in them"
    assert text.count("<figcaption>Roof, modelled") == 12
    assert re.findall(r"<small>(tpu.*?)</small></summary>", text) == [", ".join(targets)] * 4


def test_ceilings_have_no_column_of_what_is_not_known() -> None:
    assert "stated by the makers" in section(page_of(compiled()), "roofline")
    assert "measured here" not in section(page_of(compiled()), "roofline")
    assert "measured here" in section(page_of(record(), compiled()), "roofline")


def test_bars_add_up_to_the_steps_and_the_line_is_the_compulsory_traffic() -> None:
    made = compiled()
    plot = next(spec for spec in specs(page_of(made)) if "HBM" in spec["description"])
    bars = [value for value in values(plot) if "step" in value]
    assert {bar["step"]: bar["MB"] for bar in bars} == {"norm1": 1.0, "mlp": 5.0, "(none)": 0.5}
    lines = [value["compulsory"] for value in values(plot) if "compulsory" in value]
    assert lines == pytest.approx([made.costs.compulsory_bytes / 1e6])


def test_bars_of_a_program_whose_steps_are_told_by_its_launches() -> None:
    """A GPU's program is counted a launch, and no row of it may read as zero beside a TPU's."""
    of_none = replace(COPY, steps=(), hbm_bytes=5e5)
    calls = (*(replace(LAUNCH, hbm_bytes=one) for one in (1e6, 2e6)), of_none)
    plot = next(one for one in specs(page_of(compiled(steps=(), calls=calls))) if "HBM bytes" in one["description"])
    assert {bar["step"]: bar["MB"] for bar in values(plot) if "step" in bar} == {"qkv": 3.0, "(none)": 0.5}
    assert not [value for value in values(plot) if "words" in value]


def test_slots_are_of_the_longest_kernels() -> None:
    kernels = tuple(tpu_kernel(f"fusion.{n}", {"MXU": 0.5, "VALU": n / 20}, float(n)) for n in range(20))
    plot = next(spec for spec in specs(page_of(compiled(calls=kernels))) if "slots filled" in spec["description"])
    assert [line["kernel"] for line in values(plot)] == [f"fusion.{n}" for n in range(19, 11, -1)]
    assert values(plot)[0]["unit"] == ["MXU", "VALU"]
    assert values(plot)[0]["filled"] == [0.5, 0.95]


def test_flops_that_kernels_declare_are_marked_as_such() -> None:
    text = page_of(compiled(ops_set="kernels", custom_calls={"tpu_custom_call": 2, "Sharding": 5}))
    cells = row_of(text)
    assert cells[0] == "2.00 +"
    assert cells[1] not in ("", "–")
    assert cells[7] == "2"
    assert "2 kernels of one's own count as they declare" in text
    assert "their authors declare" in section(text)
    assert "their authors declare" not in section(page_of(compiled()))


def test_several_devices_are_held_to_no_bound_of_one() -> None:
    exchange = Collective("all-reduce", "bf16", 2_000_000, 1, 8, "Ring", "mlp")
    made = compiled(
        "tpu:v5e:2x4@tp8", collectives=(exchange, replace(exchange, channel=2), replace(exchange, step=None))
    )
    text = page_of(made)
    cells = row_of(text)
    assert float(cells[1].replace(",", "")) == pytest.approx(8 * 100 * 2e9 / made.costs.flops, rel=0.01)
    assert cells[3] == "–"
    assert "roofline" not in section(text)
    told = ["all-reduce", "bf16", "8", "Ring"]
    assert cells[-14:] == ["mlp", *told, "2", "2.00", "–", *told, "1", "2.00"]


LAUNCH = GpuKernel(
    name="linear_grouped", steps=("qkv",), kind="triton", entry="linear_grouped", grid=(4, 16), threads=256,
    shared_bytes=98_304, registers=115, spill_bytes=24, instructions={"wgmma m64n128k16": 4, "cp.async": 24},
    modelled_s={"static": 12.5e-6}, config="BM=128, 8 warps, 3 stages", dynamic_shared_bytes=98_304, stack_bytes=8,
    machine_instructions=592, occupancy=Occupancy(2, 16, 0.25, "registers"),
)  # fmt: skip
COPY = GpuKernel(name="aten::cat", steps=("attention",), kind="torch")


def test_a_launch_has_what_its_kernel_needs_and_how_many_fit() -> None:
    text = section(page_of(compiled("cuda:sm_90", ops_set="kernels", calls=(LAUNCH, COPY))))
    launches = text[text.index("2 kernels, and what each needs") :]
    heads = re.findall(r'<th scope="col"[^>]*>([^<]+)<br><small>((?!name)\w+)</small>', launches)
    cells = [" ".join(cell.split()) for _, cell in Page(launches).cells]
    assert list(zip(heads, cells, strict=False)) == [
        (("config", "compiled"), "BM=128, 8 warps, 3 stages"),
        (("grid", "compiled"), "4x16"),
        (("threads", "compiled"), "256"),
        (("registers", "compiled"), "115"),
        (("spills, B", "compiled"), "24"),
        (("stack, B", "compiled"), "8"),
        (("shared, kB", "compiled"), "98.3"),
        (("instructions by class", "compiled"), "4 wgmma m64n128k16, 24 cp.async"),
        (("occupancy, %", "modelled"), "25.0 2 by registers"),
        (("static, µs", "modelled"), "12.5"),
    ]
    assert cells[len(heads)] == "torch"
    plot = next(spec for spec in specs(page_of(compiled(calls=(LAUNCH, COPY)))) if "occup" in spec["description"])
    assert [(square["kernel"], square["share"]) for square in values(plot)] == [("qkv: linear_grouped", 0.25)]
    plot = next(spec for spec in specs(page_of(compiled(calls=(LAUNCH, LAUNCH)))) if "occup" in spec["description"])
    names = [square["kernel"] for square in values(plot)]
    assert names == ["qkv: linear_grouped", "qkv: linear_grouped (2)"], "two figures in one place cannot be read"


def test_the_terminal_tells_the_extremes_of_a_program_and_each_launch() -> None:
    from oneblock.bench.terminal.calls import calls
    from oneblock.bench.terminal.records import results
    from oneblock.bench.terminal.screen import console

    out = console()
    with out.capture() as said:
        for part in results([compiled("cuda:sm_90", ops_set="kernels", calls=(LAUNCH, COPY))]):
            out.print(part)
        for table in calls(replace(FACTS, calls=(LAUNCH, COPY))):
            out.print(table)
    text = said.get()
    for words in ("25%, 2 by registers (linear_grouped)", "wgmma", "24 B", "96 KiB", "aten::cat", "12.5 µs"):
        assert words in text


def test_a_caveat_is_told_once_with_all_that_it_is_of() -> None:
    text = section(page_of(*(compiled(target, caveats=("no autotuner",)) for target in ("tpu:v5e", "tpu:v6e"))))
    assert re.findall(r"<li>no autotuner <small>\((.*?)\)", text) == ["tpu:v5e, tpu:v6e"]


def test_what_does_not_fit_is_told_with_needed_available_and_largest() -> None:
    memory = Memory("hbm", 3 * 2**30, 2 * 2**30, (Buffer(2**30, "f32[<8>] scores"),))
    text = page_of(ended(Status.OUT_OF_MEMORY, "xla_tpu", memory=memory), ended(Status.OUT_OF_MEMORY, "jax_xla"))
    cells = [" ".join(cell.split()) for _, cell in Page(section(text, "memory")).cells]
    assert cells[1:] == ["hbm", "3.00", "2.00", "1.50", "1.00 f32[<8>] scores"]
    assert "xla_tpu ended so" in section(text, "doubts")
    unknown = page_of(ended(Status.OUT_OF_MEMORY, "x", memory=Memory("vmem", None, None, ())))
    assert [cell.strip() for _, cell in Page(section(unknown, "memory")).cells][1:] == ["vmem", "–", "–", "–", "–"]


def hostile() -> Record:
    """A record all of whose texts would be tags, and whose numbers are none."""
    none, inf = float("nan"), float("inf")
    seconds = (1.0, none, inf, -1.0, 0.0)
    return compiled(
        HOSTILE, ops_set=HOSTILE, flops=inf, hbm_bytes=none, attributed=none, scratch_bytes=-1, fusions={HOSTILE: 1},
        steps=(StepFacts(HOSTILE, 1, none, inf, none), StepFacts(HOSTILE, 1, 1.0, 1.0, inf)), custom_calls={HOSTILE: 1},
        collectives=(Collective(HOSTILE, HOSTILE, 1, None, None, HOSTILE, HOSTILE),), caveats=(HOSTILE,),
        calls=(TpuKernel(name=HOSTILE, steps=(HOSTILE,), bundles=1, slots={HOSTILE: 0.5, "MXU": none}, cycles=inf),
            replace(
                LAUNCH, name=HOSTILE, steps=(HOSTILE,), config=HOSTILE, instructions={HOSTILE: 1},
                modelled_s={"static": none}, occupancy=Occupancy(1, 1, inf, HOSTILE),
            ),
        ),
        estimates=tuple(Estimate(f"{HOSTILE}{n}", value, HOSTILE) for n, value in enumerate(seconds)),
    )  # fmt: skip


def test_hostile_facts_are_shown_as_text() -> None:
    memory = Memory(HOSTILE, 1, 0, (Buffer(1, HOSTILE),))
    text = page_of(hostile(), ended(Status.OUT_OF_MEMORY, "x", memory=memory))
    tags = [tag for tag, _ in Page(text).tags]
    assert tags.count("script") == 3
    assert "img" not in tags
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<" not in Page(text).scripts[0]
    points = [value["ms"] for spec in specs(text) for value in values(spec) if "ms" in value]
    roofline = estimates(hostile())[ROOFLINE].seconds  # by formula, of nothing that the record says it counted
    assert roofline is not None
    assert points == [pytest.approx(roofline * 1e3), 1000.0]


def test_every_plot_can_be_drawn() -> None:
    import vl_convert

    kernels = (tpu_kernel("fusion.1", {"MXU": 0.97, "VSTORE:SPILL": 0.25}, 100.0),)
    text = page_of(*(compiled(target, calls=kernels) for target in ("tpu:v5e", "tpu:v6e")), hostile())
    drawn = [vl_convert.vegalite_to_svg(spec, vl_version="6.1") for spec in specs(text)]
    assert any(">v6e<" in svg and "estimated time, ms (log)" in svg for svg in drawn)
    assert any("HBM traffic of one device" in svg and ">mlp<" in svg for svg in drawn)
    assert any(">VSTORE:SPILL<" in svg and ">97<" in svg for svg in drawn)
    (spec,) = (one for one in specs(page_of(compiled(calls=(LAUNCH,)))) if "occup" in one["description"])
    assert ">qkv: linear_grouped<" in vl_convert.vegalite_to_svg(spec, vl_version="6.1")


def test_five_generations_of_three_ops_sets_in_two_sizes_stay_small() -> None:
    slots = {f"UNIT{u}": 0.123456789 for u in range(10)}
    kernels = tuple(tpu_kernel(f"multiply_reduce_fusion.{n}", slots, 1e3) for n in range(30))
    places = [f"tpu:{chip}" for chip in ("v4", "v5e", "v5p", "v6e", "v7x")]
    sets = ("plain", "native", "kernels")
    records = [compiled(place, name, T, calls=kernels) for place in places for name in sets for T in (16, 32)]
    assert len(page_of(*records).encode()) < 1_500_000
