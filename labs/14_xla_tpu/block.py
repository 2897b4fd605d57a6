"""One block through XLA's TPU compiler: the shapes that a seed gives, and of their compilations what is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneblock.bench.judge.roofline import costs
from oneblock.bench.lessons.commands import ask
from oneblock.bench.lessons.item import Shape
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import PRESETS

HOSTS = {"v4": "2x2x1", "v5e": "2x2", "v5p": "2x2x1", "v6e": "2x2"}
PAIRS = [(chip, other) for chip in ("v5e", "v5p", "v6e") for other in HOSTS if other != chip]  # v4 is not simulated
MESHES = (
    ("llama-1b", "v5e:2x4", 8),
    ("gpt2", "v5p:2x2x1", 4),
    ("llama-1b", "v6e:2x4", 8),
    ("gpt2", "v6e:2x2", 4),
    ("llama-1b", "v5p:2x2x1", 4),
)
_SAID = 160  # characters of why the compiler's simulation ended
TEXTS = ("jaxpr", "stablehlo", "hlo-before", "hlo")


def shapes() -> list[Shape]:
    """108 of them: two blocks, three chips that the compiler simulates, five meshes."""
    found: list[Shape] = []
    for many in range(108):
        preset = ("gpt2", "qwen2-0.5b")[many % 2]
        chip, chip2 = PAIRS[many // 2 % len(PAIRS)]
        sizes = {"T": 48 + 16 * (many % 5), "S": 384 + 48 * (many % 19)}
        preset2, mesh, chips2 = MESHES[many % len(MESHES)]
        c, c2 = PRESETS[preset], PRESETS[preset2]
        axes = {"C": c.width, "N": c.heads, "K": c.kv_heads, "D": c.head_width, "F": c.ffn_width, "gated": c.gated}
        meshed = {"preset2": preset2, "mesh": mesh, "n2": chips2, "C2": c2.width, "F2": c2.ffn_width}
        ring = {"n3": (4, 8, 16, 32)[many % 4], "C3": 1024 * (3 + many % 5), "T3": 2 + many}
        asked = {**meshed, "T2": 16 * (3 + many % 11), **ring}
        found.append({"preset": preset, "chip": chip, "chip2": chip2, **sizes, **axes, **asked})
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """A decode and a prefill down to bundles, the decode's texts for another chip, and the block on a mesh."""
    made: dict[str, Any] = {"costs": {}, "absent": {}, "told": []}
    for phase, T, S in ((Phase.PREFILL, shape["T"], shape["T"]), (Phase.DECODE, 1, shape["S"])):
        counted = costs(Case("block", PRESETS[shape["preset"]], phase, 1, T, S), "bfloat16")
        made["costs"][phase] = {"flops": counted.flops, "compulsory_bytes": counted.compulsory_bytes}
    here, there = (f"{shape[name]}:{HOSTS[shape[name]]}" for name in ("chip", "chip2"))
    decode, prefill = (shape["preset"], "decode", "-S", shape["S"]), (shape["preset"], "prefill", "-T", shape["T"])
    asked = {
        "decode": (decode, here, "default"),
        "prefill": (prefill, here, "default"),
        "other": (decode, there, "brief"),
        "mesh": ((shape["preset2"], "prefill", "-T", shape["T2"]), f"{shape['mesh']}@tp{shape['n2']}", "brief"),
    }
    told = {}
    for name, (cell, place, stages) in asked.items():
        record = _compiled(*cell, place, stages, folder)
        if record["facts"] is None or (stages == "default" and not record["facts"]["calls"]):
            why = "; ".join(record[name] for name in ("reason", "hint") if record[name]) or "it wrote no bundles"
            return made | {"absent": {"xla_tpu": why, "llo": why}}
        told[name] = _told(record)
        words = f"{cell[0]}-{cell[1]} {place.partition('@')[0].replace(':', '_')}"
        made["told"].append(f"read on: oneblock show -o {folder / 'records'} '{words}'")
        if name == "decode":
            (llo,) = (one for one in record["facts"]["estimates"] if one["name"] == "llo")
            made |= {"absent": {"llo": llo["how"][:_SAID]}} if llo["seconds"] is None else {"llo": llo["seconds"]}
    return {**made, "xla_tpu": told}


def _compiled(preset: str, phase: str, axis: str, size: int, place: str, stages: str, folder: Path) -> Any:
    cell = ("--preset", preset, "--phase", phase, axis, str(size), "--dtype", "bfloat16", "--backend", "xla_tpu")
    on = ("--ops", "plain", "--target", f"tpu:{place}", "--stages", stages, "-o", "records")
    found, _ = ask("run", "block", *cell, *on, cwd=folder, accept=(0, 1))
    return found[0] if isinstance(found, list) else found


def _told(record: Any) -> dict[str, Any]:
    """Of a record what is asked for; the rest stays with it."""
    facts = record["facts"]
    kernels = [one for one in facts["calls"] if "mlp" in one["steps"]]
    largest = max(kernels, key=lambda one: int(one["bundles"]), default=None)
    moved = facts["traffic"]["transfers"]
    ahead = [one for one in moved if one["reason"].startswith("cross-program prefetch")]
    return {
        "hbm_bytes": facts["hbm_bytes"],
        "estimates": {one["name"]: one["seconds"] for one in facts["estimates"]},
        "texts": {one["dialect"]: one["sha256"] for one in record["artifacts"] if one["dialect"] in TEXTS},
        "mxu": max((one["slots"].get("MXU", 0) for one in kernels), default=None),
        "mlp_kernel": largest and {name: largest[name] for name in ("name", "bundles", "slots")},
        "ahead": [{name: one[name] for name in ("array", "bytes", "reason", "first_call_only")} for one in ahead],
        "collectives": [
            {name: one[name] for name in ("kind", "dtype", "bytes", "step")} for one in facts["collectives"]
        ],
    }
