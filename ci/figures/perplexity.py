"""Perplexity against transformers' own of the same weights and tokens (target: within 1e-5, relative, in float32).

Ours is what `oneblock perplexity --json` says of SmolLM2 over its own text; theirs is exp of the mean loss of the
model that transformers makes of a GGUF file with the same numbers, in float32 and by eager attention.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from _decode_files import installed, written
from _figure import Conditions, answer, ask, asked, options, publish

from oneblock.bench.cells.fetched import meant
from oneblock.bench.records.environment import default_threads
from oneblock.compilers.api.folders import cache_folder


def child(file: str, tokens: int, peers: str) -> dict[str, Any]:
    """transformers' perplexity of the first tokens of the text."""
    sys.path.append(peers)
    import torch
    from transformers import AutoModelForCausalLM

    from oneblock.bench.runs.generation import opened, text_of

    torch.set_num_threads(default_threads())
    path = Path(file)
    _, tokenizer = opened(path, "float32")
    read = torch.tensor(tokenizer.tokens(text_of(None))[:tokens].tolist())
    model = AutoModelForCausalLM.from_pretrained(  # nosec B615  a file that is here
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    with torch.inference_mode():
        logits = model(input_ids=read[None], use_cache=False).logits[0, :-1].double()
        loss = torch.nn.functional.cross_entropy(logits, read[1:])
    return {"perplexity": math.exp(loss.item()), "tokens": len(read) - 1}


def ours(file: str, tokens: int, backend: str) -> dict[str, Any]:
    """What `oneblock perplexity` says."""
    words = ("perplexity", "--model", file, "--backend", backend, "--tokens", str(tokens), "--json")
    threads = {name: str(default_threads()) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-m", "oneblock.bench", *words], stdout=subprocess.PIPE, check=True, env=os.environ | threads
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> None:
    parser, home = options(__doc__), cache_folder() / "figures" / "decode"
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--backend", nargs="+", default=["reference", "jax_xla", "torch_eager"])
    args = parser.parse_args()
    file = str(written("smollm2", "float32", meant(Path("smollm2")), home))
    conditions, peers = Conditions(), str(installed(home, ("accelerate",)))  # by which transformers reads GGUF files
    theirs = ask(__file__, {"file": file, "tokens": args.tokens, "peers": peers})
    print(f"transformers: {theirs['perplexity']:.9g} of {theirs['tokens']} tokens")
    found: dict[str, dict[str, Any]] = {}
    for backend in args.backend:
        got = ours(file, args.tokens, backend)
        if got["tokens"] != theirs["tokens"]:
            raise SystemExit(f"{backend} foresaw {got['tokens']} tokens and transformers {theirs['tokens']}")
        found[backend] = got | {"apart": got["perplexity"] / theirs["perplexity"] - 1}
        print(f"{backend}: {got['perplexity']:.9g}, {found[backend]['apart']:+.1e} apart")
    met = all(abs(one["apart"]) <= 1e-5 for one in found.values())
    publish("perplexity", "within 1e-5 of transformers'", met, {"theirs": theirs, "ours": found}, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    if question is None:
        main()
    else:
        answer(child(**question))
