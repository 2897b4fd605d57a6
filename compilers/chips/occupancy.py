"""How many blocks of a kernel live on one multiprocessor at once, by the makers' rules of allocation. Kind: modelled.

A scheduler has registers for its lanes, and gives them out in granules (NVIDIA: CUDA's occupancy calculator; AMD:
LLVM's "User Guide for AMDGPU Backend"). AMD deals the waves of a work-group out to the four SIMDs; NVIDIA's warps take
what room there is. Shared memory is given in pieces, and from Ampere on the system takes 1 KiB of it for each block.
"""

from __future__ import annotations

from oneblock.compilers.api.gpu_kernel import Occupancy
from oneblock.compilers.chips.chip import Multiprocessor


def occupancy(of: Multiprocessor, warps: int, registers: int, shared_bytes: int) -> Occupancy:
    """Of blocks of so many warps, registers a lane, and bytes of shared memory a block."""
    by_registers = of.registers_of_lane // _round_up(max(registers, 1), of.register_granule)
    taken = _round_up(shared_bytes + of.reserved_bytes_of_block, of.shared_granule)
    limits = {
        "warps": _blocks(of, of.warps_of_scheduler, warps),
        "registers": _blocks(of, min(of.warps_of_scheduler, by_registers), warps),
        "shared memory": of.shared_bytes // taken if taken else of.blocks,
        "blocks": of.blocks,
    }
    by = min(limits, key=lambda name: limits[name])  # of equals the first, in the order written
    return Occupancy(limits[by], limits[by] * warps, limits[by] * warps / of.warps, by)


def _blocks(of: Multiprocessor, warps_of_scheduler: int, warps: int) -> int:
    """How many blocks fit where a scheduler has room for so many warps; small ones share the schedulers."""
    if of.deals_evenly and warps >= of.schedulers:
        return warps_of_scheduler // -(-warps // of.schedulers)
    return warps_of_scheduler * of.schedulers // warps


def _round_up(n: int, to: int) -> int:
    return -(-n // to) * to
