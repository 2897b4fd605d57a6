"""The glossary's pictures of four cores: `python ci/pictures.py` writes docs/pictures/, by figures of compilers/chips.

A memory is a box of one colour, a unit one of another; each figure has the number of the document that states it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from textwrap import wrap

from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Figure, Gpu, NeuronCore, Source, Tpu
from oneblock.compilers.chips.makers import neuron_cores

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
PALLAS = Source("JAX's documentation of Pallas: TPU hardware, memory spaces, vector registers of 8 x 128")
OPTIMIZATION = Source("Intel 64 and IA-32 Architectures Optimization Reference Manual, Golden Cove")
MANUAL = Source("Intel 64 and IA-32 Architectures Software Developer's Manual, AVX-512 and AMX")
ARK = Source("Intel's product page of the Xeon Platinum 8480+: 105 MB for 56 cores, 8 channels of DDR5-4800")
TUNING = Source('CUDA C++ Programming Guide, "Arithmetic Instructions", and the Hopper Tuning Guide')
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1d2126; }
.title { font-size: 16px; font-weight: 650; } .unit { font-weight: 650; } .source { font-size: 11px; fill: #5b636c; }
rect { stroke: #8a929b; fill: #fdfdfb; } .memory { fill: #dbe8f6; } .does { fill: #f8e6d4; } .core { fill: #f5f5f1; }
.paper { stroke: none; } .way { stroke: #5b636c; stroke-width: 2; fill: none; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8e9ea; } .source { fill: #a3abb4; }
  rect { stroke: #626b75; fill: #14171a; } .memory { fill: #1f3550; } .does { fill: #4a3220; } .core { fill: #1d2125; }
  .paper { fill: #14171a; stroke: none; } .way { stroke: #a3abb4; }
}
"""
_LINE, _GAP, _BOX = 18, 14, 186
_LEFTS = (16, 240, 446, 652)  # of the memory outside, of that inside, and of two columns of units


@dataclass(frozen=True)
class Box:
    """A memory or a unit, and what is said of it, each with who states it."""

    name: str  #: a term of the glossary
    said: tuple[tuple[str, Source], ...] = ()

    @property
    def height(self) -> int:
        """With its name and each line."""
        return _LINE * (1 + len(self.said)) + 16


@dataclass(frozen=True)
class Picture:
    """A core: what is outside of it, its memories, its units."""

    title: str
    core: str
    outside: tuple[Box, ...]
    memories: tuple[Box, ...]
    units: tuple[Box, ...]
    sources: list[Source] = field(default_factory=list)

    def svg(self) -> str:
        """The file."""
        columns = (self.outside, self.memories, self.units[::2], self.units[1::2])
        kinds = ("memory", "memory", "does", "does")
        tall = max(sum(box.height + _GAP for box in column) for column in columns)
        parts = [f'<text x="16" y="28" class="title">{escape(self.title)}</text>']
        parts.append(f'<rect x="226" y="44" width="626" height="{tall + 34}" rx="8" class="core"/>')
        parts.append(f'<text x="240" y="64" class="unit">{escape(self.core)}</text>')
        parts.append('<path d="M 204 100 H 238 M 211 94 l -7 6 l 7 6 M 231 94 l 7 6 l -7 6" class="way"/>')
        parts.append('<path d="M 428 100 H 444 M 434 95 l -6 5 l 6 5 M 438 95 l 6 5 l -6 5" class="way"/>')
        for left, column, kind in zip(_LEFTS, columns, kinds, strict=True):
            parts += self._column(left, column, kind)
        top = tall + 102
        for number, source in enumerate(self.sources, 1):
            for line in wrap(f"[{number}] {source}", 130, subsequent_indent="    "):
                parts.append(f'<text x="16" y="{top}" class="source">{escape(line)}</text>')
                top += 15
        paper = f'<rect width="868" height="{top}" class="paper"/>'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 868 {top}" role="img">'
        return "\n".join(
            [head, f"<title>{escape(self.title)}</title>", f"<style>{_STYLE}</style>", paper, *parts, "</svg>\n"]
        )

    def _column(self, left: int, boxes: tuple[Box, ...], kind: str) -> Iterator[str]:
        top = 76
        for box in boxes:
            yield f'<rect x="{left}" y="{top}" width="{_BOX}" height="{box.height}" rx="5" class="{kind}"/>'
            yield f'<text x="{left + 10}" y="{top + 20}" class="unit">{escape(box.name)}</text>'
            for row, (words, source) in enumerate(box.said, 1):
                if source not in self.sources:
                    self.sources.append(source)
                told = f"{escape(words)} <tspan class='source'>[{self.sources.index(source) + 1}]</tspan>"
                yield f'<text x="{left + 10}" y="{top + 20 + _LINE * row}">{told}</text>'
            top += box.height + _GAP


def size(nbytes: float) -> str:
    """Bytes in the largest unit that keeps a digit before the point."""
    for unit, of in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if nbytes >= of:
            return f"{nbytes / of:.4g} {unit}"
    return f"{nbytes:.0f} B"


def rate(figure: Figure[float]) -> tuple[str, Source]:
    """Bytes a second."""
    return f"{figure.value / 1e9:.4g} GB/s", figure.source


def peak(figure: Figure[float], of: str) -> tuple[str, Source]:
    """FLOP a second."""
    return f"{figure.value / 1e12:.4g} TFLOP/s {of}", figure.source


def tpu() -> Picture:
    """A TPU v5e."""
    chip = chips.find("tpu:v5e")
    assert isinstance(chip, Tpu)
    assert chip.on_chip_bytes is not None
    assert chip.link_bytes_per_s is not None
    stated = chip.memory_bytes.source
    return Picture(
        "A TPU core (v5e)", "TensorCore: one VLIW bundle a cycle",
        (Box("HBM", ((size(chip.memory_bytes.value), stated), rate(chip.memory_bytes_per_s))),
         Box("ICI", (rate(chip.link_bytes_per_s),))),
        (Box("VMEM", ((size(chip.on_chip_bytes.value), chip.on_chip_bytes.source),)),
         Box("vreg", (("8 sublanes x 128 lanes", PALLAS), ("of 32 bits, 4 KiB each", PALLAS))),
         Box("SMEM", (("scalars, addresses", PALLAS),))),
        (Box("MXU", (("4, each 128 x 128", stated), peak(chip.peaks["bfloat16"], "bf16"))),
         Box("VALU", (("8 x 128 numbers", PALLAS), ("+ - * compare select", PALLAS))),
         Box("XLU", (("transpose, rotate, sum", PALLAS),)), Box("EUP", (("exp, log, 1/x, rsqrt", PALLAS),)),
         Box("SPU", (("control, starts DMAs", PALLAS),))),
    )  # fmt: skip


def neuroncore() -> Picture:
    """A NeuronCore-v2."""
    chip = chips.find("neuron:trn1")
    assert isinstance(chip, NeuronCore)
    guide, clock = chip.generation.source, chip.generation.clock_hz
    lanes = neuron_cores.PARTITIONS
    bank, banks = neuron_cores.PSUM_BANK_BYTES, neuron_cores.PSUM_BANKS
    assert chip.on_chip_bytes is not None

    def ghz(engine: str) -> tuple[str, Source]:
        return f"{clock[engine] / 1e9:.3g} GHz", guide

    return Picture(
        "A NeuronCore (v2, of trn1 and inf2)", "NeuronCore: a program for each engine",
        (Box("HBM", ((f"{size(chip.memory_bytes.value)} a core", chip.memory_bytes.source),)),
         Box("DMA", (rate(chip.memory_bytes_per_s),))),
        (Box("SBUF", ((size(chip.on_chip_bytes.value), guide),
                      (f"{lanes} x {size(chip.generation.sbuf_bytes)}", guide))),
         Box("PSUM", ((size(lanes * neuron_cores.PSUM_BYTES), guide),
                      (f"{lanes} x {banks} banks of {size(bank)}", guide)))),
        (Box("TensorE", ((f"{lanes} x {neuron_cores.STATIONARY_FREE}", guide), ghz("tensor"),
                         peak(chip.peaks["bfloat16"], "bf16"))),
         Box("VectorE", ((f"{lanes} lanes: + * sums", guide), ghz("vector"))),
         Box("ScalarE", ((f"{lanes} lanes: exp, gelu", guide), ghz("scalar"))),
         Box("GpSimdE", (("8 processors", guide), ghz("gpsimd")))),
    )  # fmt: skip


def sm() -> Picture:
    """A multiprocessor of an H100."""
    chip = chips.find("cuda:sm_90")
    assert isinstance(chip, Gpu)
    of = chip.multiprocessor
    assert chip.on_chip_bytes is not None
    quarter = of.schedulers
    registers = of.registers_of_lane * of.lanes * quarter
    sms, products = chip.sms, chip.peaks["bfloat16"]
    return Picture(
        "A streaming multiprocessor (SM) of an H100", "SM: four schedulers, each with its warps and units",
        (Box("HBM", ((size(chip.memory_bytes.value), chip.memory_bytes.source), rate(chip.memory_bytes_per_s))),
         Box("L2", ((size(chip.on_chip_bytes.value), chip.on_chip_bytes.source),
                    (f"for {sms.value} SMs", sms.source)))),
        (Box("shared memory", ((size(of.shared_bytes), of.source),
                               (f"a block: {size(of.shared_bytes_of_block)}", of.source))),
         Box("L1", (("with it 256 KiB", TUNING),)),
         Box("register file", ((f"{size(4 * registers)}: {registers} x 32 bit", of.source),
                               ("a thread at most 255", of.source)))),
        (Box("scheduler", ((f"{quarter}, of {of.warps // quarter} warps each", of.source),)),
         Box("warp", ((f"{of.lanes} threads, {of.warps} warps", of.source),)),
         Box("tensor core", ((f"{quarter}, one a scheduler", TUNING),
                             (f"of all: {products.value / 1e12:.4g} TFLOP/s", products.source))),
         Box("CUDA core", ((f"{of.float32_units} float32 FMA", TUNING),)),
         Box("SFU", (("16: exp2, 1/x, rsqrt", TUNING),)),
         Box("TMA", (("copies tiles by itself", TUNING),))),
    )  # fmt: skip


def cpu() -> Picture:
    """A core of a Xeon with AVX-512 and AMX."""
    return Picture(
        "A CPU core (Xeon of 2023, Golden Cove)", "core: out of order",
        (Box("DRAM", (("8 x DDR5-4800 a chip", ARK), ("307 GB/s", ARK))),
         Box("L3", (("1.875 MiB a core", ARK),))),
        (Box("L2", (("2 MiB", OPTIMIZATION), ("64 B a cycle to L1", OPTIMIZATION))),
         Box("L1", (("48 KiB of data", OPTIMIZATION), ("loads 2 x 64 B a cycle", OPTIMIZATION),
                    ("stores 64 B a cycle", OPTIMIZATION))),
         Box("cache line", (("64 B", OPTIMIZATION),))),
        (Box("AVX-512", (("32 registers of 64 B", MANUAL), ("16 float32 each", MANUAL))),
         Box("FMA", (("2 of 512 bits a cycle:", OPTIMIZATION), ("64 FLOP float32", OPTIMIZATION))),
         Box("AMX", (("8 tiles of 16 x 64 B", MANUAL), ("1024 FLOP bf16", OPTIMIZATION))),
         Box("SIMD", (("AVX2: 16 of 32 B", MANUAL),))),
    )  # fmt: skip


PICTURES = {"tpu": tpu, "neuroncore": neuroncore, "sm": sm, "cpu": cpu}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, drawn in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(drawn().svg(), encoding="utf-8")
        print(FOLDER / f"{name}.svg")


if __name__ == "__main__":
    main()
