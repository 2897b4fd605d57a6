"""Our flash attention against the kernels shipped with JAX, in the static simulation of the TPU's compiler.

Nothing runs: libtpu compiles each kernel for a TPU v5e in a process of its own and adds up the cycles of its bundles,
with the waits for the memory that it models. Arguments lie in the layout that the kernel reads, so nothing but the
kernel is counted. Ours is given grouped keys and values; the shipped kernels know no groups and are given keys and
values repeated to every query head, for nothing. The shipped flash attention is taken at the best of several block
sizes; its default, blocks of 128, is slower by the factor shown.

Target: no scratch in HBM, and no more cycles than the best of the shipped flash attention. Splash attention is for
information: it reads from memory which blocks to skip, which a static simulation does not see. Where a simulation ends
below the cycles that the matrix units need for the blocks that a kernel computes, the figure is marked as impossible.
"""

from __future__ import annotations

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from _figure import Conditions, answer, ask, asked, options, publish

from oneblock.backends.kernels.pallas._blocks import LANES, round_up
from oneblock.compilers.chips.topology import topology
from oneblock.compilers.xla import llo as _llo

GENERATION = "v5e"
CASES = {  # B, N, K, T, D
    "llama-1b, T=512": (1, 32, 8, 512, 64),
    "llama-1b, T=2048": (1, 32, 8, 2048, 64),
    "32 heads of 128, T=2048": (1, 32, 32, 2048, 128),
}
SHIPPED_BLOCKS = ((128, 128, 128), (512, 512, 512), (1024, 1024, 512))  # of queries, keys copied, keys computed
SPLASH_BLOCK = 512


def kernel(name: str, sizes: tuple[int, ...], blocks: list[int]) -> tuple[Any, list[tuple[int, ...]]]:
    """A kernel, and the shapes of its q, k and v."""
    B, N, K, T, D = sizes
    if name == "ours":
        from oneblock.backends.kernels.pallas.flash_attention import attend_by_group

        return attend_by_group, [(B, K, T * (N // K), D), (B, K, T, D), (B, K, T, D)]
    repeated: list[tuple[int, ...]] = [(B, N, T, D)] * 3
    if name == "shipped":
        from jax.experimental.pallas.ops.tpu import flash_attention as shipped

        chosen, scale = shipped.BlockSizes(*blocks, block_b=1), D**-0.5
        return partial(shipped.flash_attention, causal=True, sm_scale=scale, block_sizes=chosen), repeated
    import jax
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
    from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

    size = splash.BlockSizes(block_q=blocks[0], block_kv=blocks[0], block_kv_compute=blocks[0])
    mask = masks.MultiHeadMask([masks.CausalMask((T, T)) for _ in range(N)])
    return jax.vmap(splash.make_splash_mha(mask, head_shards=1, q_seq_shards=1, block_sizes=size)), repeated


def child(question: dict[str, Any]) -> None:
    """Compile one kernel and answer with what the compiler left."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        flags = _llo.flags(folder, everything=False, simulate=True)
        os.environ["LIBTPU_INIT_ARGS"] = " ".join(f"--{name}={value}" for name, value in flags.items())
        from oneblock.compilers.xla import tpu

        import jax  # isort: skip
        from jax.experimental.layout import Format, Layout

        device = tpu.devices(topology(GENERATION, None))[0]
        function, shapes = kernel(question["kernel"], tuple(question["sizes"]), question["blocks"])
        anyhow = Format(Layout.AUTO, jax.sharding.SingleDeviceSharding(device))
        arguments = [jax.ShapeDtypeStruct(shape, "bfloat16") for shape in shapes]
        compiled = jax.jit(function, in_shardings=anyhow, out_shardings=anyhow).lower(*arguments).compile()
        simulated = _llo.simulation(folder)
        longest = max(simulated, key=lambda name: simulated[name].cycles)
        (slots,) = _llo.kernels(folder, {longest: None}, simulated, {})
        answer(
            {
                "cycles": sum(one.cycles * one.equivalents for one in simulated.values()),
                "scratch_bytes": compiled.memory_analysis().temp_size_in_bytes,
                "bundles": slots.bundles,
                "slots": slots.slots,
            }
        )


def floor(sizes: tuple[int, ...], block: int) -> float:
    """The cycles in which all matrix units, 128 wide, can do the products of the blocks that hold visible pairs."""
    B, N, _, T, D = sizes
    n = -(-T // block)
    macs = topology(GENERATION, None).chip.macs_per_cycle
    assert macs is not None
    return B * N * n * (n + 1) / 2 * block**2 * 2 * round_up(D, LANES) / macs.value


def simulate(name: str, sizes: tuple[int, ...], blocks: tuple[int, ...]) -> dict[str, Any] | None:
    """One kernel; None where the compiler did not survive its own simulation, which is said."""
    blocks = tuple(min(block, sizes[3]) for block in blocks)
    label = f"  {name:8} {'x'.join(map(str, blocks)) or 'own blocks':14}"
    try:
        found = ask(__file__, {"kernel": name, "sizes": sizes, "blocks": blocks})
    except RuntimeError as error:
        print(f"{label} the simulation ended the compiler: {str(error).strip().splitlines()[-1][:90]}")
        return None
    least = floor(sizes, blocks[0] if blocks else 1)
    found |= {"blocks": blocks, "floor_cycles": least, "possible": found["cycles"] >= least}
    print(
        f"{label} {found['cycles']:>9,} cycles, {found['cycles'] / least:5.2f} of the floor; scratch "
        f"{found['scratch_bytes']:,} B; slots used: MXU {found['slots'].get('MXU', 0):.0%}, stores "
        f"{found['slots'].get('VSTORE', 0):.0%}, of spills {found['slots'].get('VSTORE:SPILL', 0):.0%}"
        f"{'' if found['possible'] else '  IMPOSSIBLE: below the floor'}"
    )
    return found


def main() -> None:
    args = options(__doc__).parse_args()
    conditions, numbers, met = Conditions(), {}, True
    for name, sizes in CASES.items():
        print(f"{name} (B, N, K, T, D = {sizes}), bfloat16, TPU {GENERATION}")
        ours = simulate("ours", sizes, ())
        tried = {min(blocks[0], sizes[3]): blocks for blocks in SHIPPED_BLOCKS}.values()
        shipped = [found for blocks in tried if (found := simulate("shipped", sizes, blocks))]
        splash = simulate("splash", sizes, (SPLASH_BLOCK,))
        best = min((found["cycles"] for found in shipped if found["possible"]), default=None)
        fine = bool(ours and best and ours["possible"] and not ours["scratch_bytes"] and ours["cycles"] <= best)
        met = met and fine
        if ours and best:
            print(f"  ours / best shipped: {ours['cycles'] / best:.2f}")
        numbers[name] = {"sizes": sizes, "ours": ours, "shipped": shipped, "splash": splash, "met": fine}
    said = "no HBM scratch, and static cycles no worse than the best shipped flash attention's, in every case"
    publish("flash_cycles", said, met, numbers, conditions, args.json)


if __name__ == "__main__":
    question = asked()
    main() if question is None else child(question)
