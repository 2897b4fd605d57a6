"""A name is unique: whatever tells two cells apart is in their names, and one that is no other's is found alone."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from rich.table import Table

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell, Weights
from oneblock.bench.commands.compare import COMMAND as COMPARE
from oneblock.bench.commands.show import COMMAND as SHOW
from oneblock.bench.format.errors import Refused
from oneblock.bench.judge.moved import against
from oneblock.bench.judge.pairs import pair
from oneblock.bench.records.command import not_said, run_command
from oneblock.bench.records.find import find
from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from oneblock.bench.report.rows.cells import cell_row
from oneblock.bench.terminal.records import results
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import RopeScaling, preset
from tests.bench.report.test_report import page_of, record
from tests.helpers.stage_records import run

BASE = record().cell
SHA = "1a2b3c4d" + "0" * 56


def with_config(**values: object) -> Cell:
    """--set NAME=VALUE, as many as are given; a name is that of a preset."""
    return replace(BASE, case=replace(BASE.case, config=replace(preset("tiny"), **values)))  # type: ignore[arg-type]


def sized(phase: Phase, B: int, T: int, S: int) -> Cell:
    return replace(BASE, case=Case("block", preset("tiny"), phase, B, T, S))


def of_workload(workload: str, name: str) -> Cell:
    return replace(BASE, case=replace(BASE.case, workload=workload, config=replace(preset("tiny"), name=name)))


CELLS = {
    "nothing": BASE,
    "kv_heads=1": with_config(kv_heads=1),
    "kv_heads=4": with_config(kv_heads=4),
    "another field of the same number": with_config(heads=4, ffn_width=4),
    "two at once": with_config(kv_heads=1, ffn_width=256),
    "the other of the two": with_config(ffn_width=256),
    "no integer": with_config(norm_eps=1e-6),
    "a scaling": with_config(rope_scaling=RopeScaling(4.0, kind="yarn"), qk_norm="head", rotary_width=8, window=None),
    "a model": replace(with_config(name="mine"), model="models/mine"),
    "gone": with_config(name="gone", kv_heads=1),
    "a preset whose name ends as an override": with_config(name="tiny+kv_heads=4"),
    "the same, and set otherwise": with_config(name="tiny+kv_heads=4", kv_heads=4),
    "a preset that is not here": with_config(name="gone"),
    "the same name, other numbers": with_config(name="gone", kv_heads=4),
    "a preset named like a size": with_config(name="tiny-prefill-B1"),
    "seed 1": replace(BASE, weight_seed=1),
    "seed 16": replace(BASE, weight_seed=16),
    "input seed 16": replace(BASE, input_seed=16),
    "both seeds": replace(BASE, weight_seed=16, input_seed=16),
    "weights": replace(BASE, weights=Weights("a", 1, SHA)),
    "another layer": replace(BASE, weights=Weights("a", 16, SHA)),
    "other weights": replace(BASE, weights=Weights("a", 1, SHA[::-1])),
    "weights and a seed": replace(BASE, weights=Weights("a", 1, SHA), weight_seed=7),
    "B 16": sized(Phase.PREFILL, 16, 16, 16),
    "T 1": sized(Phase.PREFILL, 1, 1, 1),
    "T 160": sized(Phase.PREFILL, 1, 160, 160),
    "S 1": sized(Phase.DECODE, 1, 1, 1),
    "S 16": sized(Phase.DECODE, 1, 1, 16),
    "a backend with a separator": replace(BASE, backend="reference-plain", ops_set="x"),
    "an ops set with a separator": replace(BASE, backend="reference", ops_set="plain/x"),
    "a backend that ends as an ops set": replace(BASE, backend="my", ops_set="backend-plain"),
    "an ops set that begins as a backend": replace(BASE, backend="my-backend", ops_set="plain"),
    "a workload with a separator": of_workload("my-block", "tiny"),
    "a preset that begins as its workload": of_workload("my", "block-tiny"),
    "a checkpoint that begins as another": replace(BASE, weights=Weights("a", 1, SHA[:8] + "f" * 56)),
    "an architecture with a _": replace(BASE, target=Target("cuda:sm_90")),
    "a product after an architecture": replace(BASE, target=Target("cuda:sm:90")),
    "a product": replace(BASE, target=Target("cuda:sm_90:h200")),
    "a _ in a product": replace(BASE, target=Target("acme:v1:big_one")),
    "a _ in an architecture": replace(BASE, target=Target("acme:v1_big:one")),
    "a _ in a platform": replace(BASE, target=Target("acme_v1:big:one")),
    "a topology and a mesh": replace(BASE, target=Target("tpu:v5e:2x4@dp2,tp4")),
    "a target that ends as a sharding": replace(BASE, target=Target("cpu-sharding.tp")),
    "a target that is called as a toolchain": replace(BASE, target=Target("toolchain.torch-2.12")),
    "a toolchain that ends as a sharding": replace(BASE, toolchain="torch-2.12-sharding.tp"),
    "a toolchain and a sharding": replace(BASE, toolchain="torch-2.12", sharding="tp"),
    "a variant": replace(BASE, variant="w8a16"),
    "a variant with a separator": replace(BASE, variant="w8-a", backend="b"),
    "a backend that begins as a variant": replace(BASE, variant="w8", backend="a-b"),
    "a toolchain": replace(BASE, toolchain="torch-2.12"),
    "a sharding": replace(BASE, sharding="tp"),
}


def made(cell: Cell, cold_s: float = 0.01) -> Record:
    return replace(record(cold_s=cold_s), cell=cell)


def test_two_cells_have_two_names_and_two_rows() -> None:
    for (one, a), (two, b) in combinations(CELLS.items(), 2):
        assert a.name != b.name, f"{one}, and {two}"
    rows = [cell_row(made(cell)) for cell in CELLS.values()]
    hidden = ("name", "identity")
    seen = {tuple(value for column, value in each.items() if column not in hidden) for each in rows}
    assert len(seen) == len(CELLS), "columns tell them apart, names and hashes aside"


def test_the_name_says_what_differs_and_nothing_else() -> None:
    assert BASE.name == "block-tiny-prefill-B1-T16-float32-reference-plain-cpu"
    assert CELLS["kv_heads=4"].name == "block-tiny+kv_heads=4-prefill-B1-T16-float32-reference-plain-cpu"
    said = CELLS["weights and a seed"].name
    assert said == "block-tiny-prefill-B1-T16-float32-w1a2b3c4d00000000.layer1-seed7-reference-plain-cpu"
    hyphened = replace(BASE, case=replace(BASE.case, config=preset("qwen2-0.5b")))
    for target, part in (("cuda:sm_90:h200", "cuda_sm_90_h200"), ("tpu:v5e:2x4@dp2,tp4", "tpu_v5e_2x4@dp2,tp4")):
        name = replace(hyphened, target=Target(target)).name
        assert name == f"block-qwen2-0.5b-prefill-B1-T16-float32-reference-plain-{part}"
    moved = replace(BASE, weights=Weights("elsewhere", 1, SHA))
    assert moved.name == CELLS["weights"].name, "where a checkpoint lies changes nothing"
    assert all(re.fullmatch(r"[A-Za-z0-9._+=%~@,-]+", cell.name) for cell in CELLS.values()), "names are names of files"


def test_a_sweep_is_paired_by_what_was_swept() -> None:
    sweep = [made(cell) for cell in CELLS.values()]
    both, only_a, only_b = pair(sweep, sweep[::-1])
    assert len(both) == len(CELLS)
    assert all(a.cell == b.cell for a, b in both)
    assert only_a == only_b == []
    found = against([made(CELLS["kv_heads=1"], 0.02)], sweep)
    assert (found.pairs, len(found.only_before)) == (1, len(CELLS) - 1)
    assert all("not the same" not in each.why for each in found.rows)


def test_another_tier_or_machine_is_paired_only_where_nothing_else_is() -> None:
    here, standard = made(BASE), replace(made(BASE), tier="standard", created="2026-02-01T00:00:00.000Z")
    assert pair([here, standard], [here]) == ([(here, here)], [standard], [])
    assert pair([standard], [here]) == ([(standard, here)], [], [])


@pytest.mark.parametrize("name", CELLS)
def test_a_record_is_found_by_its_name_though_others_contain_it(name: str, sweep: Path) -> None:
    assert find(CELLS[name].name, sweep)[1].cell.key == CELLS[name].key


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    for cell in CELLS.values():
        Store(folder).add(made(cell))
    return folder


def test_tables_go_by_what_identifies_and_not_by_a_name() -> None:
    """Two tiers or two machines are never in one table under the first one's title."""
    here = made(BASE)
    there = here.environment.machine | {"cpu": "Another", "threads": 96}
    elsewhere = replace(here, environment=replace(here.environment, machine=there))
    standard = replace(here, tier="standard")
    (alone,) = titles([here])
    assert alone.startswith(f"{BASE.subject}   (tier smoke, ")
    assert titles([here, made(replace(BASE, backend="other"))]) == [alone]
    first, second, third = titles([here, elsewhere, standard])
    assert first.startswith(f"{BASE.subject}, smoke on A CPU   (tier smoke")
    assert second.startswith(f"{BASE.subject}, smoke on Another   (tier smoke, 96 threads")
    assert third.startswith(f"{BASE.subject}, standard on A CPU   (tier standard")


def titles(records: list[Record]) -> list[str]:
    return [str(part.title) for part in results(records) if isinstance(part, Table)]


def test_words_are_words(sweep: Path) -> None:
    assert find("T160", sweep)[1].cell == CELLS["T 160"]
    assert find("prefill T1 reference", sweep)[1].cell == CELLS["T 1"], "and not T16 or T160"
    assert find("seed1", sweep)[1].cell == CELLS["seed 1"]
    assert find("kv_heads=1 ffn_width=256", sweep)[1].cell == CELLS["two at once"]
    identity = made(CELLS["both seeds"]).identity()
    assert find(identity, sweep)[1].cell == CELLS["both seeds"]
    assert find(identity[:9], sweep)[1].cell == CELLS["both seeds"], "part of one will do where no other has it"


@pytest.mark.parametrize("text", ["reference plain cpu", "kv_heads=1", "tiny", "layer1"])
def test_what_several_bear_is_refused_with_the_choices(text: str, sweep: Path) -> None:
    with pytest.raises(Refused) as refused:
        find(text, sweep)
    said = str(refused.value)
    choices = [line for line in said.splitlines()[1:] if line.strip()]
    assert len(choices) > 1
    assert f"{len(choices)} records" in said


def test_one_cell_of_two_tiers_is_two_records_and_of_two_moments_one(tmp_path: Path) -> None:
    old, new = made(BASE), replace(made(BASE), created="2026-02-01T00:00:00.000Z")
    for each in (old, new):
        Store(tmp_path).add(each)
    assert find("reference", tmp_path)[1].created == new.created
    Store(tmp_path).add(replace(new, tier="standard"))
    with pytest.raises(
        Refused, match=r"(?s)2 records.*standard on A CPU.*smoke on A CPU|2 records.*smoke on A CPU.*standard on A CPU"
    ):
        find("reference", tmp_path)


def test_the_public_case(tmp_path: Path) -> None:
    """Of a sweep each is listed apart, none is shown for another, and compare pairs what is the same."""
    for kv_heads in (1, 2, 4):
        Store(tmp_path / "sweep").add(made(with_config(kv_heads=kv_heads)))
    Store(tmp_path / "one").add(made(with_config(kv_heads=1), 0.02))
    _, said = run(SHOW, "-o", tmp_path / "sweep")
    for part in (r"\+kv_heads=1", "", r"\+kv_heads=4"):
        assert len(re.findall(rf"^block-tiny{part}-prefill", said, re.MULTILINE)) == 1
    code, said = run(SHOW, "reference", "-o", tmp_path / "sweep")
    assert (code, "3 records" in said) == (2, True)
    code, said = run(COMPARE, tmp_path / "sweep", tmp_path / "one")
    assert "not compared" not in said
    assert "kv_heads=1" in said
    page = page_of(*(made(with_config(kv_heads=n)) for n in (1, 2, 4)))
    assert all(len(re.findall(rf"<small>kv_heads={n}, B 1", page)) >= 1 for n in (1, 4))


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("two at once", "--set kv_heads=1 --set ffn_width=256"),
        ("both seeds", "--seed 16 --input-seed 16"),
        ("nothing", "--preset tiny --phase"),
        ("a preset that is not here", "--preset gone --phase"),
        ("no integer", "--preset tiny --set norm_eps=1e-06 --phase"),
        ("a model", "run block --model models/mine --phase"),
    ],
)
def test_the_command_of_a_record_makes_its_cell(cell: str, says: str) -> None:
    assert says in run_command(made(CELLS[cell]))


@pytest.mark.parametrize("cell", ["kv_heads=4", "no integer", "a scaling", "two at once", "gone", "a variant"])
def test_every_option_of_the_command_is_taken_and_what_has_none_is_named(cell: str) -> None:
    words = iter(shlex.split(run_command(made(CELLS[cell]))))
    options = dict(pair.split("=", 1) for word in words if word == "--set" for pair in [next(words)])
    again = preset("tiny").with_overrides(options)
    left_out = not_said(CELLS[cell])
    assert (again == CELLS[cell].case.config) == (cell != "gone")
    assert bool(left_out) == (cell in ("gone", "a variant"))
    page = page_of(made(CELLS[cell]))
    assert ("makes another cell: no option sets" in page) == bool(left_out)
    assert all(one in page for one in left_out)
