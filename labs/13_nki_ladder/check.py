"""Truth of the NKI ladder: what the interpreter counted of four stages on two generations, and of one's own kernel."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.commands import ask
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape

HERE = Path(__file__).parent
STAGES = ("basic", "tiled", "hoisted", "blocked")
CHIPS = ("trn1", "trn2")
MIB = 2**20
ENGINES = {"dma": "the DMA engines", "tensor": "TensorE", "vector": "VectorE", "scalar": "ScalarE", "gpsimd": "GpSimdE"}

SIZES = itertools.product((256, 384, 512, 640, 768, 896, 1024), (256, 384, 512, 640, 768), (1024, 1536, 2048))
SHAPES = [  # no size twice: what is moved is the same on either chip
    {"M": M, "K": K, "N": N, "chip": CHIPS[n % 2], "M2": M + 64, "N2": N + 192}
    for n, (M, K, N) in enumerate(SIZES)
    if K * (M // 128 - 1) not in (M, 2 * M)  # else one wrong idea moves what another does
]


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The four stages, interpreted for both generations."""
    words = [str(shape[axis]) for axis in ("M", "K", "N")]
    made: dict[str, Any] = {}
    for chip in CHIPS:
        facts, _ = ask("kernel", str(HERE / "ladder.py"), *words, "--target", f"neuron:{chip}", cwd=folder)
        made[chip] = {one["name"].removeprefix("linear_"): one for one in facts["calls"]}
    seen = made[shape["chip"]]
    told = [
        f"{stage:<8} {one['hbm_bytes'] / MIB:7.3f} MiB by DMA, {sum(one['instructions'].values())} instructions, "
        f"timeline {one['modelled_s']['timeline'] * 1e6:.2f} µs ({shape['chip']}, interpreted and modelled)"
        for stage, one in seen.items()
    ]
    again = shlex.join(["oneblock", "kernel", str(HERE / "ladder.py"), *words, "--target", f"neuron:{shape['chip']}"])
    return {**made, "told": [*told, f"by engine and line: {again} --lines"]}


def matrices(shape: Shape, more: str = "") -> tuple[float, float, float]:
    """MiB of lhsT (K, M), rhs (K, N) and the answer (M, N) in bfloat16."""
    M, K, N = shape["M" + more], shape["K"], shape["N" + more]
    return 2 * K * M / MIB, 2 * K * N / MIB, 2 * M * N / MIB


def moved(stage: str, shape: Shape, artifact: Artifact) -> float:
    """MiB that a stage moved."""
    return float(artifact[shape["chip"]][stage]["hbm_bytes"]) / MIB


def once(shape: Shape, artifact: Artifact) -> float:
    """MiB of each matrix once."""
    return sum(matrices(shape))


def both_wide(shape: Shape, artifact: Artifact) -> float:
    """As if a wide tile let both operands be read less often."""
    left, right, out = matrices(shape)
    return float(left * shape["N"] / 512 + right * shape["M"] / 512 + out)


def neither(shape: Shape, artifact: Artifact) -> float:
    """As if holding lhsT let rhs stay as well, and the answer were accumulated in HBM."""
    left, right, out = matrices(shape)
    return left + right + 2 * out


def without_out(stage: str, shape: Shape, artifact: Artifact) -> float:
    """The operands alone."""
    return moved(stage, shape, artifact) - matrices(shape)[2]


def busiest(stage: str, chip: str, artifact: Artifact) -> str:
    """The engine with the most busy time."""
    busy = artifact[chip][stage]["busy_s"]
    return str(max(busy, key=lambda engine: float(busy[engine])))


def busiest_here(stage: str, shape: Shape, artifact: Artifact) -> Answer:
    """The same on the seed's own generation."""
    return busiest(stage, shape["chip"], artifact)


def most_issued(stage: str, shape: Shape, artifact: Artifact) -> Answer:
    """The engine with the most instructions: many are short."""
    counts = artifact[shape["chip"]][stage]["instructions"]
    return str(max(counts, key=lambda engine: int(counts[engine])))


def why_tiled(shape: Shape, artifact: Artifact) -> Answer:
    """Which matrix's traffic accounts for what tiled saves over basic."""
    saved = moved("basic", shape, artifact) - moved("tiled", shape, artifact)
    left, right, _ = matrices(shape)
    N, M = shape["N"], shape["M"]
    of_left, of_right = left * (N / 128 - ceil(N / 512)), right * (ceil(M / 128) - ceil(M / 512))
    causes = {"left": of_left, "right": of_right, "both": of_left + of_right}
    return min(causes, key=lambda cause: abs(causes[cause] - saved))


def faster(shape: Shape, artifact: Artifact) -> Answer:
    """The generation whose modelled timeline of the last stage is shorter."""
    return min(CHIPS, key=lambda chip: float(artifact[chip]["blocked"]["modelled_s"]["timeline"]))


def what_decides(shape: Shape, artifact: Artifact) -> Answer:
    """The engine that is busiest in the last stage on both, or neither."""
    engines = {busiest("blocked", chip, artifact) for chip in CHIPS}
    return engines.pop() if len(engines) == 1 else "differs"


def tiled_elsewhere(rounded: Callable[[float], float], shape: Shape, artifact: Artifact) -> Answer:
    """MiB of tiled at M2, K, N2, by how often each operand is read."""
    left, right, out = matrices(shape, "2")
    return left * rounded(shape["N2"] / 512) + right * rounded(shape["M2"] / 128) + out


def measure(script: Path, shape: Shape) -> Answer:
    """DMA bytes of linear_relu in a learner's lab.py, if its answer is right; "differs" if it is not."""
    words = [*(str(shape[axis]) for axis in ("M", "K", "N")), str(script.resolve())]
    try:
        facts, _ = ask("kernel", str(HERE / "ladder.py"), *words, "--target", f"neuron:{shape['chip']}", cwd=HERE)
    except Refused as refused:
        if "the answer differs" in str(refused):
            return "differs"
        raise
    called = [one["name"] for one in facts["calls"]]
    if called != ["linear_relu"]:
        raise Refused(f"{script}: expected one call of a kernel linear_relu, got {', '.join(called) or 'none'}")
    return int(facts["hbm_bytes"])


def compulsory(beside: Callable[[Shape], float], shape: Shape, artifact: Artifact) -> Answer:
    """Bytes of each matrix once, and some more."""
    return round((sum(matrices(shape)) + beside(shape)) * MIB)


def _ideas(stage: str, **ideas: tuple[Callable[[Shape, Artifact], Answer], str]) -> tuple[Misconception, ...]:
    said = "the answer goes to HBM as well: each of its tiles is stored once"
    own = [Misconception(name, answer, hint) for name, (answer, hint) in ideas.items()]
    return (*own, Misconception("no_output", partial(without_out, stage), said))


ASKED = "How many MiB does `{}` move between HBM and SBUF for lhsT ({{K}}, {{M}}) and rhs ({{K}}, {{N}}) in bfloat16?"
COUNT = "for every tile of the answer ask which of its operands are loaded for it alone; the loops say how often"
_PREDICTED: dict[str, dict[str, tuple[Callable[[Shape, Artifact], Answer], str]]] = {
    "basic": {"once": (once, "each tile of the answer loads its operands again: SBUF is not a cache")},
    "tiled": {"both": (both_wide, "a tile of 512 columns is still 128 rows: rhs is read for every 128 rows of M")},
    "hoisted": {"rhs_too": (once, "lhsT is held; rhs is still loaded for every 128 rows of M")},
    "blocked": {"summed_in_hbm": (neither, "PSUM sums: no part of the answer is read back from HBM")},
}
PREDICTED = tuple(
    Item(f"{stage}_mib", Part.PREDICT, ASKED.format(stage), partial(moved, stage), COUNT, _ideas(stage, **ideas),
         within=0.005)
    for stage, ideas in _PREDICTED.items()
)  # fmt: skip
MANY = "the engine with the most instructions need not be busy longest: look at the time of each, not at their number"
OBSERVED = tuple(
    Item(f"{stage}_busiest", Part.OBSERVE, f"Which engine is the busiest in `{stage}` on {{chip}}?",
         partial(busiest_here, stage),
         "artifact.json has the seconds of each engine under busy_s",
         (Misconception("most_instructions", partial(most_issued, stage), MANY),), ENGINES)
    for stage in ("basic", "blocked")
)  # fmt: skip
EXPLAINED = (
    Item("why_tiled", Part.EXPLAIN, "Why does `tiled` move less than `basic`?", why_tiled,
         "hold the saved bytes against those of each operand",
         (Misconception("both", lambda *_: "both",
                        "wide tiles are wide in N alone: count how often rhs is read, before and after"),
          Misconception("right", lambda *_: "right", "rhs is read once for every 128 rows of M, in both stages")),
         {"left": "lhsT is read less often", "right": "rhs is read less often", "both": "both are, by one factor"}),
    Item("faster", Part.OBSERVE, "On which of the two is `blocked` faster (modelled)?", faster,
         "artifact.json has both timelines",
         (Misconception("newer", lambda *_: "trn2",
                        "a chip's figure is of all its cores: compare one TensorE's clock, and one core's DMA"),),
         {chip: f"a NeuronCore of {chip}" for chip in CHIPS}),
    Item("what_decides", Part.EXPLAIN, "What decides how long `blocked` takes on both?", what_decides,
         "look at the busiest engine on each",
         (Misconception("memory", lambda *_: "dma", "count FLOPs for a byte after the last stage: past the ridge"),
          Misconception("compute", lambda *_: "tensor", "a product this small still waits for its operands")),
         {"dma": "DMA is the busiest on both", "tensor": "TensorE is the busiest on both",
          "vector": "VectorE is the busiest on both", "differs": "the busiest engine is another on each"}),
)  # fmt: skip
APPLIED = (
    Item("other_mib", Part.APPLY, "How many MiB does `tiled` move for lhsT ({K}, {M2}) and rhs ({K}, {N2})? Of "
         "a tile at the edge only what is there is loaded and stored.",
         partial(tiled_elsewhere, ceil), "count tiles: the last one of a dimension is what is left",
         (Misconception("fractions", partial(tiled_elsewhere, float),
                        "a part of a tile is a tile: operands are read a whole number of times"),
          Misconception("floors", partial(tiled_elsewhere, int), "the last tile, which is not full, reads as well")),
         within=0.002),
)  # fmt: skip
_MADE: dict[str, tuple[Callable[[Shape, Artifact], Answer], str]] = {
    "differs": (lambda *_: "differs",
                "it moves what it should or not: first the answer has to be right. Is K summed before the ReLU?"),
    "second_pass": (partial(compulsory, lambda s: 2 * matrices(s)[2]),
                    "the answer goes out and comes back for the ReLU: apply it on the way from PSUM to SBUF"),
    "rhs_again": (partial(compulsory, lambda s: matrices(s)[1] * (ceil(s["M"] / 128) - 1)),
                  "rhs is loaded for every 128 rows: keep an accumulator for each in PSUM, and load it once"),
    "lhs_again": (partial(compulsory, lambda s: matrices(s)[0] * (ceil(s["N"] / 512) - 1)),
                  "lhsT is loaded for every 512 columns: keep its tiles in SBUF"),
}  # fmt: skip
MADE = (
    Item("linear_relu", Part.MAKE, "Write it so that each matrix crosses once.", partial(compulsory, lambda _: 0.0),
         "more is moved than each matrix once: lhsT is 2*{K}*{M} bytes, rhs 2*{K}*{N}, the answer 2*{M}*{N}. Give "
         "each a dma_copy of its own; the run's last command, with your lab.py behind {N}, has the bytes of each line",
         tuple(Misconception(name, answer, hint) for name, (answer, hint) in _MADE.items()),
         measure=measure, unit="bytes"),
)  # fmt: skip

LESSON = Lesson(
    SHAPES, run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: on a chip without caches, traffic is what the loops say; block until the matrix unit is the busiest.",
)  # fmt: skip
