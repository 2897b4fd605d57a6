"""A chip is one entry of data: in a maker's file of a copy of the tree, or in another package; half of one is refused.

Where a chip comes to is asked of a process of its own: as a target, by name, in help texts, and in the roofline.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.compilers.chips import every, load
from oneblock.compilers.chips.chip import Chip, Figure, Gpu, Multiprocessor, NeuronCore, Source, Tpu
from tests.helpers.oneblock_process import install, oneblock
from tests.helpers.tree_copy import copied, environment
from tests.layout.test_layout import ROOT

WAFERS = '''"""A maker that oneblock has not heard of."""

from oneblock.compilers.chips.chip import Chip, Figure, Source

_SHEET = Source("the data sheet of the wafer", "2026-11")
CHIPS = (
    Chip(
        target="wafer:w3", name="Wafer 3", peaks={"bfloat16": Figure(2e15, _SHEET)},
        memory_bytes=Figure(44 * 2**30, _SHEET), memory_bytes_per_s=Figure(1e15, _SHEET),
    ),
)
'''
OTHERS = """
from dataclasses import replace
from oneblock.compilers.chips import load
from oneblock.compilers.chips.chip import Chip, Figure, Gpu, Source, Tpu

sheet = Source("the maker's data sheet", "2026-11")
known = dict(name="Somebody's", peaks={"bfloat16": Figure(1e15, sheet)}, memory_bytes=Figure(2**35, sheet),
             memory_bytes_per_s=Figure(1e12, sheet))
A40 = replace(load("cuda:sm_90", Gpu), target="cuda:sm_86", name="NVIDIA A40", sms=Figure(84, sheet))
V9 = Chip(target="tpu:v9", **known)
TRN9 = Chip(target="neuron:trn9", **known)
OURS = Chip(target="cuda:sm_90", **known)
TWICE = Chip(target="neuron:trn9", **known | {"name": "Another's"})
PLATFORM = Chip(target="cdua:sm_91", **known)
STRANGER = {"target": "cuda:sm_91"}

def __getattr__(name):  # each fails only as it is asked for
    if name == "UNNAMED":
        return Chip(target="SM 91", **known)
    if name == "PEAKLESS":
        return Chip(target="cuda:sm_91", **known | {"peaks": {}})
    if name == "FORGETFUL":
        return Chip(target="cuda:sm_91", **{k: v for k, v in known.items() if k != "memory_bytes"})
    if name == "BARE":
        return Chip(target="cuda:sm_91", **known | {"memory_bytes": 2**35})
    if name == "UNSOURCED":
        return Chip(target="cuda:sm_91", **known | {"memory_bytes": Figure(2**35, "the internet")})
    if name == "NEGATIVE":
        return Chip(target="cuda:sm_91", **known | {"memory_bytes": Figure(-1, sheet)})
    if name == "SHAPELESS":
        return Gpu(target="cuda:sm_91", **known)
    raise AttributeError(name)
"""
REFUSED = {  # entry point: what the refusal must say
    "ours": "'cuda:sm_90' is taken by NVIDIA H100 80GB HBM3",
    "twice": "'neuron:trn9' is taken by Somebody's",
    "platform": "'cdua:sm_91': expected a platform of cuda, neuron, rocm, tpu",
    "stranger": "expected a Chip of oneblock.compilers.chips.chip, got dict",
    "unnamed": "target 'SM 91': expected PLATFORM:ARCHITECTURE",
    "peakless": "cuda:sm_91: expected the peak of one dtype or more",
    "forgetful": "missing 1 required keyword-only argument: 'memory_bytes'",
    "bare": "cuda:sm_91: memory_bytes: expected a Figure(value, source), got 34359738368",
    "unsourced": "expected a Source beside it, got 'the internet'",
    "negative": "expected a positive number, got -1",
    "shapeless": "missing 3 required keyword-only arguments: 'multiprocessor', 'sms', and 'clock_hz'",
    "gone": "AttributeError: GONE",
}
ASK = """
import json, sys
from oneblock.backends.api.target import Target, known_targets
from oneblock.bench.cells.cell import Cell
from oneblock.bench.judge.roofline import stated_limits
from oneblock.compilers import chips
from tests.helpers.cases import case

def limits(target):
    found = stated_limits(Cell(case("norm"), "bfloat16", "reference", "plain", Target.parse(target)))
    return [found.flops_per_s, found.flops_by, found.read_bytes_per_s, found.kind]

print(json.dumps({
    "known": known_targets(), "limits": {target: limits(target) for target in sys.argv[1:]},
    "parsed": [str(Target.parse(target)) for target in sys.argv[1:]], "refused": chips.third_party().refused,
}))
"""


def ask(env: dict[str, str], *targets: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", ASK, *targets], env=env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which another package has registered chips."""
    folder = tmp_path_factory.mktemp("others")
    env = install(folder)
    (folder / "oneblock_others.py").write_text(OTHERS)
    info = folder / "oneblock_others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oneblock-others\nVersion: 1.0\n")
    points = "".join(f"{name} = oneblock_others:{name.upper()}\n" for name in ("a40", "v9", "trn9", *REFUSED))
    (info / "entry_points.txt").write_text(f"[oneblock.chips]\n{points}")
    return env


def test_one_file_adds_a_maker_its_platform_and_its_chip(tmp_path: Path) -> None:
    env = environment(copied(tmp_path))
    before = ask(env)["known"]
    (tmp_path / "oneblock/compilers/chips/makers/wafers.py").write_text(WAFERS)
    found = ask(env, "wafer:w3")
    assert sorted(found["known"]) == sorted([*before, "wafer", "wafer:w3"])
    assert found["parsed"] == ["wafer:w3"]
    assert found["limits"] == {"wafer:w3": [2e15, "the data sheet of the wafer, 2026-11", 1e15, "modelled"]}
    assert "wafer:w3" in "".join(oneblock(env, "run", "--help").stdout.split())
    done = oneblock(env, "run", "norm", "--preset=tiny", "--backend=reference", "--target=wafer:w3", cwd=tmp_path)
    assert "reference has no target wafer" in done.stdout + done.stderr


def test_another_package_adds_chips_and_each_wrong_one_is_named(env: dict[str, str]) -> None:
    found = ask(env, "cuda:sm_86", "tpu:v9", "neuron:trn9", "cuda:sm_90")
    assert {"cuda:sm_86", "tpu:v9", "neuron:trn9"} <= set(found["known"])
    assert found["parsed"] == ["cuda:sm_86", "tpu:v9", "neuron:trn9", "cuda:sm_90"]
    assert found["limits"]["neuron:trn9"] == [1e15, "the maker's data sheet, 2026-11", 1e12, "modelled"]
    assert found["limits"]["cuda:sm_90"][2] == 3350e9, "ours is not replaced"
    assert len(found["refused"]) == len(REFUSED)
    for name, why in REFUSED.items():
        (told,) = (line for line in found["refused"] if line.startswith(f"chip '{name}' of oneblock-others is refused"))
        assert why in told
    doctor = oneblock(env, "doctor", "--backend", "reference", "--json")
    assert {*found["refused"]} <= {*json.loads(doctor.stdout)["refused"]}


def test_an_unknown_target_is_told_what_was_refused(env: dict[str, str]) -> None:
    done = oneblock(env, "run", "norm", "--preset=tiny", "--backend=reference", "--target=cuda:sm_91")
    assert done.returncode == 2
    assert "unknown target 'cuda:sm_91'" in done.stderr
    assert "chip 'peakless' of oneblock-others is refused" in done.stderr


def test_a_backend_without_a_compiler_for_a_chip_says_so_by_name(env: dict[str, str], tmp_path: Path) -> None:
    words = ("run", "norm", "--preset=tiny", "--backend=neuron_nki", "--target=neuron:trn9", "-o", str(tmp_path))
    done = oneblock(env, *words)
    (record,) = (json.loads(path.read_text()) for path in tmp_path.glob("*.json"))
    assert record["status"] == "unsupported", done.stderr
    assert "neuron:trn9 (Somebody's) is stated as a Chip" in record["reason"]
    assert "as are neuron:inf2, neuron:trn1" in record["reason"]


# ---------------------------------------------------------------- what we state ourselves


@pytest.mark.parametrize("chip", every(Chip), ids=lambda chip: chip.target)
def test_figures_agree_with_one_another(chip: Chip) -> None:
    """Units x clock x operations = peak, where a source has all of them; and what must fit into something does."""
    assert chip.on_chip_bytes is None or chip.on_chip_bytes.value < chip.memory_bytes.value / 50
    if isinstance(chip, NeuronCore):
        assert chip.peaks["bfloat16"].value == pytest.approx(2 * 128 * 128 * chip.generation.clock_hz["tensor"])
    elif isinstance(chip, Tpu):
        assert chip.clock_hz is None or 0.9e9 < chip.clock_hz < 2e9
    elif isinstance(chip, Gpu):
        unit = chip.multiprocessor
        assert unit.shared_bytes_of_block + unit.reserved_bytes_of_block == unit.shared_bytes
        cycle = chip.peaks["float16"].value / (chip.sms.value * (chip.matrix_clock_hz or chip.clock_hz).value)
        own = PRODUCTS_OF_A_CYCLE[chip.architecture]
        # The RTX PRO 6000 has "1 PFLOP/s" with sparsity: rounded, 7 % above what its driver's clock gives.
        assert 0.97 < cycle / own <= (1.07 if chip.architecture == "sm_120" else 1.03), (
            f"{cycle:.0f} FLOPs of float16 a cycle and multiprocessor"
        )


# What a multiprocessor's tensor (matrix) cores do of float16 in a cycle, a multiply-add being 2.
PRODUCTS_OF_A_CYCLE = {"sm_75": 1024, "sm_80": 2048, "sm_89": 1024, "sm_90": 4096, "sm_100": 8192, "sm_103": 8192,
                       "sm_120": 1024, "gfx942": 2048, "gfx950": 4096}  # fmt: skip


def test_a_shape_that_a_compiler_needs_is_asked_for() -> None:
    with pytest.raises(LookupError, match=r"neuron:trn1 .* is stated as a NeuronCore.*stated as a Gpu"):
        load("neuron:trn1", Gpu)
    with pytest.raises(LookupError, match=r"no specification of tpu:v3: expected one of tpu:v4, "):
        load("tpu:v3", Tpu)


SHEET = Source("a sheet")
KNOWN: dict[str, Any] = {
    "name": "x", "peaks": {"float16": Figure(1e12, SHEET)}, "memory_bytes": Figure(2**34, SHEET),
    "memory_bytes_per_s": Figure(1e12, SHEET),
}  # fmt: skip
UNIT: Multiprocessor = load("cuda:sm_90", Gpu).multiprocessor
TORUS: dict[str, Any] = {
    "device_kinds": ("x",), "prefix": "x", "axes": 2, "host": (2, 2), "devices_per_chip": 1, "macs_per_cycle": None,
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Source(" "), "without a title"),
        (lambda: Figure(True, SHEET), "expected a number, got True"),
        (lambda: Figure(float("nan"), SHEET), "expected a positive number, got nan"),
        (lambda: Chip(target="cuda", **KNOWN), "expected PLATFORM:ARCHITECTURE"),
        (lambda: Chip(target="tpu:v5e:2x2:3", **KNOWN), "expected PLATFORM:ARCHITECTURE"),
        (lambda: Chip(target="cuda:gfx", **KNOWN), "expected an architecture such as cuda:sm_90"),
        (lambda: Chip(target="rocm:sm_90", **KNOWN), "expected an architecture such as rocm:gfx942"),
        (lambda: Chip(target="npu:x", **KNOWN | {"name": None}), "name: expected a str, got None"),
        (lambda: Chip(target="npu:x", **KNOWN | {"name": " "}), "a name as its maker spells it"),
        (lambda: Chip(target="npu:x", **KNOWN | {"peaks": {"bf16": Figure(1e12, SHEET)}}), r"peaks of \['bf16'\]"),
        (lambda: Chip(target="npu:x", **KNOWN | {"memory_bytes": Figure(2.5e9, SHEET)}), "expected a whole number"),
        (lambda: Chip(target="npu:x", **KNOWN | {"link_bytes_per_s": 9e11}), "link_bytes_per_s: expected a Figure"),
        (lambda: Tpu(target="npu:x", **KNOWN, **TORUS), "expected tpu:GENERATION"),
        (lambda: Tpu(target="tpu:x", **KNOWN, **TORUS | {"host": 4}), "host: expected a tuple, got 4"),
        (lambda: Tpu(target="tpu:x", **KNOWN, **TORUS | {"devices_per_chip": None}), "devices_per_chip: expected a"),
        (lambda: NeuronCore(target="neuron:x", generation=None, **KNOWN), "expected a Generation, got None"),
        (lambda: replace(load("neuron:trn1", NeuronCore).generation, clock_hz={}), "clock_hz of tensor: expected a"),
        (lambda: replace(UNIT, blocks=None), "Multiprocessor: blocks: expected a whole number from 0, got None"),
        (lambda: replace(load("cuda:sm_90", Gpu), multiprocessor=None), "expected a Multiprocessor, got None"),
        (lambda: Tpu(target="tpu:x:2x2", **KNOWN, **TORUS), "after which a topology is named"),
        (lambda: Tpu(target="tpu:x", **KNOWN, **TORUS | {"axes": 3}), "a host of 3 sides"),
        (
            lambda: Gpu(
                target="cuda:sm_91", **KNOWN, multiprocessor=UNIT, sms=Figure(1, SHEET), clock_hz=Figure(1e9, SHEET)
            ),
            "on_chip_bytes: expected a Figure",
        ),
    ],
)
def test_half_a_chip_cannot_be_made(make: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()


def test_each_instance_has_the_generation_that_aws_documents() -> None:
    by_instance = {core.architecture: core.generation.name for core in every(NeuronCore)}
    assert by_instance == {"inf2": "v2", "trn1": "v2", "trn2": "v3", "trn3": "v4"}
