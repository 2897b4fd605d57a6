"""Decoding a whole model against transformers' `generate` and llama.cpp (target: >= 2x the first, >= 1x the second).

Of SmolLM2 and of llama-1b's layers with seeded weights, greedy behind one prompt, in one dtype: all sides read one GGUF
file, and each is asked by a process of its own. Ours are the steps that `oneblock generate --json` says, of each
backend, ops set and form in `--ours`; transformers tells a streamer of each token; llama.cpp is `llama-cpp-python`,
which pip builds into a folder of its own. A process gives the median of its steps; sides take turns in an order drawn
from a seed, and the median of several processes counts. The best of ours is held against the machine's read rate, taken
in the same turns: a token reads every weight once.

It can be interrupted: what has been measured lies in the folder of --kept, and is not measured again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any

from _decode_files import MODELS, installed, written
from _figure import Conditions, answer, ask, asked, options, publish

from oneblock.bench.cells.fetched import meant
from oneblock.bench.records.environment import default_threads
from oneblock.compilers.api.folders import cache_folder

PEERS = {"transformers": ("accelerate",), "llama.cpp": ("llama-cpp-python==0.3.36", "diskcache")}  # by what they take
OURS = ("jax_xla:plain:whole", "jax_xla:native:whole", "jax_xla:plain", "torch_inductor:native", "torch_inductor:plain",
        "torch_eager:native", "torch_eager:plain")  # fmt: skip
PROMPT = "The capital of France is"


def child(side: str, **given: Any) -> dict[str, Any]:
    """What one process finds: a peer's steps, or the read rate."""
    import _decode_peers

    threads = default_threads()
    sys.path.append(given.pop("peers"))
    if side == "read":
        from oneblock.bench.worker.ceilings import host_read_bytes_per_s
        from oneblock.bench.worker.surroundings import Surroundings

        return {"read_bytes_per_s": host_read_bytes_per_s(threads, Surroundings(None))}
    if side == "transformers":
        return _decode_peers.transformers(**given, threads=threads)
    return _decode_peers.llama_cpp(**given, threads=threads)


def ours(side: str, file: str, dtype: str, tokens: int) -> dict[str, Any]:
    """What `oneblock generate` says of itself; nothing where it refuses."""
    backend, ops, *form = side.split(":")
    asked = ("--backend", backend, "--ops", ops, *(f"--form={one}" for one in form))
    how = (*asked, "--dtype", dtype, "--tokens", str(tokens))
    command = [sys.executable, "-m", "oneblock.bench", "generate", "--model", file, *how, "--json", PROMPT]
    own = {name: str(default_threads()) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TVM_NUM_THREADS")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | own)
    if done.returncode:
        return {"refused": done.stderr.strip()[-300:]}
    found = json.loads(done.stdout)
    seconds = [] if found["decode_s"] is None else [step["seconds"] for step in found["steps"]]
    return {"tokens": found["tokens"], "prompt": found["prompt_tokens"], "seconds": seconds}


def measured(args: Namespace, file: str, peers: Path) -> dict[str, list[dict[str, Any]]]:
    """Every process's answer by its side."""
    sides = ["read", *args.peers, *args.ours]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    prompt: list[int] = tokens_of(Path(file))
    for turn in range(args.processes):
        for side in random.Random(turn).sample(sides, len(sides)):
            name = f"{args.model}-{args.dtype}-{args.tokens}-{side.replace(':', '-')}-{turn}.json"
            kept = args.kept / name
            if not kept.exists():
                question = {"side": side, "file": file, "dtype": args.dtype, "prompt": prompt, "tokens": args.tokens}
                got = (ours(side, file, args.dtype, args.tokens) if ":" in side
                       else ask(__file__, question | {"peers": str(peers)}))  # fmt: skip
                kept.write_text(json.dumps(got))
            found[side].append(json.loads(kept.read_text()))
    return found


def tokens_of(file: Path) -> list[int]:
    """The prompt's tokens, as ours reads them."""
    from oneblock.bench.runs.generation import opened

    return [int(one) for one in opened(file, "float32")[1].tokens(PROMPT)]


def weights_bytes(file: Path) -> int:
    """What a token reads at the least: every tensor of the file once; its embedding is its head."""
    from gguf import GGUFReader

    return sum(int(tensor.n_bytes) for tensor in GGUFReader(file).tensors)


def table(found: dict[str, list[dict[str, Any]]], read_bytes: int) -> dict[str, dict[str, Any]]:
    """Of each side its tokens/s, its ratios to both peers, how much of the read rate it reaches, its first tokens."""
    each = {side: [median(one["seconds"]) for one in runs if one.get("seconds")] for side, runs in found.items()}
    step = {side: median(times) for side, times in each.items() if times}
    rates = [one["read_bytes_per_s"] for one in found["read"] if one["read_bytes_per_s"]]
    expected, rows = next(runs[0]["tokens"] for side, runs in found.items() if side in PEERS), {}
    print(f"{'side':28} {'tokens/s':>9} {'transformers':>12} {'llama.cpp':>12} {'of read':>8}  the peer's tokens")
    for side in sorted(step, key=lambda name: step[name]):
        got = found[side][0]["tokens"]
        equal = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), len(got))
        rows[side] = {
            "tokens_per_s": 1 / step[side],
            **{f"to_{peer}": step[peer] / step[side] for peer in PEERS if peer in step},
            "of_read_rate": read_bytes / step[side] / median(rates) if rates else None,
            "equal_tokens": equal,
            "by_process": each[side],
        }
        row = rows[side]
        share = "" if row["of_read_rate"] is None else f"{row['of_read_rate']:.0%}"
        ratios = " ".join(f"{row.get(f'to_{peer}', float('nan')):12.2f}" for peer in PEERS)
        print(f"{side:28} {row['tokens_per_s']:9.3g} {ratios} {share:>8}  first {equal} of {len(got)}")
    for side, runs in found.items():
        if "refused" in runs[0]:
            print(f"{side:28} {runs[0]['refused'].splitlines()[-1]}")
    return rows


def main() -> None:
    parser, home = options(__doc__), cache_folder() / "figures" / "decode"
    parser.add_argument("--model", default="smollm2", choices=MODELS)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"))
    parser.add_argument("--tokens", type=int, default=48, help="to write (default: 48)")
    parser.add_argument("--processes", type=int, default=3, help="of each side (default: 3)")
    parser.add_argument("--ours", nargs="+", default=OURS, metavar="BACKEND:OPS[:whole]", help="(default: 7 of them)")
    parser.add_argument("--peers", nargs="+", default=[*PEERS], choices=[*PEERS], help="(default: both)")
    parser.add_argument("--kept", type=Path, default=home / "measured", help="folder of what each process found")
    args = parser.parse_args()
    args.kept.mkdir(parents=True, exist_ok=True)
    peers = installed(home, tuple(package for name in args.peers for package in PEERS[name]))
    file = written(args.model, args.dtype, meant(Path("smollm2")), home)
    conditions, found = Conditions(), measured(args, str(file), peers)
    rows = table(found, weights_bytes(file))
    best = max((side for side in rows if ":" in side), key=lambda side: rows[side]["tokens_per_s"])
    met = all(rows[best].get(f"to_{peer}", 0.0) >= bar for peer, bar in {"transformers": 2.0, "llama.cpp": 1.0}.items())
    said = f"{args.model} {args.dtype}: {best} >= 2x transformers' generate and >= 1x llama.cpp"
    numbers = {name: str(value) for name, value in vars(args).items()} | {"rows": rows, "runs": found}
    publish("decode", said, met, numbers, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    if question is None:
        main()
    else:
        answer(child(**question))
