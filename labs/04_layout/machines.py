"""One matrix on three machines: OUT R C DTYPE CHIP; or a learner's `tiled` tried: OUT FILE."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.compilers.chips.topology import topology

ORDERS = {"chosen": None, "row_major": (0, 1), "column_major": (1, 0)}  # from major to minor
ROWS, LANES = 8, 128  # a tile of numbers of four bytes


def main(out: str, *words: str) -> None:
    """Write what is told as JSON."""
    if len(words) == 1:
        told: dict[str, Any] = {"word": _tried(runpy.run_path(words[0])["tiled"])}
    else:
        R, C, dtype, chip = int(words[0]), int(words[1]), words[2], words[3]
        told = {"absent": {}}
        for name, target, of in (
            ("jax_xla", "cpu", _on_cpu),
            ("xla_tpu", f"tpu:{chip}", _on_tpu),
            ("torch_eager", "cpu", _by_onednn),
        ):
            try:
                backends.ours(name).probe(Target.parse(target))
                told[name] = of(R, C, dtype, chip)
            except Unavailable as error:
                told["absent"][name] = f"{error}; {error.hint}"
    Path(out).write_text(json.dumps(told), encoding="utf-8")


def _doubled(R: int, C: int, dtype: str, **place: Any) -> dict[str, Any]:
    """What XLA makes of a matrix that is doubled: its bytes as an argument, and its layout as the program has it."""
    import jax

    array = jax.ShapeDtypeStruct((R, C), dtype, sharding=place.get("in_shardings"))
    compiled = jax.jit(lambda x: x * 2, **place).lower(array).compile()
    layout = re.search(r"entry_computation_layout=\{\((.*?)\)->", compiled.as_text() or "")
    assert layout is not None
    return {"argument_bytes": int(compiled.memory_analysis().argument_size_in_bytes), "layout": layout[1]}


def _on_cpu(R: int, C: int, dtype: str, chip: str) -> dict[str, Any]:
    return _doubled(R, C, dtype)


def _on_tpu(R: int, C: int, dtype: str, chip: str) -> dict[str, Any]:
    """In the order that XLA chooses, and in either that it is told."""
    import jax
    from jax.experimental.layout import Format, Layout

    from oneblock.compilers.xla.tpu import devices

    place = jax.sharding.SingleDeviceSharding(devices(topology(chip, None))[0])
    return {
        name: _doubled(R, C, dtype, in_shardings=place if order is None else Format(Layout(order), place))
        for name, order in ORDERS.items()
    }


def _by_onednn(R: int, C: int, dtype: str, chip: str) -> dict[str, Any]:
    """Weights of C inputs and R outputs, as oneDNN packs them for a product on this processor."""
    import torch

    if not torch.backends.mkldnn.is_available():
        raise Unavailable("this build of torch has no oneDNN", "its wheels for x86-64 have it")
    weights = torch.zeros((R, C), dtype=getattr(torch, dtype))
    packed = torch.ops.mkldnn._reorder_linear_weight(weights, 64)
    return {"packed_bytes": int(torch.ops.mkldnn._nbytes(packed)), "isa": torch.backends.cpu.get_cpu_capability()}


def _tried(tiled: Any) -> str:
    """How a learner's `tiled` does, as a word: its numbers, none the same as another, are in their places or not."""
    for R, C in ((20, 300), (8, 128), (9, 129)):
        x = np.arange(1, R * C + 1, dtype=np.float32).reshape(R, C)
        padded = np.zeros((ceil(R / ROWS) * ROWS, ceil(C / LANES) * LANES), np.float32)
        padded[:R, :C] = x
        tiles = padded.reshape(len(padded) // ROWS, ROWS, -1, LANES)
        known = {
            "tiles": tiles.transpose(0, 2, 1, 3),
            "rows": padded,
            "down": tiles.transpose(2, 0, 1, 3),
            "columns": tiles.transpose(0, 2, 3, 1),
            "not_padded": x,
        }
        answer = np.asarray(tiled(x.copy())).ravel()
        word = next((name for name, one in known.items() if np.array_equal(one.ravel(), answer)), "differs")
        if word != "tiles":
            return word
    return "tiles"


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    main(*sys.argv[1:])
