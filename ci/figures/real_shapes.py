"""Real models' layers against transformers' own in float64, once at their real shapes (target: relative L2 <= 1e-10).

Tests hold every family at small sizes. Here are Qwen2-0.5B's layer, both of Gemma-2-2B's and one of Mixtral-8x7B's, of
random weights, from the file that transformers wrote: a prefill of 40 tokens, and a decode of the last of them. Mixtral
takes 18 GiB of memory and 6 GB of disk.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from _figure import Conditions, answer, ask, asked, options, publish

sys.path.append(str(Path(__file__).parents[2]))  # the tests' own transformers in float64

T = 40
_TARGET = 1e-10
_FEW = {"vocab_size": 64}  # embeddings are of no layer
MODELS: dict[str, tuple[str, dict[str, Any]]] = {  # as their config.json says
    "Qwen2-0.5B": (
        "Qwen2Config",
        {"hidden_size": 896, "num_attention_heads": 14, "num_key_value_heads": 2, "intermediate_size": 4864,
         "num_hidden_layers": 1, "max_position_embeddings": 131_072, "rope_theta": 1e6, "rms_norm_eps": 1e-6,
         "tie_word_embeddings": True},
    ),
    "Gemma-2-2B": (
        "Gemma2Config",
        {"hidden_size": 2304, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
         "intermediate_size": 9216, "num_hidden_layers": 2, "query_pre_attn_scalar": 256, "sliding_window": 4096},
    ),
    "Mixtral-8x7B": (
        "MixtralConfig",
        {"hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
         "num_hidden_layers": 1, "num_local_experts": 8, "num_experts_per_tok": 2, "max_position_embeddings": 32768},
    ),
}  # fmt: skip


def write(name: str, folder: str) -> dict[str, Any]:
    """Make the model, keep what its layers saw, and write it: a process of its own, as two of it do not fit."""
    import torch
    import transformers

    from tests.helpers.transformers_models import decode, made, prefill

    kind, given = MODELS[name]
    model = made(getattr(transformers, kind)(**_FEW, **given))
    for phase, seen in (("prefill", prefill(model, T)), ("decode", decode(model, T))):
        for layer, one in enumerate(seen):
            arrays = {"x": one.x, "y": one.y} | ({} if one.keys is None else {"keys": one.keys, "values": one.values})
            np.savez(Path(folder, f"{phase}-{layer}.npz"), **arrays)
    for weight in model.parameters():
        weight.data = weight.data.to(torch.float32)  # of which they are
    model.save_pretrained(folder)
    return {"layers": len(seen)}


def compare(folder: str, phase: str, layer: int) -> dict[str, Any]:
    """How far our answer from the file is from theirs."""
    from oneblock import workloads
    from oneblock.workloads._workload import Case, Phase
    from oneblock.workloads.answers.checkpoint import load_weights
    from oneblock.workloads.models import read_model
    from oneblock.workloads.ops.numpy_ops import NumpyOps

    seen = np.load(Path(folder, f"{phase}-{layer}.npz"))
    config, of = read_model(Path(folder)).layer(layer), Phase(phase)
    block, case = workloads.load("block"), Case("block", config, of, 1, T if of is Phase.PREFILL else 1, T)
    index = Path(folder, "model.safetensors.index.json")
    checkpoint = index if index.exists() else Path(folder, "model.safetensors")
    weights = load_weights(block, case, "float32", checkpoint, layer)
    arrays = {name: weights.pop(name).astype(np.float64) for name in [*weights]} | {"x": seen["x"]}
    arrays |= {name: s.table(config, case.T, case.S) for name, s in block.specs(case).items() if s.table is not None}
    if of is Phase.DECODE:
        for name, held in (("k_cache", seen["keys"]), ("v_cache", seen["values"])):
            arrays[name] = np.concatenate([held, np.zeros_like(held[:, :, :1])], axis=2)
    got = np.asarray(block.program(NumpyOps(), case, arrays)["y"])
    return {"relative_l2": float(np.linalg.norm(got - seen["y"]) / np.linalg.norm(seen["y"]))}


def main() -> None:
    if (question := asked()) is not None:
        answer(compare(**question) if "phase" in question else write(**question))
    parser = options(__doc__)
    parser.add_argument("--model", action="append", choices=MODELS, help="only this one; may be given more than once")
    given, conditions, found = parser.parse_args(), Conditions(), {}
    for name in given.model or MODELS:
        with TemporaryDirectory() as folder:
            layers = ask(__file__, {"name": name, "folder": folder})["layers"]
            for layer in range(layers):
                for phase in ("prefill", "decode"):
                    of = ask(__file__, {"folder": folder, "phase": phase, "layer": layer})["relative_l2"]
                    found[f"{name} layer {layer} {phase}"] = of
                    print(f"{name:<14} layer {layer} {phase:<8} relative L2 {of:.1e}", flush=True)
    met = max(found.values()) <= _TARGET
    publish("real_shapes", f"relative L2 <= {_TARGET:.0e}", met, {"relative_l2": found}, conditions, given.json)
    raise SystemExit(0 if met else 1)


if __name__ == "__main__":
    main()
