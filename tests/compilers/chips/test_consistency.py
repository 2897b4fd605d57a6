"""Figures of a chip against one another: ours agree, and public mistakes, fed in, are told each in its own sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oneblock.compilers.chips import every, load
from oneblock.compilers.chips.chip import OPTIONAL, Chip, Figure, Gpu, NeuronCore, Source, Tpu
from oneblock.compilers.chips.consistency import equations, figures, findings
from oneblock.compilers.chips.figures import halved

EVERY = pytest.mark.parametrize("chip", every(Chip), ids=lambda chip: chip.target)
SHEET = Source("a sheet", "2026-11")


def peak(chip: Gpu, value: float, source: Source = SHEET, *, dtype: str = "bfloat16") -> Gpu:
    """That GPU with another peak."""
    return replace(chip, peaks={"float16": chip.peaks["float16"], dtype: Figure(value, source)})


def halves(chip: Gpu, value: float, title: str) -> Gpu:
    """That GPU with the peak that somebody gives of 16 bits."""
    return replace(chip, peaks={"float16": Figure(value, Source(title))})


def told(chip: Chip) -> str:
    return "\n".join(findings(chip))


# ---------------------------------------------------------------- what we state ourselves

# Their pages round up: "1 PFLOP/s" with sparsity is 7 % above what that GPU's clock gives, "8 TB/s" 4 % above the pins.
ROUNDED = ("cuda:sm_103", "cuda:sm_120")


@EVERY
def test_what_units_and_pins_imply_is_what_is_stated(chip: Chip) -> None:
    found = [one for one in equations(chip) if one.kind != "sources"]
    wrong = [str(one) for one in found if not one.holds and chip.target not in ROUNDED]
    assert not wrong
    assert found or chip.target == "tpu:v7x", "no equation could be asked"
    assert chip.target not in ROUNDED or all(0.97 < one.ratio < 1.08 for one in found)


@EVERY
def test_each_figure_names_what_was_read_and_when_and_what_is_absent_says_why(chip: Chip) -> None:
    stated = [figure for _, figure in figures(chip)]
    unread = [str(each.source) for figure in stated for each in (figure, *figure.others) if each.source.as_of is None]
    assert len(unread) <= 1, unread  # of the TPU v4 one, whose document was not found again
    assert not [name for name in OPTIONAL if getattr(chip, name) is None and name not in chip.absent]


def test_fields_are_optional_for_a_third_partys_chip() -> None:
    figure = Figure(1e15, SHEET)
    bare = Chip(target="wafer:w3", name="W3", peaks={"bfloat16": figure}, memory_bytes=Figure(2**35, SHEET),
                memory_bytes_per_s=figure)  # fmt: skip
    assert (bare.tdp_w, bare.absent, equations(bare)) == (None, {}, ())


def test_contradictions_are_kept_beside_what_is_stated() -> None:
    known = load("cuda:sm_103", Gpu)
    assert {figure.value for figure in known.sms.contradictions} == {158}
    assert "158" in told(known)
    assert sum(len(figure.contradictions) for chip in every(Chip) for figure in (chip.memory_bytes,)) >= 10


# ---------------------------------------------------------------- the public mistakes

L40S, H100, B200, A100 = (load(target, Gpu) for target in ("cuda:sm_89", "cuda:sm_90", "cuda:sm_100", "cuda:sm_80"))
V4 = load("tpu:v4", Tpu)
NSYS = "GindaChen/nsys-ai#93"
V100: dict[str, Any] = {"target": "cuda:sm_70", "name": "V100", "memory_bytes": Figure(2**34, SHEET)}
MISTAKES = {
    # It holds "FP16 whenever possible", and of these the float32 units' (huggingface.js#661, #716).
    "huggingface.js L40S": (halves(L40S, 91.61e12, "hardware-nvidia.ts at fe42e680"), "the float32 units' peak given"),
    "huggingface.js A100": (halves(A100, 77.97e12, "hardware-nvidia.ts at fe42e680"), "the float32 units' peak given"),
    "torchtitan#1203": (halves(B200, 4500e12, "the page of the GB200 NVL72"), "2:4 sparsity given as dense"),
    "ml-engineering#40": (
        replace(V4, memory_bytes_per_s=Figure(2400e9, Source("ml-engineering before 24d772e")).against(
            Figure(1200e9, V4.memory_bytes_per_s.others[0].source))),
        "stated 2.4e+12, 2 times: looks like twice the bandwidth",
    ),
    "FlashMLA#75": (halves(H100, 1979e12, "FlashMLA#75, of an H800"), "2:4 sparsity given as dense"),
    "nsys-ai#93": (
        Chip(**V100, memory_bytes_per_s=Figure(900e9, SHEET), peaks={
            "float16": Figure(125e12, Source(f"{NSYS}, _GPU_SPECS")).against(
                Figure(112e12, Source(f"{NSYS}, hardware.py")))
        }),
        "by GindaChen/nsys-ai#93, _GPU_SPECS, not re-read = by GindaChen/nsys-ai#93, hardware.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_public_mistake_is_flagged_in_its_own_sentence(name: str) -> None:
    chip, says = MISTAKES[name]
    assert says in told(chip)
    assert chip.target in told(chip)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("chip", "says"),
    [
        (peak(H100, 989.4), "a wrong unit: a prefix of 1000 too many or too few, 4 times over"),
        (peak(H100, 989.4e9), "a wrong unit: a prefix of 1000 too many or too few, 1 times over"),
        (peak(H100, 3958e12, dtype="float8_e4m3fn"), "2:4 sparsity given as dense"),
        (peak(B200, 18000e12, dtype="float4_e2m1fn"), "2:4 sparsity given as dense"),
        (replace(A100, memory_bytes_per_s=Figure(8 * 2039e9, SHEET)), "bits for bytes"),
        (replace(A100, memory_bytes_per_s=Figure(1019e9, SHEET)), "half the bandwidth: one direction, or one edge"),
        (replace(A100, memory_bytes_per_s=Figure(2039e9 * 1.024**3, SHEET)), "GB for GiB"),
        (replace(A100, memory_bytes=Figure(80 * 2**30, SHEET).against(Figure(80 * 10**9, SHEET))), "GB for GiB"),
        (replace(A100, clock_hz=Figure(2.8e9, SHEET)), "0.504 times"),
        (replace(load("tpu:v5e", Tpu), peaks={"bfloat16": Figure(394e12, SHEET)}), "sparsity, or of another unit"),
        (
            replace(load("neuron:trn2", NeuronCore), peaks={"bfloat16": Figure(2563e12 / 8, SHEET)}),
            "1:4 sparsity given as dense",
        ),
        (replace(H100, chips_per_instance=Figure(8, SHEET).against(Figure(16, SHEET))), "0.5 times: not 0.98 to 1.02"),
    ],
)
def test_what_cannot_be_is_told_and_what_it_looks_like(chip: Chip, says: str) -> None:
    assert says in told(chip)


def test_a_sparse_peak_enters_only_as_one_that_was_halved() -> None:
    figure = halved(1979e12, Source("NVIDIA's page", "2026-11"))
    assert figure.value == 989.5e12
    assert str(figure.source) == "NVIDIA's page (stated with sparsity, halved here), 2026-11"
    assert not [
        one for one in equations(peak(H100, figure.value, figure.source)) if one.kind == "units" and not one.holds
    ]


WRONG: dict[str, Any] = {
    "source": "the internet", "others": (2.0,), "caches": {"L1": 1}, "clock": 1.8e9, "bits": Figure(5120.5, SHEET)
}  # fmt: skip


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Figure(1.0, WRONG["source"]), "expected a Source beside it"),
        (lambda: Figure(1.0, SHEET, WRONG["others"]), "expected others as Figures"),
        (
            lambda: replace(H100, absent={"tdp_w": "nobody says"}),
            "absent 'tdp_w': expected a figure that is not stated",
        ),
        (lambda: replace(H100, absent={"colour": "nobody says"}), "absent 'colour'"),
        (lambda: replace(H100, tdp_w=None, absent={"tdp_w": " "}), "absent 'tdp_w'"),
        (lambda: replace(H100, caches=WRONG["caches"]), "cache L1: expected a Figure"),
        (lambda: replace(H100, matrix_clock_hz=WRONG["clock"]), "matrix_clock_hz: expected a Figure"),
        (lambda: replace(H100, memory_bus_bits=WRONG["bits"]), "expected a whole number"),
    ],
)
def test_a_figure_without_its_pedigree_cannot_be_made(make: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        make()
