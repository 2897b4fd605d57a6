"""The Explorer's data: each text once, within its budget, with the steps of its lines; and the page's new parts."""

from __future__ import annotations

import base64
import json
import re
import shlex
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock.bench.commands.report import ReportSummary
from oneblock.bench.judge.moved import ChangedFigure, SetComparison
from oneblock.bench.judge.steps import by_step
from oneblock.bench.records.command import run_command
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Record
from oneblock.bench.records.stages import context_of
from oneblock.bench.records.store import Store
from oneblock.bench.report.explorer import explorer as _explorer
from oneblock.bench.report.explorer.cells import StageText, sizes
from oneblock.bench.report.explorer.explorer import Explorer, explore
from oneblock.bench.report.explorer.files import write_beside
from oneblock.bench.report.study import Study
from oneblock.compilers import Artifact, Stage
from oneblock.compilers.api.calls import NeuronCall, TirCall
from oneblock.compilers.api.facts import StepFacts
from oneblock.compilers.api.gpu_kernel import GpuKernel
from oneblock.compilers.dialects import read
from oneblock.workloads._workload import Phase
from oneblock.workloads.models import preset
from tests.bench.report.test_report import HOSTILE, Page, drawn, page_of, record
from tests.bench.report.test_report_compiled import FACTS, compiled, section

FX = """class GraphModule(torch.nn.Module):
    def forward(self, x: "f32[4]"):
        # Annotation: {'step': 'norm1'} File: a.py:1 in f, code: y = x * x
        mul: "f32[4]" = x * x

        # Annotation: {'step': 'mlp'} File: a.py:2 in f, code: z = y + y
        add: "f32[4]" = mul + mul;  mul = None
        return (add,)
"""


def kept(folder: Path, *texts: tuple[str, str], name: str = "torch_inductor") -> tuple[Path, Record]:
    """A record in a directory, with these (dialect, text)."""
    store = Store(folder)
    refs = tuple(store.add_artifact(Artifact(Stage.GRAPH, dialect, text)) for dialect, text in texts)
    made = replace(record(name), artifacts=refs)
    return store.add(made), made


def text_of(found: Explorer, number: int) -> str:
    return zlib.decompress(base64.b64decode(found.blobs[number])).decode()


def steps_of(found: Explorer, stage: StageText) -> list[tuple[str, ...]]:
    flat = json.loads(text_of(found, stage.runs))
    return [found.sets[code >> 1] for count, code in zip(flat[::2], flat[1::2], strict=True) for _ in range(count)]


def test_each_line_has_the_steps_that_the_reader_gives_it(tmp_path: Path) -> None:
    path, made = kept(tmp_path, ("fx", FX))
    found = explore([(path, made)])
    (stage,) = found.cells[0].stages
    lines = read("fx", FX, context_of(made, Store(path.parent)))
    assert lines is not None
    assert steps_of(found, stage) == list(lines.steps)
    assert text_of(found, stage.text) == FX.rstrip("\n")
    assert stage.share == lines.attributed
    assert {"norm1", "mlp"} <= stage.counts.keys()


def test_an_identical_text_is_in_the_page_once(tmp_path: Path) -> None:
    one, two = kept(tmp_path, ("fx", FX)), kept(tmp_path, ("fx", FX), name="torch_eager")
    found = explore([one, two])
    assert [cell.stages[0].text for cell in found.cells] == [0, 0]
    assert len(found.blobs) == 2  # the text, and the steps of its lines


def test_a_long_text_is_cut_at_a_line_and_lies_whole_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_explorer, "LONGEST", 200)
    path, made = kept(tmp_path, ("fx", FX))
    found = explore([(path, made)], "page-stages")
    (stage,) = found.cells[0].stages
    shown = text_of(found, stage.text)
    assert FX.startswith(shown + "\n")
    assert len(shown) <= 200
    assert stage.shown == len(shown.split("\n")) < stage.lines
    write_beside(found.beside, tmp_path / "page-stages")
    assert (tmp_path / stage.beside).read_text() == FX


def test_a_name_says_in_what_the_cells_of_the_page_differ_and_nothing_else() -> None:
    prefill, long = record("jax_xla"), record("jax_xla", T=32)
    case = long.cell.case
    decode = replace(long, cell=replace(long.cell, case=replace(case, phase=Phase.DECODE, B=4, T=1, S=512)))
    assert sizes([]) == []
    assert sizes([prefill, replace(prefill, cell=replace(prefill.cell, backend="torch_eager"))]) == ["prefill T16"] * 2
    assert sizes([prefill, long, decode]) == ["prefill B1 T16", "prefill B1 T32", "decode B4 S512"]
    other = replace(
        decode, cell=replace(decode.cell, dtype="bfloat16", case=replace(decode.cell.case, config=preset("gpt2")))
    )
    assert sizes([decode, other]) == ["tiny decode S512 float32", "gpt2 decode S512 bfloat16"]


def test_texts_stay_within_the_budget_and_small_ones_still_find_room(tmp_path: Path) -> None:
    noise = "\n".join(str(hash((n, "noise"))) for n in range(5000))
    path, made = kept(tmp_path, ("fx", noise), ("jaxpr", "a = add b c"))
    found = explore([(path, made)], budget=2000)
    assert sum(map(len, found.blobs)) <= 2000
    large, small = found.cells[0].stages
    assert large.absent is not None
    assert text_of(found, small.text) == "a = add b c"


def test_what_finds_no_room_is_named_and_a_text_that_is_gone_too(tmp_path: Path) -> None:
    path, made = kept(tmp_path, ("fx", FX), ("hlo", "HloModule m"))
    found = explore([(path, made)], budget=10)
    for stage, ref in zip(found.cells[0].stages, made.artifacts, strict=True):
        assert f"artifacts/{ref.sha256}.txt" in stage.absent
        assert stage.text is None
    assert found.without_text == 2
    assert explore([(path, made)]).without_text == 0
    Store(tmp_path).artifact_path(made.artifacts[0].sha256).unlink()
    assert "without_text" in ReportSummary(path, 1, 2**20, (), without_text=found.without_text).counts
    said = ReportSummary(path, 1, 2**20, (), without_text=found.without_text).sentence
    assert said.endswith("it names 2 stages without their texts, and where they lie")
    assert "is not there" in explore([(path, made)]).cells[0].stages[0].absent


def test_texts_of_passes_are_a_list_of_their_own(tmp_path: Path) -> None:
    names = ("tvm:000.after.A", "mlir:k:003.after.B", "hlo:0012.x.after_y", "hlo:0016.p.after_dce.before_cse")
    stages = ("hlo", "mlir")
    path, made = kept(tmp_path, *((name, f"text of {name}") for name in (*names, *stages)))
    (cell,) = explore([(path, made)]).cells
    assert [one.dialect for one in cell.passes] == list(names)
    assert [one.after for one in cell.passes][2:] == ["012 y", "016 dce"]
    assert [one.dialect for one in cell.stages] == list(stages)


def test_a_final_stage_finds_room_before_the_passes_and_the_other_files_that_led_to_it(tmp_path: Path) -> None:
    def noise(seed: int) -> str:
        return "\n".join(str(hash((n, seed))) for n in range(200))

    names = ("TLP-01-post-CP.txt", "hlo:0001.p.after_a.before_b", "hlo:after_codegen", "hlo")
    path, made = kept(tmp_path, *((name, noise(seed)) for seed, name in enumerate(names)))
    (cell,) = explore([(path, made)], budget=5000).cells
    having = [(one.dialect, one.text is not None) for one in cell.stages]
    assert having == [(names[2], False), ("hlo", True), (names[0], False)]
    assert [one.text for one in cell.passes] == [None]


def test_hostile_text_is_no_markup_and_no_terminal_code(tmp_path: Path) -> None:
    path, made = kept(tmp_path, ("fx", HOSTILE), (f"ttir:{HOSTILE}", "x"))
    facts = replace(
        FACTS, calls=(GpuKernel(name=HOSTILE, steps=(HOSTILE,), kind=HOSTILE, modelled_s={"static": 1e-6}),)
    )
    made = replace(made, facts=facts)
    found = explore([(path, made)])
    text = drawn(Study("A report", [(path, made)], (), SetComparison((ChangedFigure(*[HOSTILE] * 6),)), found))
    assert not {"img"} & {tag for tag, _ in Page(text).tags}
    assert [tag for tag, _ in Page(text).tags].count("script") == 4
    assert "\x1b" not in text
    assert "\x1b" not in text_of(found, found.cells[0].stages[0].text)
    assert "alert(1)" in text_of(found, found.cells[0].stages[0].text)


def test_numbers_that_moved_have_a_section_only_where_there_are_any() -> None:
    assert 'id="moved"' not in page_of(record())
    moved = SetComparison((ChangedFigure("block-x", "cold", "12.0 ms", "24.0 ms", "SLOWER", "the load was higher"),))
    text = section(drawn(Study("A report", [(Path("r.json"), record())], against=moved)), "moved")
    for words in ("block-x", "12.0 ms", "24.0 ms", "SLOWER", "the load was higher"):
        assert words in text


def test_figures_by_step_come_of_whatever_the_toolchain_tells() -> None:
    call = NeuronCall(
        name="linear", steps=("qkv",), shapes=(), instructions={"tensor": 3, "dma": 2}, flops=1e6, hbm_bytes=4000,
        dma_runs=1, sbuf_bytes=512, sbuf_limit_bytes=1000, psum_banks=1, busy_s={}, modelled_s={"timeline": 2e-6},
    )  # fmt: skip
    rows = {row.name: row for row in by_step(replace(FACTS, steps=(), calls=(call, replace(call, sbuf_bytes=99))))}
    assert (rows["qkv"].operations, rows["qkv"].kernels, rows["qkv"].hbm_bytes) == (10, 2, 8000)
    assert (rows["qkv"].on_chip_bytes, rows["qkv"].seconds) == (512, 4e-6)
    fused = TirCall(name="f", steps=("mlp", "norm2"), flops=5.0, loops={}, vector_lanes=None, instructions={})
    assert [row.name for row in by_step(replace(FACTS, steps=(), calls=(fused,)))] == ["norm2 + mlp"]
    both = StepFacts("rope+attention", 2, 1.0, 1.0, None)
    assert [row.name for row in by_step(replace(FACTS, steps=(both, StepFacts(None, 1, 0, 0, None))))] == [
        "rope + attention", "none",
    ]  # fmt: skip


def test_steps_stand_on_the_roof_by_formula_and_as_counted() -> None:
    made = compiled()
    text = page_of(made)
    plot = next(one for one in json.loads(Page(text).scripts[0]) if one["description"].startswith("Steps of"))
    points = plot["layer"][-1]["data"]["values"]
    assert {(one["step"], one["by"]) for one in points} >= {("norm1", "xla_tpu plain"), ("mlp", "formula")}
    assert made.limits is not None
    for one in points:
        assert one["y"] == pytest.approx(min(197e12, one["x"] * 819e9))
    mlp = next(one for one in points if (one["step"], one["by"]) == ("mlp", "xla_tpu plain"))
    assert mlp["x"] == pytest.approx(2e6 / 5e6)
    assert "TPU v5e" in section(text, "roofline")


def test_a_cell_can_be_made_again_from_its_command() -> None:
    wide = replace(record().cell.case.config, kv_heads=4)
    made = replace(record(), cell=replace(record().cell, case=replace(record().cell.case, config=wide), input_seed=7))
    words = shlex.split(run_command(made))
    for pair in (["--preset", "tiny"], ["--set", "kv_heads=4"], ["-T", "16"], ["--input-seed", "7"]):
        at = words.index(pair[1]) - 1
        assert words[at : at + 2] == pair
    assert "--seed" not in words
    odd = replace(record(), cell=replace(record().cell, backend="a; rm -rf /"))
    assert "'a; rm -rf /'" in run_command(odd)


def test_records_of_the_first_schema_have_their_place(tmp_path: Path) -> None:
    path, made = kept(tmp_path, ("fx", FX))
    old = json.loads(adapter().dump_json(made))
    for name in ("facts", "memory", "compile_s"):
        del old[name]
    path.write_text(json.dumps(old | {"schema": 1}))
    records, problems = Store(tmp_path).records()
    assert not problems
    found = explore(records)
    assert found.cells[0].table is None
    assert found.cells[0].stages[0].lines == len(FX.splitlines())
    assert re.search(r"fx\s+<span[^>]*>100", drawn(Study("Old", records, explorer=found)))
