"""Whether a chip's figures agree with one another: equations that they have to satisfy, and what a failure looks like.

* units: SMs x clock x FLOPs of a cycle = peak, by dtype. Where a source gives the clock at which matrix units run, the
  peak may differ from it by 3 % (sheets round to three digits); of a boost clock it may fall 10 % short, since sheets
  state peaks at a lower one. TensorE is 128 x 128 x 2 x its clock. A TPU's clock is published by nobody: the one that
  its peak implies has to lie between 0.7 and 2 GHz.
* pins: pins x bits per second of each / 8 = bandwidth, within 3 %.
* sources: what others state of the same. It is kept beside the figure, and here told where it differs by over 2 %.

What looks like a known mistake is called by its name: a peak with sparsity, the float32 units', bits for bytes, a
prefix of 1000 or 1024 too many, half or twice the bandwidth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oneblock.compilers.chips.chip import Chip, Gpu, NeuronCore, Tpu
from oneblock.compilers.chips.figures import Figure

# FLOPs of a cycle and multiprocessor (AMD: CU), a multiply-add being 2, by dtype. NVIDIA: OpenXLA's matrix units (four
# of 512 multiply-adds in float16 on Hopper, 1024 on Blackwell) and its white papers; AMD: 256 and 512 a matrix core.
_HALVES = ("float16", "bfloat16")
_EIGHTS = ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "int8")
_PER_CYCLE: Mapping[str, tuple[int, int | None, int | None]] = {  # of 16 bits, of 8, of 4
    "sm_75": (1024, 2048, None), "sm_80": (2048, 4096, None), "sm_89": (1024, 2048, None), "sm_90": (4096, 8192, None),
    "sm_100": (8192, 16384, 32768), "sm_103": (8192, 16384, 49152), "sm_120": (1024, 2048, 4096),
    "gfx942": (2048, 4096, None), "gfx950": (4096, 8192, 16384),
}  # fmt: skip
_SLOW_INT8 = ("sm_103",)  # Blackwell Ultra gave its int8 units up
AT_MATRIX_CLOCK, AT_BOOST = (0.97, 1.05), (0.90, 1.05)
PINS, SOURCES = (0.97, 1.03), (0.98, 1.02)
TPU_CLOCK_HZ = (0.7e9, 2.0e9)


@dataclass(frozen=True)
class Equation:
    """What figures imply beside what is stated; it holds where their ratio lies between `least` and `most`."""

    kind: str  # "units", "pins", "sources"
    what: str
    expected: float
    stated: float
    unit: str
    least: float
    most: float
    looks_like: str | None = None  # of one that does not hold: the mistake that gives this ratio

    @property
    def ratio(self) -> float:
        """Stated over expected."""
        return self.stated / self.expected

    @property
    def holds(self) -> bool:
        """Whether the ratio is within its tolerance."""
        return self.least <= self.ratio <= self.most

    def __str__(self) -> str:
        told = (
            f"{self.what}: expected {self.expected:.4g} {self.unit}, stated {self.stated:.4g}, {self.ratio:.3g} times"
        )
        if self.holds:
            return f"{told}: within {self.least:.2f} to {self.most:.2f}"
        return told + (f": looks like {self.looks_like}" if self.looks_like else f": not {self.least} to {self.most}")


def equations(chip: Chip) -> tuple[Equation, ...]:
    """Every equation for which the chip has the figures, those that hold too."""
    return (*_units(chip), *_pins(chip), *_sources(chip))


def findings(chip: Chip) -> tuple[str, ...]:
    """A sentence for each equation that does not hold."""
    return tuple(f"{chip.target}: {one}" for one in equations(chip) if not one.holds)


def _units(chip: Chip) -> Iterator[Equation]:
    if isinstance(chip, Gpu):
        yield from _multiprocessors(chip)
    elif isinstance(chip, NeuronCore) and "bfloat16" in chip.peaks:
        expected = 2.0 * 128 * 128 * chip.generation.clock_hz["tensor"]
        yield _peak(
            "128 x 128 x 2 x TensorE's clock = peak of bfloat16", expected, chip.peaks["bfloat16"], AT_MATRIX_CLOCK
        )
    elif isinstance(chip, Tpu) and chip.clock_hz is not None:
        middle = 1.2e9
        least, most = (bound / middle for bound in TPU_CLOCK_HZ)
        looks = "a peak with sparsity, or of another unit, given as dense" if chip.clock_hz > TPU_CLOCK_HZ[1] else None
        what = "peak of bfloat16 / (2 x multiply-adds a cycle) = a clock"
        yield Equation("units", what, middle, chip.clock_hz, "Hz", least, most, looks)


def _multiprocessors(chip: Gpu) -> Iterator[Equation]:
    rates = _PER_CYCLE.get(chip.architecture)
    if rates is None:
        return
    clock, within = (
        (chip.clock_hz, AT_BOOST) if chip.matrix_clock_hz is None else (chip.matrix_clock_hz, AT_MATRIX_CLOCK)
    )
    told: set[tuple[int, float]] = set()
    for dtype, peak in chip.peaks.items():
        per_cycle = rates[0] if dtype in _HALVES else rates[1] if dtype in _EIGHTS else rates[2]
        if (
            per_cycle is None
            or (dtype == "int8" and chip.architecture in _SLOW_INT8)
            or (per_cycle, peak.value) in told
        ):
            continue
        told.add((per_cycle, peak.value))
        what = f"{chip.sms.value} multiprocessors x {clock.value / 1e9:.4g} GHz x {per_cycle} = peak of {dtype}"
        expected = chip.sms.value * clock.value * per_cycle
        yield _peak(what, expected, peak, within, float32=chip.float32_flops_per_s)


def _peak(
    what: str, expected: float, stated: Figure[float], within: tuple[float, float], float32: float | None = None
) -> Equation:
    ratio = stated.value / expected
    looks: str | None
    if 1.8 < ratio < 2.2:
        looks = "the peak with 2:4 sparsity given as dense"
    elif 3.8 < ratio < 4.2:
        looks = "the peak with 1:4 sparsity given as dense"  # which AWS's tensor engines have
    elif float32 is not None and any(abs(stated.value / (times * float32) - 1) < 0.05 for times in (1, 2, 4)):
        looks = "the float32 units' peak given as the matrix units'"
    else:
        looks = _prefix(ratio)
    return Equation("units", what, expected, stated.value, "FLOP/s", *within, looks)


def _pins(chip: Chip) -> Iterator[Equation]:
    bus, rate = chip.memory_bus_bits, chip.memory_pin_bits_per_s
    if bus is not None and rate is not None:
        expected, stated = bus.value * rate.value / 8, chip.memory_bytes_per_s.value
        what = f"{bus.value} pins x {rate.value / 1e9:.4g} Gbit/s / 8 = bandwidth"
        yield Equation("pins", what, expected, stated, "B/s", *PINS, _bandwidth(stated / expected, expected))


def _sources(chip: Chip) -> Iterator[Equation]:
    for name, figure in figures(chip):
        for other in figure.contradictions:
            ratio = figure.value / other.value
            looks = _prefix(ratio)
            if "bytes" in name:
                looks = _bandwidth(ratio, other.value) if "per_s" in name else _bytes(ratio, other.value)
            if name.startswith("peak") and (1.8 < ratio < 2.2 or 1.8 < 1 / ratio < 2.2):
                looks = "one of them with 2:4 sparsity, and the other dense"
            what = f"{name} by {figure.source} = by {other.source}"
            yield Equation("sources", what, other.value, figure.value, unit(name), *SOURCES, looks)


def figures(chip: Chip) -> Iterator[tuple[str, Figure[Any]]]:
    """(its name, the figure) of all that a chip states, peaks and caches among them."""
    yield from ((f"peak of {dtype}", peak) for dtype, peak in chip.peaks.items())
    yield from ((f"cache {name}", cache) for name, cache in chip.caches.items())
    for name in (
        "memory_bytes", "memory_bytes_per_s", "memory_bus_bits", "memory_pin_bits_per_s", "on_chip_bytes",
        "link_bytes_per_s", "tdp_w", "chips_per_instance", "sms", "clock_hz", "matrix_clock_hz", "macs_per_cycle",
    ):  # fmt: skip
        figure = getattr(chip, name, None)
        if isinstance(figure, Figure):
            yield name, figure


def unit(name: str) -> str:
    """The unit of a figure by its name, as `figures` gives it; "" of a count."""
    if name.startswith("peak"):
        return "OP/s" if "of int" in name else "FLOP/s"
    units = {"cache": "B", "tdp_w": "W"}
    ends = {"bytes": "B", "bytes_per_s": "B/s", "bits_per_s": "bit/s", "hz": "Hz", "bits": "bits"}
    return units.get(name.split()[0]) or next((unit for end, unit in ends.items() if name.endswith(end)), "")


def _bandwidth(ratio: float, expected: float) -> str | None:
    if 1.9 < ratio < 2.1:
        return "twice the bandwidth: both directions, or both edges counted twice"
    if 1.9 < 1 / ratio < 2.1:
        return "half the bandwidth: one direction, or one edge of the clock"
    return _bytes(ratio, expected)


def _bytes(ratio: float, expected: float) -> str | None:
    """The unit of bytes that was mistaken for another where a ratio is one's of the other, within half a per cent."""
    for power, what in enumerate(("KB for KiB", "MB for MiB", "GB for GiB", "TB for TiB"), start=1):
        if expected >= 0.5 * 1000.0**power and _near(ratio, 1.024**power, 0.005):
            return what
    return "bits for bytes" if _near(ratio, 8.0, 0.1) else _prefix(ratio)


def _prefix(ratio: float) -> str | None:
    for power in (1, 2, 3, 4):
        if _near(ratio, 1000.0**power, 0.2):
            return f"a wrong unit: a prefix of 1000 too many or too few, {power} times over"
    return None


def _near(ratio: float, factor: float, within: float) -> bool:
    return any(abs(ratio / times - 1) < within for times in (factor, 1 / factor))
