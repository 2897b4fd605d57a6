"""Truth of the fusions: what XLA's compilers for the CPU and for a TPU schedule of four small programs."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import keep, run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape

SCRIPT = Path(__file__).with_name("variants.py")
PASSES = {"unfused": 12, "fused": 2}  # over arrays (T, C), of y = max(x*w + x, 0) * tanh(x); see lab.py
ITEMSIZE = 4

SIZES = itertools.product((128, 160, 192, 224, 256, 288, 384, 416, 448, 512), range(256, 1537, 128))
OTHERS = (("gelu", "v5e"), ("silu", "v6e"), ("tanh", "v4"))
SHAPES: list[Shape] = [  # no size twice: the answers are of (T, C) and the norm, and hardly of the others
    {"T": T, "C": C, "norm": ("rms", "layer")[n % 2], "activation": OTHERS[n % 3][0], "chip": OTHERS[n % 3][1],
     "T2": 3 * T, "C2": C + 128}
    for n, (T, C) in enumerate(SIZES)
]  # fmt: skip


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The four programs compiled for the CPU and for the chip."""
    words = [str(shape[name]) for name in ("T", "C", "norm", "activation", "chip")]
    made: dict[str, Any] = run_script(SCRIPT, *words)
    keep(made.pop("hlo"), folder)
    told = [
        f"{where} {name:<8} {one['fusions']} fusions, {one['whole_arrays']} arrays (T, C) written by them, "
        f"{one['temp_bytes']:,} bytes of temporaries (compiled)"
        for where in ("jax_xla", "xla_tpu") if where in made for name, one in made[where].items()
    ]  # fmt: skip
    return {**made, "told": told}


def count(where: str, variant: str, shape: Shape, artifact: Artifact) -> int:
    """Fusions of a program."""
    return int(artifact[where][variant]["fusions"])


def more(where: str, variant: str, shape: Shape, artifact: Artifact) -> Answer:
    """Fusions that a program has and the chain has not."""
    return count(where, variant, shape, artifact) - count(where, "chain", shape, artifact)


def temporaries(shape: Shape, artifact: Artifact) -> Answer:
    """Bytes that the chain keeps beside its input and result, on the CPU."""
    return int(artifact["jax_xla"]["chain"]["temp_bytes"])


def why_parts(shape: Shape, artifact: Artifact) -> Answer:
    """Without the norm the same activation on the same sizes is one fusion, or it is not."""
    return "reduction" if count("jax_xla", "no_norm", shape, artifact) == 1 else "activation"


def what_it_costs(shape: Shape, artifact: Artifact) -> Answer:
    """What a barrier makes XLA write on the TPU, against the chain."""
    of = {name: artifact["xla_tpu"][name] for name in ("chain", "barrier")}
    if of["barrier"]["whole_arrays"] > of["chain"]["whole_arrays"]:
        return "array"
    return "launch" if of["barrier"]["fusions"] > of["chain"]["fusions"] else "nothing"


def saved(passes: int, shape: Shape, artifact: Artifact) -> Answer:
    """MB of so many passes over (T2, C2) in float32."""
    return float(passes * shape["T2"] * shape["C2"] * ITEMSIZE / 1e6)


def measure(script: Path, shape: Shape) -> Answer:
    """Arrays (T, C) that the fusions of a learner's `layer_norm` write; "differs" where it is no LayerNorm."""
    told = run_script(SCRIPT, str(shape["T"]), str(shape["C"]), str(script.resolve()))
    return int(told["whole_arrays"]) if told["right"] else "differs"


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


CHAIN = "act(norm(x) * w) * x, with {norm} norm and {activation}, x ({T}, {C})"
PREDICTED = (
    Item("chain_cpu", Part.PREDICT, f"How many fusions does XLA make of {CHAIN} on the CPU?",
         partial(count, "jax_xla", "chain"),
         "count in hlo/jax_xla-chain.txt: each sum over a row is one, x less its mean is one where it is summed, the "
         "root, a number a row, is one, and what reads x again is one", (
             Misconception("one", _said(1), "no element can be scaled before its row is summed"),
             Misconception("two", _said(2), "sums become factors, one a row, before the rows are read again"),
         ), needs="jax_xla"),
    Item("barrier_cpu", Part.PREDICT, "How many more are there on the CPU with optimization_barrier behind the norm?",
         partial(more, "jax_xla", "barrier"), "compile both", (
             Misconception("breaks", _said(1), "XLA:CPU takes barriers out before it fuses: a wish is not a rule"),
         ), needs="jax_xla"),
    Item("returned_cpu", Part.PREDICT, "How many more on the CPU if the program also returns norm(x) * w?",
         partial(more, "jax_xla", "returned"), "compile both", (
             Misconception("free", _said(0), "XLA:CPU writes each large result in a fusion of its own"),
         ), needs="jax_xla"),
)  # fmt: skip
OBSERVED = (
    Item("barrier_tpu", Part.OBSERVE, "How many more fusions does the barrier make on {chip}?",
         partial(more, "xla_tpu", "barrier"), "barrier less chain, of xla_tpu", (
             Misconception("as_on_cpu", partial(more, "jax_xla", "barrier"), "each compiler has passes of its own"),
         ), needs="xla_tpu"),
    Item("returned_tpu", Part.OBSERVE, "And how many more does the second result make on {chip}?",
         partial(more, "xla_tpu", "returned"), "returned less chain, of xla_tpu", (
             Misconception("as_on_cpu", partial(more, "jax_xla", "returned"),
                           "a fusion may have several results: on the TPU it does"),
         ), needs="xla_tpu"),
    Item("temp_bytes", Part.OBSERVE, "How many bytes of temporaries has the chain on the CPU?", temporaries,
         "temp_bytes of the artifact", (
             Misconception("whole", lambda s, a: s["T"] * s["C"] * ITEMSIZE, "that is an array (T, C): none is kept"),
             Misconception("columns", lambda s, a: s["C"] * ITEMSIZE, "one number for a row, and there are T rows"),
         ), needs="jax_xla"),
)  # fmt: skip
EXPLAINED = (
    Item("why_parts", Part.EXPLAIN, "Why is the chain not one fusion on the CPU? no_norm leaves the norm out.",
         why_parts, "compare with no_norm", (
             Misconception("activation", _said("activation"), "no_norm has the same activation, and is one fusion"),
             Misconception("size", _said("size"), "no_norm has the same sizes, and is one fusion"),
         ),
         {"reduction": "a row's sum has to be there before its elements are scaled",
          "activation": "the activation is too much for one fusion", "size": "the arrays are too large for one fusion"},
         needs="jax_xla"),
    Item("what_it_costs", Part.EXPLAIN, "What does the barrier cost on {chip}?", what_it_costs,
         "whole_arrays of both", (
             Misconception("launch", _said("launch"), "look at whole_arrays: what goes through a barrier is written"),
             Misconception("nothing", _said("nothing"), "look at the fusions of both"),
         ),
         {"array": "an array (T, C) more is written and read", "launch": "one more fusion, and no more bytes",
          "nothing": "nothing: it is taken out"}, needs="xla_tpu"),
)  # fmt: skip
APPLIED = (
    Item("saved_mb", Part.APPLY, "y = max(x*w + x, 0) * tanh(x), x ({T2}, {C2}) in float32: how many MB (10^6) fewer "
         "cross memory as one fusion than as five kernels, an operation each? Leave out w.",
         partial(saved, PASSES["unfused"] - PASSES["fused"]), "count the arrays that each kernel reads and writes", (
             Misconception("intermediates", partial(saved, 8), "x itself is read by three of the kernels, too"),
             Misconception("written_alone", partial(saved, 4), "what is written is also read again"),
             Misconception("all_of_it", partial(saved, PASSES["unfused"]), "the one fusion reads x and writes y"),
         ), within=0.01),
)  # fmt: skip
MADE = (
    Item("layer_norm", Part.MAKE, "Rewrite it so that no fusion writes an array (T, C) but the result.",
         _said(1), "count whole_arrays: an array too many is written", (
             Misconception("differs", _said("differs"), "it is no LayerNorm within 1e-4: subtract the mean, keep w"),
             Misconception("centred_kept", _said(2),
                           "the second sum reads x less its mean, which is written for it: take both from x itself"),
         ), needs="jax_xla", measure=measure, unit="arrays (T, C)"),
)  # fmt: skip

LESSON = Lesson(
    SHAPES, run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: fusion is free up to a reduction; write so that what one sum reads waits for no other.",
    demonstration={**SHAPES[0], "T": 320, "C": 384, "T2": 960, "C2": 512},
)  # fmt: skip
