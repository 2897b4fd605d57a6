"""How many blocks of a kernel live on one multiprocessor at once, by the makers' rules of allocation. Kind: modelled.

NVIDIA (CUDA's occupancy calculator): registers are given to a warp in pieces of 256, and warps come to the four
schedulers in equal shares, so that their number is rounded down to a multiple of four; shared memory is given in
pieces, and from Ampere on the system takes 1 KiB for each block. AMD (LLVM's "User Guide for AMDGPU Backend"): the
registers of a lane are given in granules, and the waves of a work-group are dealt out to the four SIMDs.
"""

from __future__ import annotations

from oneblock.compilers.api.facts import Occupancy
from oneblock.compilers.chips.amd_gpus import ComputeUnit
from oneblock.compilers.chips.nvidia_gpus import Architecture

_REGISTERS, _PIECE, _SCHEDULERS, _LANES = 65536, 256, 4, 32


def on_nvidia(of: Architecture, warps: int, registers: int, shared_bytes: int) -> Occupancy:
    """Of blocks of so many warps, registers a thread, and bytes of shared memory a block."""
    most_warps = of.threads // _LANES
    by_registers = _REGISTERS // _round_up(max(registers, 1) * _LANES, _PIECE) // _SCHEDULERS * _SCHEDULERS
    piece = 128 if of.major >= 8 else 256
    taken = _round_up(shared_bytes + of.reserved_bytes_of_block, piece)
    limits = {
        "warps": most_warps // warps,
        "registers": by_registers // warps,
        "shared memory": of.shared_bytes // taken if taken else of.blocks,
        "blocks": of.blocks,
    }
    return _least(limits, warps, most_warps)


def on_amd(of: ComputeUnit, waves: int, registers: int, lds_bytes: int) -> Occupancy:
    """Of work-groups of so many waves, vector registers a lane, and bytes of LDS a work-group."""
    by_registers = min(of.waves_of_simd, of.registers // _round_up(max(registers, 1), of.register_granule))
    taken = _round_up(lds_bytes, of.lds_granule)
    limits = {
        "warps": _groups(of.waves_of_simd, waves, of.simds),
        "registers": _groups(by_registers, waves, of.simds),
        "shared memory": of.lds_bytes // taken if taken else of.work_groups,
        "blocks": of.work_groups,
    }
    return _least(limits, waves, of.waves_of_simd * of.simds)


def _groups(waves_of_simd: int, waves: int, simds: int) -> int:
    """How many groups fit where a SIMD has room for so many waves; small groups share the SIMDs."""
    return waves_of_simd * simds // waves if waves < simds else waves_of_simd // -(-waves // simds)


def _least(limits: dict[str, int], warps: int, most_warps: int) -> Occupancy:
    by = min(limits, key=lambda name: limits[name])  # of equals the first, in the order written
    blocks = limits[by]
    return Occupancy(blocks, blocks * warps, blocks * warps / most_warps, by)


def _round_up(n: int, to: int) -> int:
    return -(-n // to) * to
