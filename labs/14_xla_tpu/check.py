"""Truth of one block through XLA's TPU compiler: its texts, its bundles, its traffic, and what its chips exchange."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.bench.lessons.lab import module
from oneblock.compilers import chips

of = module(Path(__file__).with_name("block.py"))
SCRIPT = Path(__file__).with_name("mesh.py")
UNITS = ("MXU", "XLU", "VALU", "EUP", "VLOAD", "VSTORE", "SALU")


def chip_of(name: str, shape: Shape) -> Any:
    """The maker's figures of a chip."""
    found = chips.find(f"tpu:{shape[name]}")
    assert found is not None
    return found


def unit(phase: str, shape: Shape, artifact: Artifact) -> str:
    """The unit that the largest kernel of the MLP fills most."""
    slots = artifact["xla_tpu"][phase]["mlp_kernel"]["slots"]
    return max(UNITS, key=lambda name: float(slots.get(name, 0)))


def mxu(times: float, phase: str, shape: Shape, artifact: Artifact) -> Answer:
    """The share of its slots that this kernel fills of the matrix unit."""
    return times * float(artifact["xla_tpu"][phase]["mlp_kernel"]["slots"].get("MXU", 0))


def first_text(shape: Shape, artifact: Artifact) -> Answer:
    """The first text that is not the same for both chips."""
    one, other = (artifact["xla_tpu"][name]["texts"] for name in ("decode", "other"))
    return next((text for text in of.TEXTS if one[text] != other[text]), "none")


def reduces(artifact: Artifact) -> list[int]:
    """The bytes of each all-reduce on the mesh."""
    return [one["bytes"] for one in artifact["xla_tpu"]["mesh"]["collectives"] if one["kind"] == "all-reduce"]


def many_reduces(shape: Shape, artifact: Artifact) -> Answer:
    """How many there are."""
    return len(reduces(artifact))


def reduce_kib(times: float, shape: Shape, artifact: Artifact) -> Answer:
    """KiB of the largest."""
    return times * max(reduces(artifact), default=0) / 1024


def first_mb(shape: Shape, artifact: Artifact) -> float:
    """MB that the first call of the prefill moves beyond those after it."""
    ahead = artifact["xla_tpu"]["prefill"]["ahead"]
    return float(sum(one["bytes"] for one in ahead if one["first_call_only"])) / 1e6


def weights_mb(shape: Shape) -> float:
    """MB of the block's products in bfloat16."""
    C, ND, KD = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"]
    return 2e-6 * float(C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * shape["F"])


def spread(phase: str, shape: Shape, artifact: Artifact) -> float:
    """The longest of the compiler's estimates over the shortest."""
    found = [float(one) for one in artifact["xla_tpu"][phase]["estimates"].values() if one]
    return max(found) / min(found)


def why_unit(shape: Shape, artifact: Artifact) -> Answer:
    """Why the decode's product is where it is, by whether a kernel of the prefill's MLP fills the MXU more."""
    if unit("decode", shape, artifact) == "MXU":
        return "there"
    return "one_row" if artifact["xla_tpu"]["prefill"]["mxu"] > artifact["xla_tpu"]["decode"]["mxu"] else "type"


def why_first(shape: Shape, artifact: Artifact) -> Answer:
    """How calls after the first find a weight in VMEM, by the compiler's reasons."""
    reasons = [one["reason"] for one in artifact["xla_tpu"]["prefill"]["ahead"]]
    if not reasons:
        return "none"
    return "next" if any("for the next call" in one and "stays" not in one for one in reasons) else "stays"


def bound(shape: Shape, artifact: Artifact) -> Answer:
    """What sets the decode's `llo`."""
    waiting = artifact["xla_tpu"]["decode"]["hbm_bytes"] / chip_of("chip", shape).memory_bytes_per_s.value
    return "hbm" if waiting >= 0.99 * artifact["llo"] else "cycles"


def least_us(name: str, shape: Shape, artifact: Artifact) -> float:
    """µs that the compulsory bytes of the decode take on a chip."""
    return float(1e6 * artifact["costs"]["decode"]["compulsory_bytes"] / chip_of(name, shape).memory_bytes_per_s.value)


def by_peak(shape: Shape, artifact: Artifact) -> Answer:
    """The time on one chip, by the quotient of the peaks."""
    peaks = [float(chip_of(name, shape).peaks["bfloat16"].value) for name in ("chip", "chip2")]
    return least_us("chip", shape, artifact) * peaks[0] / peaks[1]


def ring_kib(times: float, shape: Shape, artifact: Artifact) -> Answer:
    """KiB that a chip sends, in parts of the array that each of n3 chips sums."""
    return float(times * shape["T3"] * shape["C3"] * 2 / shape["n3"] / 1024)


def measure(script: Path, shape: Shape) -> str:
    """The word for how a learner's `split` lays the weights out."""
    sizes = (str(shape[name]) for name in ("T2", "C2", "F2"))
    return str(run_script(SCRIPT, str(script), f"tpu:{shape['mesh']}", *sizes)["word"])


def _wrong(name: str, answer: Any, hint: str) -> Misconception:
    return Misconception(name, answer, hint)


def _said(word: Answer) -> Any:
    return lambda *_: word


PREDICTED = (
    Item("unit", Part.PREDICT, "Which unit of {chip} is busiest in the largest kernel of the decode's MLP: whose slots "
         "are filled most?", partial(unit, "decode"), "slots of mlp_kernel in the artifact", (
             _wrong("product_is_mxu", _said("MXU"), "a decode's x has one row, of 128 or more that an MXU takes: look "
                    "at the slots that are filled"),
             _wrong("bytes_are_loads", _said("VLOAD"), "HBM is read by DMA, beside the bundles: VLOAD reads VMEM, and "
                    "fewer of its slots are filled"),
         ), dict(zip(UNITS, ("matrix unit", "lanes, transposed and reduced", "vector arithmetic", "exp, tanh, rsqrt",
                             "vectors from VMEM", "vectors to VMEM", "scalars"), strict=True)), needs="xla_tpu"),
    Item("differs", Part.PREDICT, "The decode is compiled for {chip} and for {chip2}. Which is the first of its texts "
         "that is not the same?", first_text, "texts of decode and other, by their hashes, in order", (
             _wrong("jax_knows", _said("stablehlo"), "JAX writes the program before it knows the chip: compare texts"),
             _wrong("handed_over_anew", _said("hlo-before"), "that is what XLA is handed: the chip comes after it"),
             _wrong("bundles_alone", _said("none"), "the schedule has to know memory and units: compare `hlo`"),
         ), {"jaxpr": "JAX's own", "stablehlo": "what JAX hands over", "hlo-before": "that as HLO, before any pass",
             "hlo": "scheduled HLO, after XLA's passes", "none": "all four are the same; the bundles are not"},
         needs="xla_tpu"),
    Item("exchanges", Part.PREDICT, "A block of {preset2}, tensor-parallel over the {n2} chips of {mesh}. How many "
         "all-reduces has the compiled program?", many_reduces, "collectives of mesh in the artifact", (
             _wrong("one_a_block", _said(1), "attention ends in a sum over chips, and the MLP in another"),
             _wrong("one_a_product", _said(6), "columns of one product are rows of the next: only that one is summed"),
             _wrong("one_a_chip", lambda s, a: s["n2"], "one is of all chips at once"),
         ), needs="xla_tpu"),
    Item("exchange_kib", Part.PREDICT, "A prefill of T = {T2} tokens, C = {C2}: how many KiB has the largest of them?",
         partial(reduce_kib, 1), "an array of the width of the block, in the type that the compiler sums it in", (
             _wrong("float32", partial(reduce_kib, 2), "it is bfloat16 on the wire: see dtype of collectives"),
             _wrong("a_share", lambda s, a: reduce_kib(1 / s["n2"], s, a), "each chip has a sum for every element"),
             _wrong("hidden", lambda s, a: reduce_kib(s["F2"] / s["C2"], s, a), "(T, F) stays where it is made"),
         ), within=0.001, needs="xla_tpu"),
)  # fmt: skip
OBSERVED = (
    Item("mxu_percent", Part.OBSERVE, "What percentage of the MXU's slots does the largest kernel of the prefill's "
         "MLP fill?", partial(mxu, 100, "prefill"), "slots of mlp_kernel of prefill", (
             _wrong("of_the_decode", partial(mxu, 100, "decode"), "that is the decode"),
             _wrong("a_share", partial(mxu, 1, "prefill"), "that is a share: 1 is 100 percent"),
         ), within=0.01, needs="xla_tpu"),
    Item("first_mb", Part.OBSERVE, "How many MB (10^6 bytes) does the first call of the prefill move more than those "
         "after it, to 4 digits?", first_mb, "ahead of prefill, or the caveat that `oneblock show` prints", (
             _wrong("nothing", _said(0), "a program can leave VMEM as the next call wants it: see ahead"),
             _wrong("mebibytes", lambda s, a: first_mb(s, a) * 1e6 / 2**20, "those are MiB: 2^20 bytes"),
             _wrong("all_weights", lambda s, a: weights_mb(s), "VMEM has no room for all: see ahead"),
         ), within=0.002, needs="xla_tpu"),
    Item("spread", Part.OBSERVE, "The compiler has up to three estimates of the decode's time. How many times the "
         "shortest is the longest?", partial(spread, "decode"), "estimates of decode", (
             _wrong("upside_down", lambda s, a: 1 / spread("decode", s, a), "the longest over the shortest"),
             _wrong("of_the_prefill", partial(spread, "prefill"), "that is the prefill"),
         ), within=0.01, needs="xla_tpu"),
)  # fmt: skip
EXPLAINED = (
    Item("why_unit", Part.EXPLAIN, "Why does the decode's MLP use the units that it uses?", why_unit,
         "compare mxu of decode and of prefill", (
             _wrong("type", _said("type"), "the prefill has the same type, and fills the MXU"),
             _wrong("small", _said("small"), "the prefill multiplies the same weights, and fills the MXU"),
             _wrong("there", _said("there"), "see MXU among its slots"),
         ), {"one_row": "x has one row, and would leave all but one of the MXU's rows empty",
             "type": "the MXU does not take bfloat16", "small": "its weights are too small for the MXU",
             "there": "it is on the MXU, as products are"}, needs="xla_tpu"),
    Item("why_first", Part.EXPLAIN, "How does a later call of the prefill move less than the first, if it does?",
         why_first, "the reasons of ahead: who copies the weight, and when", (
             _wrong("cache", _said("cache"), "HBM has no cache before it: VMEM is what the program puts there"),
             _wrong("next", _said("next"), "no copy is at the end of this program: see the reason"),
             _wrong("stays", _said("stays"), "others take its place, and it is copied anew: see the reason"),
             _wrong("none", _said("none"), "see ahead"),
         ), {"stays": "a weight that the first call copied stays in VMEM",
             "next": "each call ends with a copy of a weight, for the next", "none": "it does not",
             "cache": "a cache of HBM holds the weights"}, needs="xla_tpu"),
    Item("bound", Part.EXPLAIN, "What sets `llo`, which is the greater of two times, for the decode on {chip}?", bound,
         "hbm_bytes over bytes/s of the chip, against the estimate", (
             _wrong("hbm", _said("hbm"), "so it is for large blocks: here the bundles take longer than the bytes"),
             _wrong("cycles", _said("cycles"), "the bundles take less than the bytes: divide them"),
             _wrong("launch", _said("launch"), "no estimate of the compiler counts a launch"),
         ), {"hbm": "bytes of HBM", "cycles": "cycles of the bundles", "launch": "the launch of the program"},
         needs="llo"),
)  # fmt: skip
APPLIED = (
    Item("other_us", Part.APPLY, "How many µs does the decode take on {chip2} at the least, by its compulsory bytes, "
         "to 3 digits?", partial(least_us, "chip2"), "compulsory_bytes of decode, over bytes/s of the other chip", (
             _wrong("by_peak", by_peak, "its FLOPs are few: not the peaks, but the bandwidths are to be compared"),
             _wrong("other_chip", partial(least_us, "chip"), "that is {chip}"),
         ), within=0.01),
    Item("ring_kib", Part.APPLY, "An all-reduce of bfloat16[{T3}, {C3}] goes round a ring of {n3} chips. How many KiB "
         "does each chip send?", lambda s, a: ring_kib(2 * (s["n3"] - 1), s, a),
         "the array in n parts: each goes round once to be summed, and once to be told", (
             _wrong("whole", lambda s, a: ring_kib(s["n3"], s, a), "of n parts a chip sends n-1, twice"),
             _wrong("once", lambda s, a: ring_kib(s["n3"] - 1, s, a), "that sums it: the sums have to go round, too"),
             _wrong("to_all", lambda s, a: ring_kib(s["n3"] * (s["n3"] - 1), s, a), "nobody sends the array to all"),
         ), within=0.001),
)  # fmt: skip
MADE = (
    Item("split", Part.MAKE, "Split an MLP's weights over {n2} chips: one all-reduce, and no weight whole.",
         _said("once"), "see the hints in lab.py", (
             _wrong("gathered", _said("gathered"), "columns of down need all of (T, F): split it by its rows"),
             _wrong("summed_early", _said("summed_early"), "rows of up give sums of (T, F) before gelu: split columns"),
             _wrong("rearranged", _said("rearranged"), "up by rows, so (T, F) is summed and dealt out before gelu"),
             _wrong("whole", _said("whole"), "one of the weights lies whole on every chip"),
             _wrong("differs", _said("differs"), 'of each weight two axes, None or "chips", and the latter once'),
         ), measure=measure, needs="xla_tpu"),
)  # fmt: skip

LESSON = Lesson(
    of.shapes(), of.run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: read what was compiled before you name a unit, a copy or an exchange; peaks hold for rows that are there.",
    demonstration={**of.shapes()[0], "T": 32, "S": 320},
)  # fmt: skip
