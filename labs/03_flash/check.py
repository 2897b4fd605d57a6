"""Truth of flash attention: what XLA's buffer assignment keeps in HBM for it and without it, on two TPUs."""

from __future__ import annotations

import itertools
from functools import partial
from math import isqrt
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import keep, run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.compilers import chips

SCRIPT = Path(__file__).with_name("programs.py")
SHAPES: list[Shape] = [
    {"H": H, "S": S, "D": 128, "H2": H + 3, "S2": 16 * S + 1024 * H}
    for H, S in itertools.product(range(3, 13), (512, 640, 768, 896, 1024, 1280, 1536, 1792, 2048))
]  # fmt: skip


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """Attention, plain and as a kernel, compiled for both chips."""
    made: dict[str, Any] = run_script(SCRIPT, *(str(shape[axis]) for axis in ("H", "S", "D")))
    keep(made.pop("hlo", {}), folder)
    told = [
        f"{chip} {name:<5} {one['temp_bytes']:>13,} bytes of temporaries in HBM, {one['flops']:.4g} FLOPs (compiled)"
        for chip, each in made.get("xla_tpu", {}).items() for name, one in each.items()
    ]  # fmt: skip
    return {**made, "told": told}


def scores(heads: int | None, itemsize: int, shape: Shape, artifact: Artifact) -> Answer:
    """MB of the scores of some heads, or of all."""
    return float((heads or shape["H"]) * shape["S"] ** 2 * itemsize / 1e6)


def temporaries(chip: str, program: str, shape: Shape, artifact: Artifact) -> float:
    """MB in HBM."""
    return float(artifact["xla_tpu"][chip][program]["temp_bytes"]) / 1e6


def kept(chip: str, shape: Shape, artifact: Artifact) -> bool:
    """Whether half of the scores or more lie in HBM."""
    return temporaries(chip, "plain", shape, artifact) >= float(scores(None, 4, shape, artifact)) / 2


def crosses(shape: Shape, artifact: Artifact) -> Answer:
    """Whether they do on v5e."""
    return "yes" if kept("v5e", shape, artifact) else "no"


def why(shape: Shape, artifact: Artifact) -> Answer:
    """What sets the two chips apart; a program that computed its scores again would have more FLOPs."""
    if kept("v5e", shape, artifact) == kept("v5p", shape, artifact):
        return "neither"
    one, other = (artifact["xla_tpu"][chip]["plain"]["flops"] for chip in ("v5e", "v5p"))
    return "space" if abs(float(one) - float(other)) <= 0.1 * float(other) else "again"


def longest(heads: int | None, itemsize: int, shape: Shape, artifact: Artifact) -> Answer:
    """The most positions whose scores are no larger than v5e's VMEM."""
    chip = chips.find("tpu:v5e")
    assert chip is not None
    assert chip.on_chip_bytes is not None
    return isqrt(int(chip.on_chip_bytes.value) // ((heads or shape["H2"]) * itemsize))


def least(arrays: int, shape: Shape, artifact: Artifact) -> Answer:
    """MB of so many arrays (H, S2, D) in bfloat16."""
    return float(arrays * shape["H"] * shape["S2"] * shape["D"] * 2 / 1e6)


def with_scores(shape: Shape, artifact: Artifact) -> Answer:
    """The same and the scores, written and read."""
    return float(least(4, shape, artifact)) + 8e-6 * float(shape["H"] * shape["S2"] ** 2)


def measure(script: Path, shape: Shape) -> Answer:
    """What a learner's `attention` does, as a word."""
    told = run_script(SCRIPT, str(script.resolve()))
    if not told["finite"]:
        return "overflows"
    if not told["right"]:
        return "differs"
    return "whole" if told["peak_bytes"] >= told["scores_bytes"] / 2 else "blocks"


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


SPACES = "XLA keeps the scores in VMEM on v5e (128 MiB, S(1) in the HLO), and in HBM on v5p"
PREDICTED = (
    Item("scores_mb", Part.PREDICT, "How many MB (10^6) are the scores of {H} heads, S = {S}, in float32?",
         partial(scores, None, 4), "H*S*S numbers", (
             Misconception("one_head", partial(scores, 1, 4), "each head has its own"),
             Misconception("in_bfloat16", partial(scores, None, 2), "they are summed and kept in float32"),
         ), within=0.005),
    Item("crosses", Part.PREDICT, "Do the scores of the plain program lie in HBM on v5e?", crosses,
         "hold them against 128 MiB", (
             Misconception("always", _said("yes"), "what is not fused may still stay on the chip: VMEM has 128 MiB"),
             Misconception("never", _said("no"), "they have to fit into 128 MiB of VMEM, beside all else"),
         ), {"yes": "half of them or more", "no": "less than half"}, needs="xla_tpu"),
)  # fmt: skip
OBSERVED = (
    Item("plain_v5p_mb", Part.OBSERVE, "How many MB of temporaries has the plain program in HBM on v5p?",
         partial(temporaries, "v5p", "plain"), "temp_bytes of the artifact", (
             Misconception("as_on_v5e", partial(temporaries, "v5e", "plain"), "that is v5e: one text, two programs"),
             Misconception("in_bfloat16", partial(scores, None, 2), "they are in float32"),
         ), within=0.001, needs="xla_tpu"),
    Item("flash_mb", Part.OBSERVE, "And the kernel's, on v5p?", partial(temporaries, "v5p", "flash"),
         "temp_bytes of the artifact", (
             Misconception("half", partial(scores, None, 2), "it has no scores but those of a block, in VMEM"),
             Misconception("same", partial(temporaries, "v5p", "plain"), "look at flash"),
         ), within=0.001, needs="xla_tpu"),
)  # fmt: skip
EXPLAINED = (
    Item("why", Part.EXPLAIN, "What sets the plain programs of the two chips apart?", why,
         "hold temporaries and FLOPs of both against the scores, and look for them in hlo/", (
             Misconception("again", _said("again"), "computing scores again takes FLOPs: those of both are alike"),
             Misconception("neither", _said("neither"), "hold temp_bytes of both against the scores"),
             Misconception("space", _said("space"), "hold temp_bytes of v5e against the scores: they did not fit"),
         ),
         {"space": SPACES, "again": "v5e's program computes scores again, as flash attention does",
          "neither": "nothing: both keep them in the same place"}, needs="xla_tpu"),
)  # fmt: skip
APPLIED = (
    Item("longest", Part.APPLY, "Up to which S are the scores of {H2} heads in float32 no larger than 128 MiB?",
         partial(longest, None, 4), "H*S*S*4 bytes", (
             Misconception("one_head", partial(longest, 1, 4), "all heads are there at once"),
             Misconception("in_bfloat16", partial(longest, None, 2), "float32 has 4 bytes"),
         ), within=0.001),
    Item("flash_least_mb", Part.APPLY, "How many MB must the kernel move for {H} heads, S = {S2}, D = {D}?",
         partial(least, 4), "q, k, v and the answer, in bfloat16", (
             Misconception("no_answer", partial(least, 3), "the answer is written"),
             Misconception("scores_too", with_scores, "its scores never leave the chip"),
             Misconception("in_float32", partial(least, 8), "q, k, v and the answer are bfloat16"),
         ), within=0.005),
)  # fmt: skip
MADE = (
    Item("attention", Part.MAKE, "Write it by blocks of keys.", _said("blocks"), "see the hints in lab.py", (
             Misconception("whole", _said("whole"), "half of the scores or more are there at once: go by blocks"),
             Misconception("overflows", _said("overflows"), "exp overflows: subtract the largest score so far"),
             Misconception("differs", _said("differs"),
                           "it is no attention: when the largest score grows, scale what was summed before"),
         ), measure=measure),
)  # fmt: skip

LESSON = Lesson(
    SHAPES, run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: ask where an array lies before you ask whether it was fused; choose a stack with a kernel for your heads.",
    demonstration={**SHAPES[0], "H": 2, "S": 384, "H2": 5, "S2": 8192},
)  # fmt: skip
