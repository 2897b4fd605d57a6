"""Truth of capacity: what XLA's buffer assignment counts for a TPU, where it refuses, and sums of what models keep."""

from __future__ import annotations

import itertools
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.compilers import chips
from oneblock.workloads import _parameters
from oneblock.workloads.models import preset_model

SCRIPT = Path(__file__).with_name("programs.py")
CHIPS = ("v4", "v5e", "v5p", "v6e")
COMPILED = ("chip", "chip2", "K", "D", "S", "B", "T", "C", "F", "n")  # what the script is told, in order
LARGE = {"L3": 80, "K3": 8, "D3": 128}  # Llama 3 70B, but for its number of weights


def _shapes() -> list[Shape]:
    found: list[Shape] = []
    for preset, (chip, chip2), S in itertools.product(
        ("qwen2-0.5b", "llama-1b", "llama-8b"), itertools.permutations(CHIPS, 2), (2048, 3072, 4096, 6144)
    ):
        if preset == "llama-8b" and chip2 == "v5e":
            continue  # its weights leave room for a sequence or none
        model, many = preset_model(preset), len(found)
        assert model is not None
        c = model.layers[0]
        axes = {"L": len(model.layers), "N": c.heads, "K": c.kv_heads, "D": c.head_width}
        weights = 2 * sum(_parameters.of_model(model).values())
        scratch = {"T": (6144, 7168, 8192)[many % 3], "C": 1024, "F": (12288, 13312, 14336, 16384)[many % 4]}
        asked = {"n": 2 + many % 2, "S2": 2 * S, "B2": 3 + many % 11, "P3": 60 + many % 13, "B3": 16 + many % 17}
        found.append({"preset": preset, "chip": chip, "chip2": chip2, "B": 16 + many % 7, "S": S,
                      **axes, "W": weights, **scratch, **asked, "S3": 4 * S, **LARGE})  # fmt: skip
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The update of a cache, two sizes of scratch, and where the compiler refuses."""
    made: dict[str, Any] = run_script(SCRIPT, *(str(shape[name]) for name in COMPILED))
    told = [
        f"{chip}: the compiler refuses what needs more than {many:,} bytes of HBM (compiled)"
        for chip, many in made.get("xla_tpu", {}).get("available_bytes", {}).items()
    ]
    return {**made, "told": told}


def position(shape: Shape, *, arrays: int = 2, heads: str = "K", layers: int | None = None) -> int:
    """Bytes of one position of one sequence in the caches of all layers, in bfloat16."""
    return int(arrays * (layers or shape["L"]) * shape[heads] * shape["D"] * 2)


def kib(shape: Shape, artifact: Artifact, **of: Any) -> Answer:
    """The same in KiB."""
    return position(shape, **of) / 1024


def cache(shape: Shape) -> int:
    """Bytes of the one array (B, K, S, D) that is updated."""
    return int(shape["B"] * shape["K"] * shape["S"] * shape["D"] * 2)


def caches_mib(many: int, shape: Shape, artifact: Artifact) -> Answer:
    """MiB of so many of them."""
    return many * cache(shape) / 2**20


def peak_mib(name: str, shape: Shape, artifact: Artifact) -> float:
    """MiB that the update holds at its peak."""
    return float(artifact["xla_tpu"][name]["peak_bytes"]) / 2**20


def saved_mib(shape: Shape, artifact: Artifact) -> Answer:
    """MiB that the donation saves."""
    return peak_mib("kept", shape, artifact) - peak_mib("donated", shape, artifact)


def scratch_mb(shape: Shape, artifact: Artifact) -> Answer:
    """MB of temporaries of all MLPs."""
    return float(artifact["xla_tpu"]["all_scratch"]) / 1e6


def hidden_mb(arrays: int, shape: Shape, artifact: Artifact) -> Answer:
    """MB of so many arrays (T, F) in bfloat16."""
    return float(arrays * shape["T"] * shape["F"] * 2 / 1e6)


def stated(chip: str) -> int:
    """Bytes of HBM as the maker has them."""
    found = chips.find(f"tpu:{chip}")
    assert found is not None
    return found.memory_bytes.value


def available(name: str, shape: Shape, artifact: Artifact) -> int:
    """Bytes of HBM as the compiler has them."""
    return int(artifact["xla_tpu"]["available_bytes"][shape[name]])


def available_gib(name: str, shape: Shape, artifact: Artifact) -> Answer:
    """The same in GiB."""
    return available(name, shape, artifact) / 2**30


def most(name: str, shape: Shape, artifact: Artifact) -> Answer:
    """The most sequences whose update compiles."""
    return int(artifact["xla_tpu"][name]["most_sequences"])


def why_twice(shape: Shape, artifact: Artifact) -> Answer:
    """Of what most of the second cache is, by the counts of buffer assignment."""
    of = artifact["xla_tpu"]["kept"]
    many = {
        "result": of["result_bytes"] - of["alias_bytes"],
        "scratch": of["temp_bytes"],
        "padding": of["argument_bytes"] - cache(shape),
    }
    return max(many, key=lambda name: int(many[name]))


def why_scratch(shape: Shape, artifact: Artifact) -> Answer:
    """Why all MLPs take what they take, by the scratch of one."""
    one, every = (artifact["xla_tpu"][f"{name}_scratch"] for name in ("one", "all"))
    if one < shape["T"] * shape["F"]:  # less than half of its (T, F)
        return "vmem"
    return "reused" if every <= 1.2 * one else "each"


def sequences(memory: Any, weights: int, shape: Shape, artifact: Artifact) -> Answer:
    """How many of S2 positions have room beside some weights."""
    return int((memory(shape, artifact) - weights * shape["W"]) // (position(shape) * shape["S2"]))


def context(itemsize: int, weight_bytes: int, shape: Shape, artifact: Artifact) -> Answer:
    """The most positions of B2 sequences, of caches and weights with so many bytes a number."""
    left = available("chip2", shape, artifact) - shape["W"] * weight_bytes // 2
    return int(left // (shape["B2"] * position(shape) * itemsize // 2))


def chips_for(caches: int, shape: Shape, artifact: Artifact) -> float:
    """How many of chip2's memories the large model takes, its caches counted so many times."""
    held = 4 * shape["L3"] * shape["K3"] * shape["D3"] * shape["B3"] * shape["S3"]
    return float((2e9 * shape["P3"] + caches * held) / available("chip2", shape, artifact))


def measure(script: Path, shape: Shape) -> Answer:
    """How a learner's `place` does, as a word."""
    return str(run_script(SCRIPT, str(script.resolve()))["word"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


_wrong = Misconception
UPDATE = "A program writes one token into a cache ({B}, {K}, {S}, {D}), and returns the cache."
PREDICTED = (
    Item("position_kib", Part.PREDICT, "How many KiB is one position of one sequence of {preset}, in the caches of all "
         "its layers, in bfloat16?", kib, "a key and a value of K*D numbers in each layer", (
             _wrong("keys_alone", partial(kib, arrays=1), "values are cached, too"),
             _wrong("query_heads", partial(kib, heads="N"), "{N} heads ask, and {K} have keys and values"),
             _wrong("one_layer", partial(kib, layers=1), "each of the {L} layers has a cache of its own"),
         ), within=0.001),
    Item("kept_mib", Part.PREDICT, UPDATE + " How many MiB of HBM does it hold at its peak on {chip}, the cache not "
         "donated?", partial(peak_mib, "kept"), "arguments, results and temporaries are there at once", (
             _wrong("in_place", partial(caches_mib, 1), "its caller may read the old cache again: the new one is "
                    "another array, unless the old is donated"),
             _wrong("three", partial(caches_mib, 3), "the old and the new: no copy lies between them"),
         ), within=0.05, needs="xla_tpu"),
    Item("scratch_mb", Part.PREDICT, "{n} MLPs one after another, T = {T}, C = {C}, F = {F}: how many MB (10^6) of "
         "temporaries has the program in HBM on v5p?", scratch_mb, "how many arrays (T, F) are needed at once?", (
             _wrong("each", lambda s, a: hidden_mb(s["n"], s, a), "the first (T, F) is dead before the second is made"),
             _wrong("float32", partial(hidden_mb, 2), "they are handed on in bfloat16"),
         ), within=0.03, needs="xla_tpu"),
)  # fmt: skip
OBSERVED = (
    Item("available_gib", Part.OBSERVE, "How many GiB of HBM does the compiler have for {chip2}?",
         partial(available_gib, "chip2"), "available_bytes of the artifact, over 2^30", (
             _wrong("as_stated", lambda s, a: stated(s["chip2"]) / 2**30, "so says its maker: read the refusal"),
             _wrong("in_gb", lambda s, a: available("chip2", s, a) / 1e9, "those are GB: a GiB is 2^30 bytes"),
             _wrong("other_chip", partial(available_gib, "chip"), "that is {chip}"),
         ), within=0.001, needs="xla_tpu"),
    Item("saved_mib", Part.OBSERVE, "How many MiB does the donation save at the peak?", saved_mib,
         "peak_bytes of kept, less those of donated", (
             _wrong("all", partial(peak_mib, "kept"), "the cache itself is still there"),
             _wrong("a_token", lambda s, a: cache(s) / s["S"] / 2**20, "a token is written, and a cache is not copied"),
         ), within=0.005, needs="xla_tpu"),
    Item("most_sequences", Part.OBSERVE, "Up to how many sequences does the donated update compile for on {chip} (one "
         "cache of one layer, no weights)?", partial(most, "donated"), "most_sequences of donated", (
             _wrong("not_donated", partial(most, "kept"), "that holds the old cache and the new"),
             _wrong("as_stated", lambda s, a: stated(s["chip"]) * s["B"] // cache(s), "the compiler refuses before"),
         ), needs="xla_tpu"),
)  # fmt: skip
EXPLAINED = (
    Item("why_twice", Part.EXPLAIN, "What is the second cache that the update holds, if the first is not donated?",
         why_twice, "argument_bytes, result_bytes, alias_bytes, temp_bytes", (
             _wrong("scratch", _said("scratch"), "look at temp_bytes: no cache has room in them"),
             _wrong("padding", _said("padding"), "argument_bytes are what the array has: nothing is padded to twice"),
         ),
         {"result": "the result, another array than the argument", "scratch": "a temporary, copied before the write",
          "padding": "the padding of its layout"}, needs="xla_tpu"),
    Item("why_scratch", Part.EXPLAIN, "Why do {n} MLPs take the scratch that they take?", why_scratch,
         "compare one_scratch and all_scratch with T*F*2 bytes", (
             _wrong("vmem", _said("vmem"), "one_scratch is as large as its (T, F), and temp_bytes leave VMEM out"),
             _wrong("each", _said("each"), "compare one_scratch and all_scratch"),
         ),
         {"reused": "the buffer of one (T, F) is given to the next, which lives later",
          "vmem": "all (T, F) lie in VMEM", "each": "each has a buffer of its own"}, needs="xla_tpu"),
)  # fmt: skip
APPLIED = (
    Item("sequences", Part.APPLY, "How many sequences of {S2} positions have room on {chip2}, beside the weights of "
         "{preset} ({W} bytes)? Leave out logits and scratch.", partial(sequences, partial(available, "chip2"), 1),
         "what is left of the compiler's HBM, over the caches of one", (
             _wrong("no_weights", partial(sequences, partial(available, "chip2"), 0), "the weights are there as well"),
             _wrong("as_stated", partial(sequences, lambda s, a: stated(s["chip2"]), 1),
                    "take what the compiler has, not what the maker states"),
             _wrong("other_chip", partial(sequences, partial(available, "chip"), 1), "that is {chip}"),
         ), needs="xla_tpu"),
    Item("int8_context", Part.APPLY, "The caches are int8, the weights as they are. Up to how many positions have {B2} "
         "sequences room on {chip2}?", partial(context, 1, 2), "a number of the caches has one byte", (
             _wrong("as_bfloat16", partial(context, 2, 2), "half the bytes: twice the positions"),
             _wrong("weights_too", partial(context, 1, 1), "the weights are still bfloat16"),
         ), within=0.002, needs="xla_tpu"),
    Item("chips", Part.APPLY, "A model has {P3} * 10^9 weights in bfloat16, {L3} layers, K = {K3}, D = {D3}. How many "
         "{chip2} hold it with {B3} sequences of {S3} positions, divided evenly by bytes, whatever the heads?",
         lambda s, a: ceil(chips_for(1, s, a)), "weights and caches, over the compiler's HBM; whole chips", (
             _wrong("weights_alone", lambda s, a: ceil(chips_for(0, s, a)), "{B3} caches are there as well"),
             _wrong("rounded_down", lambda s, a: int(chips_for(1, s, a)), "what is left over needs a chip, too"),
             _wrong("caches_twice", lambda s, a: ceil(chips_for(2, s, a)), "caches are donated: count them once"),
         ), needs="xla_tpu"),
)  # fmt: skip
MADE = (
    Item("place", Part.MAKE, "Write a buffer assignment: offsets, the peak within a tenth of what lives at once.",
         _said("near"), "see the hints in lab.py", (
             _wrong("sum", _said("sum"), "no byte is given twice: let those that live later have it"),
             _wrong("overlaps", _said("overlaps"), "two that live at once share a byte: `last` reads it still"),
             _wrong("loose", _said("loose"), "right, but with holes: place the largest first"),
             _wrong("differs", _said("differs"), "an offset for each buffer, in their order: whole numbers from 0"),
         ), measure=measure),
)  # fmt: skip

LESSON = Lesson(
    _shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: capacity chooses how many chips, bandwidth which; count what lives at once, by the compiler's own memory.",
    demonstration={**_shapes()[0], "B": 15, "S": 2560, "S2": 5120, "S3": 10240},
)  # fmt: skip
