"""Truth of layouts: what one matrix takes as XLA lays it out for a TPU and a CPU, as oneDNN packs it, and in NKI."""

from __future__ import annotations

import itertools
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import ask, run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape

HERE = Path(__file__).parent
MACHINES = HERE / "machines.py"
CHIPS = ("v4", "v5e", "v5p", "v6e")
LANES, SUBLANES, PARTITIONS = 128, 8, 128
KIB = 1024


def _shapes() -> list[Shape]:
    found: list[Shape] = []
    for R, C, dtype in itertools.product(
        (257, 300, 391, 520, 648, 777, 900, 1001), (65, 100, 130, 196, 200, 264, 330), ("bfloat16", "float32")
    ):
        if abs(ceil(R / 128) * C - ceil(C / 128) * R) < 16:
            continue  # in NKI either way takes as long
        n = len(found)
        more = {"R2": 130 + 37 * (n % 23), "C2": 129 + 31 * (n % 19), "dtype2": "float32"}
        heads = {"D2": (40, 48, 56, 72, 80, 88, 96, 104, 112)[n % 9], "V2": 32003 + 457 * (n % 29), "P2": 2 << n % 4}
        of = {"dtype": dtype, "chip": CHIPS[n % 4], "bytes": 2 if dtype == "bfloat16" else 4}
        found.append({"R": R, "C": C, **of, **more, **heads})
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The matrix laid out by XLA for both, packed by oneDNN, and gone over by two kernels on a NeuronCore."""
    words = [str(shape[name]) for name in ("R", "C", "dtype")]
    made: dict[str, Any] = run_script(MACHINES, *words, shape["chip"])
    facts, _ = ask("kernel", str(HERE / "passes.py"), *words, "--target", "neuron:trn2", cwd=folder)
    made["nki"] = {one["name"]: {name: one[name] for name in ("instructions", "hbm_bytes", "busy_s")}
                   for one in facts["calls"]}  # fmt: skip
    told = [f"{shape['chip']} {name:<13} {one['layout']}, {one['argument_bytes']:,} bytes (compiled)"
            for name, one in made.get("xla_tpu", {}).items()]  # fmt: skip
    if (cpu := made.get("jax_xla")) is not None:
        told.append(f"cpu by XLA        {cpu['layout']}, {cpu['argument_bytes']:,} bytes (compiled)")
    if (packed := made.get("torch_eager")) is not None:
        told.append(f"cpu by oneDNN     {packed['packed_bytes']:,} bytes, packed for {packed['isa']} (counted)")
    told += [f"nki {name:<13} {one['instructions']['vector']} instructions of VectorE (interpreted), which is busy for "
             f"{1e6 * one['busy_s']['vector']:.2f} µs (modelled)" for name, one in made["nki"].items()]  # fmt: skip
    return {**made, "told": told}


def kib(rows: int, columns: int, itemsize: int) -> float:
    """Of so many numbers."""
    return rows * columns * itemsize / KIB


def up(n: int, to: int) -> int:
    """The next multiple."""
    return -(-n // to) * to


def numbers(shape: Shape, artifact: Artifact) -> Answer:
    """KiB of the numbers alone."""
    return kib(shape["R"], shape["C"], shape["bytes"])


def padded(rows_to: int, columns_to: int, shape: Shape, artifact: Artifact) -> Answer:
    """KiB with both sides rounded up."""
    return kib(up(shape["R"], rows_to), up(shape["C"], columns_to), shape["bytes"])


def on_tpu(order: str, shape: Shape, artifact: Artifact) -> Answer:
    """KiB that the argument takes, in an order."""
    return float(artifact["xla_tpu"][order]["argument_bytes"]) / KIB


def on_cpu(shape: Shape, artifact: Artifact) -> Answer:
    """KiB by XLA:CPU."""
    return float(artifact["jax_xla"]["argument_bytes"]) / KIB


def packed(shape: Shape, artifact: Artifact) -> Answer:
    """KiB by oneDNN."""
    return float(artifact["torch_eager"]["packed_bytes"]) / KIB


def lanes(shape: Shape, artifact: Artifact) -> Answer:
    """Which side lies along the lanes: the first number of a layout is the axis whose neighbours are next."""
    return "columns" if "{1,0" in artifact["xla_tpu"]["chosen"]["layout"] else "rows"


def vector(kernel: str, shape: Shape, artifact: Artifact) -> int:
    """Instructions of VectorE."""
    return int(artifact["nki"][kernel]["instructions"]["vector"])


def faster(shape: Shape, artifact: Artifact) -> Answer:
    """What keeps VectorE busy for a shorter time on the partitions."""
    busy = {name: artifact["nki"][f"by_{name}"]["busy_s"]["vector"] for name in ("rows", "columns")}
    return min(busy, key=lambda name: float(busy[name]))


def why_order(shape: Shape, artifact: Artifact) -> Answer:
    """What the order that was chosen has to itself."""
    of = {name: one["argument_bytes"] for name, one in artifact["xla_tpu"].items()}
    return "least" if of["chosen"] == min(of.values()) else "given"


def why_idle(shape: Shape, artifact: Artifact) -> Answer:
    """What a last tile costs in NKI that is not full: bytes, or lanes that wait."""
    moved = float(artifact["nki"]["by_rows"]["hbm_bytes"])
    return "bytes" if moved > 2 * shape["R"] * shape["C"] * shape["bytes"] else "lanes"


def other(shape: Shape, artifact: Artifact) -> Answer:
    """KiB of another matrix, in the order that is padded least."""
    R, C = shape["R2"], shape["C2"]
    return min(kib(up(R, a), up(C, b), 4) for a, b in ((SUBLANES, LANES), (LANES, SUBLANES)))


def waste(to: int, shape: Shape, artifact: Artifact) -> Answer:
    """Percent of padding in rows of D2 numbers."""
    return float(100 - 100 * shape["D2"] / up(shape["D2"], to))


def vocabulary(to: int, chips: int | None, shape: Shape, artifact: Artifact) -> Answer:
    """Rows that are added to V2."""
    return int(up(shape["V2"], to * (chips or shape["P2"])) - shape["V2"])


def measure(script: Path, shape: Shape) -> Answer:
    """In which order a learner's `tiled` has its numbers, as a word."""
    return str(run_script(MACHINES, str(script.resolve()))["word"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


_wrong = Misconception
MATRIX = "{dtype}[{R},{C}]"
PREDICTED = (
    Item("tpu_kib", Part.PREDICT, f"How many KiB does {MATRIX} take in HBM on {{chip}}, as XLA lays it out?",
         partial(on_tpu, "chosen"), "tiles of 8 by 128, whichever side lies along the 128", (
             _wrong("numbers", numbers, "a tile is stored whole: round up to it"),
             _wrong("as_written", partial(padded, SUBLANES, LANES),
                    "no one says that columns lie along the lanes: the other way is padded less"),
             _wrong("both_to_128", partial(padded, LANES, LANES), "one side goes to 128, the other to 8"),
         ), within=0.001, needs="xla_tpu"),
    Item("cpu_kib", Part.PREDICT, f"And {MATRIX} as an argument of XLA's program for a CPU?", on_cpu,
         "the layout of jax_xla has no tile", (
             _wrong("as_on_tpu", lambda s, a: on_tpu("chosen", s, a) if "xla_tpu" in a else -1.0,
                    "a CPU reads any address: its layout has no tile"),
             _wrong("lines", lambda s, a: kib(s["R"], up(s["C"], 64 // s["bytes"]), s["bytes"]),
                    "rows follow one another without a gap: a cache line may hold the end of one and begin the next"),
         ), within=0.001, needs="jax_xla"),
    Item("nki_instructions", Part.PREDICT, "An NKI kernel doubles the matrix, a row on each partition. How many "
         "instructions of VectorE does it take?", partial(vector, "by_rows"), "a tile has up to 128 rows", (
             _wrong("rounded_down", lambda s, a: s["R"] // PARTITIONS, "the rows that are left over need one, too"),
             _wrong("a_row_each", lambda s, a: s["R"], "an instruction works on all 128 partitions at once"),
             _wrong("by_columns", lambda s, a: ceil(s["C"] / PARTITIONS), "rows are on partitions: {R} of them"),
         )),
)  # fmt: skip
OBSERVED = (
    Item("row_major_kib", Part.OBSERVE, "How many KiB does it take on {chip} if it must be row-major?",
         partial(on_tpu, "row_major"), "argument_bytes of row_major", (
             _wrong("numbers", numbers, "read argument_bytes: tiles are whole"),
             _wrong("transposed", partial(padded, LANES, SUBLANES), "that is column_major"),
         ), within=0.001, needs="xla_tpu"),
    Item("lanes", Part.OBSERVE, "What lies along the 128 lanes in the layout that XLA chose?", lanes,
         "{{1,0}}: neighbours on axis 1 lie next to each other; {{0,1}}: those on axis 0", (
             _wrong("columns", _said("columns"), "the first number in braces is the axis that lies along the lanes"),
             _wrong("rows", _said("rows"), "the first number in braces is the axis that lies along the lanes"),
         ), {"columns": "the {C} numbers of a row", "rows": "the {R} numbers of a column"}, needs="xla_tpu"),
    Item("packed_kib", Part.OBSERVE, f"How many KiB has {MATRIX} once oneDNN packed it as weights of a product?",
         packed, "packed_bytes", (
             _wrong("numbers", numbers, "a library packs in blocks of its registers, though a CPU has no tiles"),
             _wrong("as_on_tpu", partial(padded, LANES, LANES), "its blocks are smaller than that: read packed_bytes"),
         ), within=0.001, needs="torch_eager"),
    Item("nki_faster", Part.OBSERVE, "What on the partitions keeps VectorE busy for a shorter time?", faster,
         "busy_s of both kernels: instructions times the numbers on a partition", (
             _wrong("rows", _said("rows"), "compare busy_s: each instruction of by_rows takes {C} numbers"),
             _wrong("columns", _said("columns"), "compare busy_s: each instruction of by_columns takes {R} numbers"),
         ), {"rows": "its rows, {R} of them", "columns": "its columns, {C} of them"}),
)  # fmt: skip
EXPLAINED = (
    Item("why_order", Part.EXPLAIN, "Why is the argument in the order that XLA chose on {chip}?", why_order,
         "compare the three argument_bytes", (
             _wrong("given", _said("given"), "a layout is the compiler's choice, unless you give one"),
             _wrong("strides", _said("strides"), "the program reads every number once: any order would do for it"),
         ),
         {"least": "of the two it is padded least", "given": "JAX's arrays are row-major, and so is the argument",
          "strides": "the program reads down its columns"}, needs="xla_tpu"),
    Item("why_idle", Part.EXPLAIN, "In NKI, what does the last tile of rows waste, which is not full?", why_idle,
         "compare hbm_bytes with 2*R*C numbers", (
             _wrong("bytes", _said("bytes"), "hbm_bytes are those of the numbers alone: a DMA moves what is there"),
             _wrong("nothing", _said("nothing"), "an instruction takes as long for 1 partition as for 128"),
         ),
         {"lanes": "partitions that idle: the instruction takes as long as for a full tile",
          "bytes": "traffic: 128 rows cross the bus", "nothing": "no time: fewer rows take less of it"}),
)  # fmt: skip
APPLIED = (
    Item("other_kib", Part.APPLY, "And how many KiB does {dtype2}[{R2},{C2}] take as XLA lays it out for a TPU, "
         "if it may choose?", other,
         "both orders, each in tiles of 8 by 128; the smaller", (
             _wrong("numbers", lambda s, a: kib(s["R2"], s["C2"], 4), "tiles are whole"),
             _wrong("as_written", lambda s, a: kib(up(s["R2"], SUBLANES), up(s["C2"], LANES), 4),
                    "the other way is padded less"),
             _wrong("largest", lambda s, a: kib(up(s["R2"], LANES), up(s["C2"], SUBLANES), 4),
                    "this way is padded more: XLA takes the other"),
         ), within=0.001),
    Item("head_percent", Part.APPLY, "A cache must be row-major, and its rows are heads of {D2} numbers. What "
         "percentage of the bytes stored on a TPU is padding?", partial(waste, LANES),
         "of what is stored, and {D2} of 128 are used", (
             _wrong("to_64", partial(waste, 64), "a tile has 128 lanes, not 64"),
             _wrong("to_8", partial(waste, SUBLANES), "8 is the other side of a tile"),
             _wrong("of_the_numbers", lambda s, a: 100 * (LANES - s["D2"]) / s["D2"],
                    "you divided by the useful numbers; divide by what is stored"),
         ), within=0.005),
    Item("vocabulary", Part.APPLY, "{V2} rows of an embedding are divided over {P2} chips, each to have a multiple of "
         "128. How many rows are added?", partial(vocabulary, 128, None), "a multiple of 128 for each of {P2}", (
             _wrong("one_chip", partial(vocabulary, 128, 1), "each chip's part has to be a multiple, not the whole"),
             _wrong("even_alone", partial(vocabulary, 1, None), "that divides it evenly, but not into whole tiles"),
         )),
)  # fmt: skip
MADE = (
    Item("tiled", Part.MAKE, "Lay a matrix out as f32[R,C]{{1,0:T(8,128)}} has it in memory.", _said("tiles"),
         "see the hints in lab.py", (
             _wrong("rows", _said("rows"), "padded, but row by row: a tile's 8 rows come before the next tile"),
             _wrong("down", _said("down"), "the tiles go down columns: the next tile is to the right"),
             _wrong("columns", _said("columns"), "within a tile a row of 128 comes first"),
             _wrong("not_padded", _said("not_padded"), "tiles are whole: fill with zeros"),
             _wrong("differs", _said("differs"), "count them: ceil(R/8) * ceil(C/128) tiles of 1024 numbers"),
         ), measure=measure),
)  # fmt: skip

LESSON = Lesson(
    _shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: choose sizes that are multiples of 128 before you choose a chip, and ask in which order an array lies.",
    demonstration={**_shapes()[0], "R": 450, "C": 150},
)  # fmt: skip
