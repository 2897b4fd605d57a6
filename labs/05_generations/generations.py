"""Compiles the product for five generations: OUT FOLDER BM=64...; or tries a learner's kernel: OUT FILE BM=64...

No GPU is asked: Triton's wheel has the compilers for NVIDIA's and AMD's, and NVIDIA's assembler.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oneblock import backends
from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.target import Target
from oneblock.bench.lessons.lab import module
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu

TARGETS = ("cuda:sm_75", "cuda:sm_80", "cuda:sm_90", "cuda:sm_100", "rocm:gfx942")
UNITS = {"tcgen05.mma": "tcgen05", "wgmma": "wgmma", "mma.sync": "mma", "mfma": "mfma", "fma.f32": "fma"}
TEXTS = ("ttir", "ttgir", "llir", "ptx")  # in the order in which they are made
SIZES = (1024, 1024, 1024)  # M, N, K of what is compiled
WIDE = 64  # a tile reads for each element of the answer as much as one of 2 WIDE squared, or less
CONFIG = ("BM", "BN", "BK", "num_warps", "num_stages")
MOST = 2e-3  # of the largest element, in float16


def gpu_of(target: str) -> Gpu:
    """What is known of one."""
    found = chips.find(target)
    assert isinstance(found, Gpu)
    return found


def built(kernel: Any, target: str, sizes: tuple[int, int, int], tile: Mapping[str, int]) -> Any:
    """The kernel as a launch on that GPU would have it; CannotBuild with the compiler's reason."""
    import torch

    from oneblock.compilers.triton import lowering

    gpu, (M, N, K) = gpu_of(target), sizes
    arrays = [torch.empty(of, dtype=torch.float16, device="meta") for of in ((M, K), (K, N), (M, N))]
    return lowering.build(lowering.as_launched(kernel, (*arrays, M, N, K), dict(tile), gpu))


def told(kernel: Any) -> dict[str, Any]:
    """What one block of it needs, and which instruction multiplies."""
    word = next(word for name, word in UNITS.items() if any(one.startswith(name) for one in kernel.instructions))
    name = next(name for name, of in UNITS.items() if of == word)
    return {
        "unit": word, "multiplies": sum(many for one, many in kernel.instructions.items() if one.startswith(name)),
        "registers": kernel.registers, "spill_bytes": kernel.spill_bytes, "shared_bytes": kernel.shared_bytes,
        "warps": kernel.num_warps, "threads": kernel.num_warps * kernel.of.multiprocessor.lanes,
        "instructions": dict(kernel.instructions),
    }  # fmt: skip


def tile_of(shape: Mapping[str, Any]) -> dict[str, int]:
    """What a launch is given."""
    return {
        **{name: shape[name] for name in ("BM", "BN", "BK")},
        "num_stages": shape["stages"], "num_warps": shape["warps"],
    }  # fmt: skip


def generations(shape: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Of each generation what its compiler said, and the first text that differs."""
    from oneblock.compilers.triton.lowering import CannotBuild

    product = module(Path(__file__).with_name("product.py")).product
    made: dict[str, Any] = {}
    kernels = {}
    for target in TARGETS:
        name = target.partition(":")[2]
        try:
            kernels[name] = built(product, target, SIZES, tile_of(shape))
        except CannotBuild as error:
            made[name] = {"refused": str(error)}
        else:
            made[name] = told(kernels[name])
            for stage in (*TEXTS, "amdgcn"):
                if (text := kernels[name].text(stage)) is not None:
                    (folder / f"{name}.{stage}").write_text(text, encoding="utf-8")
    texts = [{name: kernels[of].text(name) for name in TEXTS} for of in ("sm_80", "sm_90")]
    made["first_to_differ"] = next(name for name in TEXTS if texts[0][name] != texts[1][name])
    return made


def learners(shape: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What holds of a learner's kernel, as the first word that applies, and what was seen of it, in lines."""
    from oneblock.compilers.triton.interpreter_numerics import OutOfBounds

    found = runpy.run_path(path)
    kernel, config = found["product_relu"], found["CONFIG"]
    if {*config} != {*CONFIG}:
        sys.exit(f"CONFIG: expected {', '.join(CONFIG)}, got {', '.join(map(str, config))}")
    for more in (0, 8):  # a kernel that is right is so for other rows as well
        try:
            if not _right(kernel, config, (shape["M"] + more, shape["N"], shape["K"])):
                return {"word": "differs", "said": [f"M is {shape['M'] + more}"]}
        except OutOfBounds as error:
            return {"word": "outside", "said": [str(error), *getattr(error, "__notes__", ())]}
    sizes = (shape["M"], shape["N"], shape["K"])
    here = [built(kernel, target, sizes, config) for target in ("cuda:sm_80", "cuda:sm_90")]
    said = [
        f"{one.of.architecture}: {one.registers} registers a thread, {one.spill_bytes} bytes of them spilled, "
        f"{one.shared_bytes} bytes shared, {one.occupancy.blocks} blocks on an SM (compiled)" for one in here
    ]  # fmt: skip
    return {"word": _word(here[0], here[1], config), "said": said}


def _right(kernel: Any, config: Mapping[str, int], sizes: tuple[int, int, int]) -> bool:
    import torch

    from oneblock.compilers.triton import interpreter

    M, N, K = sizes
    torch.manual_seed(M)
    x, w = (torch.randn(of, dtype=torch.float16) for of in ((M, K), (K, N)))
    y = torch.full((M, N), float("nan"), dtype=torch.float16)
    grid = (-(-M // config["BM"]), -(-N // config["BN"]))
    interpreter.run(kernel, grid, (x, w, y, M, N, K), {name: config[name] for name in ("BM", "BN", "BK")})
    exact = torch.relu(x.double() @ w.double())
    return bool((y.double() - exact).abs().max() <= MOST * exact.max())


def _word(ampere: Any, hopper: Any, config: Mapping[str, int]) -> str:
    if (found := re.search(r"wgmma\.mma_async\S*k16\.(f\d\d)\.f16", hopper.text("ptx"))) is None:  # k8: of TF32
        return "no_wgmma"
    if found[1] != "f32":
        return "narrow_sums"
    if config["num_stages"] < 2:
        return "one_at_a_time"
    if ampere.spill_bytes or hopper.spill_bytes:
        return "spills"
    if 1 / config["BM"] + 1 / config["BN"] > 1 / WIDE:
        return "narrow"
    return "good" if ampere.occupancy.blocks >= 2 else "one_block"


def main(out: str, where: str, *words: str) -> None:
    """Write what is told as JSON."""
    made: dict[str, Any] = {"absent": {}}
    try:
        backends.ours("triton_kernels").probe(Target.parse("cuda:sm_80"))
    except Unavailable as error:
        made["absent"]["triton_kernels"] = f"{error}; {error.hint}"
    else:
        pairs = (word.split("=") for word in words)
        shape = {name: int(value) if value.isdecimal() else value for name, value in pairs}
        if Path(where).is_dir():
            made["triton_kernels"] = generations(shape, Path(where))
        else:
            made = dict(learners(shape, where))
    Path(out).write_text(json.dumps(made), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
