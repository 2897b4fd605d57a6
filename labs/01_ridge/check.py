"""Truth of the ridge: costs by formula, makers' figures, and what XLA's TPU compiler schedules for one decode."""

from __future__ import annotations

import itertools
import shlex
from functools import cache, partial
from math import ceil
from pathlib import Path
from typing import Any

from oneblock.bench.judge.roofline import costs
from oneblock.bench.lessons.commands import ask
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.compilers import chips
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS

CHIPS = ("v4", "v5e", "v5p", "v6e")
HOSTS = {"v4": "2x2x1", "v5e": "2x2", "v5p": "2x2x1", "v6e": "2x2"}
STEPS = ("norm1", "qkv", "rope", "attention", "proj", "norm2", "mlp")


def _shapes() -> list[Shape]:
    found: list[Shape] = []
    for preset, (chip, chip2), S in itertools.product(
        ("gpt2", "qwen2-0.5b", "llama-1b"), itertools.permutations(CHIPS, 2), (1024, 1536, 2048, 3072, 4096)
    ):
        c, T = PRESETS[preset], 64 * (2 + len(found) % 13)
        axes = {"C": c.width, "N": c.heads, "K": c.kv_heads, "D": c.head_width, "F": c.ffn_width, "gated": c.gated}
        found.append({"preset": preset, "chip": chip, "chip2": chip2, "T": T, "S": S, **axes})
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """Costs of the prefill and the decode, and the decode compiled for the chip, where its compiler is here."""
    made: dict[str, Any] = {"costs": {}, "absent": {}, "told": []}
    for phase, T, S in ((Phase.PREFILL, shape["T"], shape["T"]), (Phase.DECODE, 1, shape["S"])):
        of = costs(Case("block", PRESETS[shape["preset"]], phase, 1, T, S), "bfloat16")
        made["costs"][phase] = {"flops": of.flops, "compulsory_bytes": of.compulsory_bytes}
        made["told"].append(f"{phase}: {of.flops:,} FLOPs, {of.compulsory_bytes:,} bytes at the least (modelled)")
    cell = ("--preset", shape["preset"], "--phase", "decode", "-S", str(shape["S"]), "--dtype", "bfloat16")
    target = f"tpu:{shape['chip']}:{HOSTS[shape['chip']]}"
    on = ("--backend", "xla_tpu", "--ops", "plain", "--target", target, "--stages", "brief", "-o", "records")
    told, _ = ask("run", "block", *cell, *on, cwd=folder, accept=(0, 1))
    record = told[0] if isinstance(told, list) else told
    if record["facts"] is None:
        made["absent"]["xla_tpu"] = f"{record['reason']}; {record['hint']}"
        return made
    made["xla_tpu"] = {name: record["facts"][name] for name in ("flops", "hbm_bytes", "steps", "traffic", "operations")}
    made["told"].append(f"read on: oneblock show --bytes -o {shlex.quote(str(folder / 'records'))} decode")
    return made


def ridge(chip: str, shape: Shape, artifact: Artifact) -> float:
    """FLOP for a byte at which memory and compute take as long."""
    found = chips.find(f"tpu:{shape[chip]}")
    assert found is not None
    return float(found.peaks["bfloat16"].value / found.memory_bytes_per_s.value)


def cache_mb(shape: Shape) -> float:
    """MB of keys and values of S positions in bfloat16."""
    return 4e-6 * float(shape["S"] * shape["K"] * shape["D"])


def weights_mb(shape: Shape) -> float:
    """MB of the block's products in bfloat16."""
    C, ND, KD = shape["C"], shape["N"] * shape["D"], shape["K"] * shape["D"]
    return 2e-6 * float(C * (ND + 2 * KD) + ND * C + (3 if shape["gated"] else 2) * C * shape["F"])


def least_mb(shape: Shape, artifact: Artifact) -> float:
    """MB that a decode moves at the least."""
    return float(artifact["costs"]["decode"]["compulsory_bytes"]) / 1e6


def cache_twice(shape: Shape, artifact: Artifact) -> float:
    """The same, with the cache read and handed back whole."""
    return least_mb(shape, artifact) + cache_mb(shape)


def bound(shape: Shape, artifact: Artifact) -> Answer:
    """What binds the prefill, at the chip's ridge."""
    of = artifact["costs"]["prefill"]
    return "compute" if of["flops"] / of["compulsory_bytes"] >= ridge("chip", shape, artifact) else "memory"


def mostly(shape: Shape, artifact: Artifact) -> Answer:
    """What most bytes of a decode are."""
    weights, cache = weights_mb(shape), cache_mb(shape)
    rest = least_mb(shape, artifact) - weights - cache
    return max({"weights": weights, "cache": cache, "activations": rest}.items(), key=lambda one: one[1])[0]


def hbm_mb(shape: Shape, artifact: Artifact) -> float:
    """MB that the compiled decode moves."""
    return float(artifact["xla_tpu"]["hbm_bytes"]) / 1e6


def busiest(shape: Shape, artifact: Artifact) -> Answer:
    """The step that moves most."""
    steps = [step for step in artifact["xla_tpu"]["steps"] if step["step"]]
    return str(max(steps, key=lambda step: float(step["hbm_bytes"]))["step"])


def cache_written(shape: Shape, artifact: Artifact) -> Answer:
    """Whether of the caches what the new token adds is written, or all of them."""
    moved = artifact["xla_tpu"]["traffic"]["transfers"]
    written = sum(one["bytes"] for one in moved if one["direction"] == "written" and one["array"].endswith("_cache"))
    return "token" if written < 1e6 * cache_mb(shape) / 2 else "whole"


def tokens(chip: str, shape: Shape, artifact: Artifact) -> Answer:
    """The fewest tokens whose prefill is bound by compute."""
    return _fewest(shape["preset"], ridge(chip, shape, artifact))


@cache
def _fewest(preset: str, least: float) -> int:
    low, high = 0, 1 << 14  # more FLOPs for a byte the longer the prompt
    while high - low > 1:
        T = (low + high) // 2
        of = costs(Case("block", PRESETS[preset], Phase.PREFILL, 1, T, T), "bfloat16")
        low, high = (low, T) if of.flops / of.compulsory_bytes >= least else (T, high)
    return high


def _wrong(name: str, answer: Any, hint: str) -> Misconception:
    return Misconception(name, answer, hint)


PREDICTED = (
    Item("ridge", Part.PREDICT, "From how many FLOP for a byte of HBM is {chip} bound by compute, in bfloat16?",
         partial(ridge, "chip"), "peak FLOP/s over bytes/s, of one chip", (
             _wrong("upside_down", lambda s, a: 1 / ridge("chip", s, a), "that is bytes for a FLOP"),
             _wrong("prefixes", lambda s, a: ridge("chip", s, a) / 1000, "TFLOP/s over GB/s is 1000 to 1"),
         ), within=0.02, unit="FLOP a byte"),
    Item("decode_mb", Part.PREDICT, "How many MB (10^6 bytes) must one decode of {preset} move, with S = {S} cached?",
         least_mb, "weights once, the cache of S positions once, and what the new token adds to it", (
             _wrong("cache_twice", cache_twice, "the cache is state, written in place: one token of it, not all"),
             _wrong("weights_alone", lambda s, a: weights_mb(s), "the cache of S positions is read as well"),
         ), within=0.002),
    Item("prefill_bound", Part.PREDICT, "What binds a prefill of T = {T} tokens on {chip}?", bound,
         "FLOPs over bytes, against the ridge",
         (_wrong("prefill_is_compute", lambda *_: "compute", "divide its FLOPs by its bytes: T tokens share a weight"),
          _wrong("always_memory", lambda *_: "memory", "T tokens share each weight that is read: compare T and ridge")),
         {"compute": "the matrix units", "memory": "HBM"}),
)  # fmt: skip
OBSERVED = (
    Item("decode_hbm_mb", Part.OBSERVE, "How many MB does the compiled decode move through HBM on {chip}?", hbm_mb,
         "facts.hbm_bytes of the record", (
             _wrong("mebibytes", lambda s, a: hbm_mb(s, a) * 1e6 / 2**20, "those are MiB: 2^20 bytes"),
             _wrong("cache_twice", lambda s, a: hbm_mb(s, a) + cache_mb(s), "the total has what is written, too"),
         ), within=0.002, needs="xla_tpu"),
    Item("busiest_step", Part.OBSERVE, "Which step moves most of it?", busiest, "hbm_bytes of each step",
         (_wrong("attention", lambda *_: "attention", "one query reads S keys, and every weight of the MLP"),),
         {step: step for step in STEPS}, needs="xla_tpu"),
)  # fmt: skip
EXPLAINED = (
    Item("mostly", Part.EXPLAIN, "Why is this decode far below the ridge? What are most of its bytes?", mostly,
         "compare weights, 2SKD numbers of cache, and B*C of activations", (
             _wrong("cache", lambda *_: "cache", "at this S the weights are more: each serves one token"),
             _wrong("activations", lambda *_: "activations", "one token has C numbers at each step"),
         ),
         {"weights": "weights, read for one token", "cache": "keys and values, of one sequence alone",
          "activations": "what steps hand to each other"}),
    Item("cache_written", Part.EXPLAIN, "A decode gives its caches back. What of them does it write?", cache_written,
         "`oneblock show --bytes` has each array that is written, with a reason",
         (_wrong("whole", lambda *_: "whole", "their memory is the program's to write: look at k_cache, written"),
          _wrong("token", lambda *_: "token", "the compiler took them into VMEM whole, and back: look at k_cache")),
         {"token": "what the new token adds, in place", "whole": "all of them, into memory of their own"},
         needs="xla_tpu"),
)  # fmt: skip
APPLIED = (
    Item("tokens", Part.APPLY, "From how many tokens (the smallest whole number) is a prefill of {preset} bound by "
         "compute on {chip2}?", partial(tokens, "chip2"),
         "FLOPs and bytes both grow with T: set their quotient to the ridge", (
             _wrong("other_chip", partial(tokens, "chip"), "that is the ridge of {chip}: {chip2} has another"),
             _wrong("weights_alone", lambda s, a: ridge("chip2", s, a),
                    "the ridge itself would do if weights were all: x and y move as well"),
         ), within=0.03),
    Item("int8_tokens", Part.APPLY, "A product's weights are int8, its math is bfloat16, and nothing else moves. "
         "From how many tokens (the smallest whole number) is it bound by compute on {chip2}?",
         lambda s, a: ceil(ridge("chip2", s, a) / 2),
         "2 FLOPs a weight and token, 1 byte a weight", (
             _wrong("as_bfloat16", partial(ridge, "chip2"), "half the bytes move: half as many tokens will do"),
             _wrong("twice", lambda s, a: 2 * ridge("chip2", s, a), "fewer bytes lower the number of tokens"),
         ), within=0.02),
)  # fmt: skip

LESSON = Lesson(
    _shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED),
    "Rule: divide FLOPs by bytes before you compare peaks; int8 weights halve the batch that a chip needs.",
    demonstration={**_shapes()[0], "T": 32, "S": 640},
)  # fmt: skip
