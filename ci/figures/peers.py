"""One block against the peers that people would take instead (target: none is faster than the best of ours).

gpt2's and llama-1b's block, prefill of 128 tokens and decode behind 1,023, in float32 and bfloat16: the best of ours
against ONNX Runtime, OpenVINO, and Hugging Face's own layer by eager and compiled PyTorch. All have the arrays that
`oneblock export` wrote, their answers are held against its exact ones, and the two runtimes run its ONNX with the
weights as constants. Each process times one side, with flushed caches; sides take turns in an order drawn from a seed.
A process gives the median of the samples that had their cores, and the median of several counts; the spread is how far
processes of one side lie from their median, at the 90th percentile. It goes on after an interruption (--kept).
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
from _decode_files import installed
from _figure import FLUSH_BYTES, Conditions, answer, ask, asked, options, publish

from oneblock.bench.records.environment import default_threads
from oneblock.compilers.api.folders import cache_folder
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset

PRESETS, DTYPES = ("gpt2", "llama-1b"), ("float32", "bfloat16")
SIZES = {Phase.PREFILL: (128, 128), Phase.DECODE: (1, 1024)}  # (T, S)
OURS = ("jax_xla:plain", "jax_xla:native", "torch_eager:native", "torch_inductor:plain", "torch_inductor:native")
PEERS = ("onnxruntime", "openvino", "transformers", "transformers:compiled")
PACKAGES = ("onnxruntime", "openvino>=2026", "openvino-telemetry", "flatbuffers")
APART = {"float32": 1e-5, "bfloat16": 2e-2}  # relative L2 of an honest answer; smaller than any wrong block's
WARMUPS, SAMPLES = 3, 15


def exported(name: str, phase: str, dtype: str, folder: Path) -> Path:
    """The manifest of a block that `oneblock export` wrote: as ONNX in float32, and as PyTorch's program in others."""
    of, form = Phase(phase), "onnx" if dtype == "float32" else "torch"
    length = ("-T", str(SIZES[of][0])) if of is Phase.PREFILL else ("-S", str(SIZES[of][1]))
    how = ("--preset", name, "--phase", phase, *length, "--dtype", dtype, "--form", form, "-o", str(folder))
    found = [*folder.glob(f"block-{name}-{phase}-*-{dtype}.{form}.json")]
    if not found:
        subprocess.run([sys.executable, "-m", "oneblock.bench", "export", "block", *how], check=True)
        found = [*folder.glob(f"block-{name}-{phase}-*-{dtype}.{form}.json")]
    return found[0]


def child(side: str, manifest: str, program: str, peers: str, name: str, phase: str, dtype: str) -> dict[str, Any]:
    """Seconds of one side in this process, and how far its answer is from the exact one; or why it has none."""
    sys.path += [peers, str(Path(__file__).parents[2])]  # and the reader of what was exported, which tests have
    from _peers import PeerRefused

    from oneblock.backends.api.backend import Unsupported
    from oneblock.backends.api.host import HostCache
    from oneblock.bench.worker.sampling import quiet, time_calls
    from oneblock.bench.worker.surroundings import Surroundings
    from tests.helpers.handed_over import HandedOver

    handed = HandedOver(Path(manifest))
    try:
        executable, args = _side(side, handed.arguments, Path(program), Phase(phase), name, dtype)
    except (PeerRefused, Unsupported) as refused:
        return {"refused": str(refused)}
    for _ in range(WARMUPS):
        _, out = time_calls(executable, args)
    y = executable.answer(out) if hasattr(executable, "answer") else executable.get(out)["y"]
    exact = handed.answers[[one["name"] for one in handed.told["results"]].index("y")]
    apart = float(np.linalg.norm(np.asarray(y, np.float64) - exact) / np.linalg.norm(exact))
    if not apart <= APART[dtype]:
        raise ValueError(f"{side} is not right: relative L2 is {apart:.2g}")
    cache, around, seconds = HostCache(), Surroundings(None), []
    with quiet():
        for _ in range(SAMPLES):
            cache.flush(FLUSH_BYTES)
            seconds.append(around.taken(lambda: time_calls(executable, args)[0]))
    return {"apart": apart, "seconds": [one.seconds for one in seconds if one.clean], "of": len(seconds)}


def _side(
    side: str, given: Mapping[str, np.ndarray], program: Path, phase: Phase, name: str, dtype: str
) -> tuple[Any, dict[str, Any]]:
    import _peers

    if side.startswith("transformers"):
        return _peers.Transformers(preset(name), phase, given, compiled=side.endswith(":compiled")), {}
    if side in PEERS:
        if side == "onnxruntime" and dtype != "float32":
            raise _peers.PeerRefused(f"ONNX Runtime has no kernels of {dtype} for most of it on CPUs")
        wide = {name: array.astype(np.float32) for name, array in given.items()}
        constant, threads = _peers.with_constants(program, wide), default_threads()
        if side == "openvino":
            return _peers.OpenVino(constant, wide, threads, dtype), {}
        return _peers.OnnxRuntime(constant, wide, threads), {}
    from oneblock import backends, workloads
    from oneblock.backends.api.target import Target

    backend, ops = side.split(":")
    case = Case("block", preset(name), phase, 1, *SIZES[phase])
    made = backends.load(backend).compile(workloads.load("block"), case, given, ops, Target("cpu")).executable
    assert made is not None
    return made, made.put(given)


def measured(args: Namespace, peers: Path) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Every process's answer, by cell and side."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for name, phase, dtype in ((p, f, d) for p in args.preset for f in SIZES for d in args.dtype):
        cell, sides = f"{name} {phase} {dtype}", [*args.peers, *args.ours]
        found[cell] = {side: [] for side in sides}
        program = exported(name, phase, "float32", args.kept / "exported")
        question = {
            "manifest": str(exported(name, phase, dtype, args.kept / "exported")), "peers": str(peers), "name": name,
            "program": str(program).removesuffix(".json"), "phase": phase, "dtype": dtype,
        }  # fmt: skip
        for turn in range(args.processes):
            for side in random.Random(turn).sample(sides, len(sides)):
                kept = args.kept / f"{cell} {side} {turn}.json".replace(" ", "-").replace(":", "-")
                if not kept.exists():
                    print(f"{cell}: {side}, process {turn + 1}", file=sys.stderr, flush=True)
                    kept.write_text(json.dumps(ask(__file__, question | {"side": side})))
                found[cell][side].append(json.loads(kept.read_text()))
    return found


def table(found: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> dict[str, dict[str, Any]]:
    """Of each cell the best of ours against each peer, and the spread between processes."""
    rows = {}
    for cell, sides in found.items():
        each = {side: [median(one["seconds"]) for one in runs if one.get("seconds")] for side, runs in sides.items()}
        taken = {side: median(times) for side, times in each.items() if times}
        away = [abs(t / taken[side] - 1) for side, times in each.items() for t in times if len(times) > 1]
        spread = quantiles(away, n=10)[-1] if len(away) > 1 else None
        best = min((side for side in taken if side not in PEERS), key=taken.__getitem__, default=None)
        if best is None:
            print(f"{cell:26} no side of ours had its cores: nothing is said")
            continue
        ratios = {peer: taken[best] / taken[peer] for peer in PEERS if peer in taken}
        lost = [peer for peer, ratio in ratios.items() if ratio > 1 + (spread or 0.0)]
        rows[cell] = {"best": best, "seconds": taken, "ratios": ratios, "spread": spread, "faster_peers": lost}
        shown = ", ".join(f"{peer} {ratio:.2f}" for peer, ratio in ratios.items())
        print(f"{cell:26} {best} {1e3 * taken[best]:.3g} ms; ours / peer's: {shown}; spread {spread or 0.0:.1%}")
        for peer in (one for one in PEERS if one in sides and sides[one] and "refused" in sides[one][0]):
            print(f"{'':26} {peer}: {sides[peer][0]['refused']}")
    return rows


def main() -> None:
    parser, home = options(__doc__), cache_folder() / "figures"
    parser.add_argument("--preset", nargs="+", default=PRESETS, choices=PRESETS)
    parser.add_argument("--dtype", nargs="+", default=DTYPES, choices=DTYPES)
    parser.add_argument("--processes", type=int, default=3, help="of each side (default: 3)")
    parser.add_argument("--ours", nargs="+", default=OURS, metavar="BACKEND:OPS", help=f"(default: {' '.join(OURS)})")
    parser.add_argument("--peers", nargs="+", default=PEERS, choices=PEERS, help="(default: all)")
    parser.add_argument("--kept", type=Path, default=home / "peers", help="folder of what each process found")
    args = parser.parse_args()
    (args.kept / "exported").mkdir(parents=True, exist_ok=True)
    conditions, found = Conditions(), measured(args, installed(home / "runtimes", PACKAGES))
    rows = table(found)
    met = len(rows) == len(found) and not any(row["faster_peers"] for row in rows.values())
    numbers = {name: str(value) for name, value in vars(args).items()} | {"rows": rows, "runs": found}
    publish(
        "peers", "no peer faster than the best of ours by more than the spread", met, numbers, conditions, args.json
    )


if __name__ == "__main__":
    if (question := asked()) is None:
        main()
    else:
        answer(child(**question))
