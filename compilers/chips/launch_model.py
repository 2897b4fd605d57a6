"""How long a kernel would take by a formula: what ranks its configurations where there is no clock. Kind: modelled.

    seconds = max(FLOPs / (peak * busy), asked / (sms * port * busy), compulsory / (bandwidth * fed))

The roofline (Williams et al. 2009), with three corrections that tell one configuration from another:

* busy: the multiprocessor with the most programs is the last to end, programs / (sms * ceil(programs / sms)).
* port: what all programs ask for, operands counted as often as they are read, passes from L2 through each
  multiprocessor's port. 64 bytes a clock are assumed for all, as Jia et al. (2018) have it for Volta.
* fed: Little's law. Bandwidth x latency bytes must be in flight; a resident program has as many as its pipeline asks
  ahead for. Occupancy enters here: it says how many are resident.

The latency of memory is assumed to be 700 ns for all. Instruction issue, bank conflicts and synchronisation are left
out. It ranks; it does not predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from oneblock.compilers.chips.chip import Gpu

PORT_BYTES_PER_CLOCK = 64
LATENCY_S = 700e-9


@dataclass(frozen=True)
class Demand:
    """What a launch asks for at one configuration."""

    programs: int
    flops: float
    compulsory_bytes: float
    asked_bytes: float
    in_flight_bytes: float  # of one program


def seconds(demand: Demand, resident: int, of: Gpu, *, matrix_units: bool) -> float:
    """The formula, with `resident` programs on a multiprocessor at once.

    `matrix_units`: whether tensor (matrix) cores compute its products; the float32 units do otherwise.
    """
    peak = of.peaks["float16"].value if matrix_units else of.float32_flops_per_s
    sms, memory_bytes_per_s = of.sms.value, of.memory_bytes_per_s.value
    busy = demand.programs / (sms * ceil(demand.programs / sms))
    in_flight_bytes = min(demand.programs, resident * sms) * demand.in_flight_bytes
    fed = min(1.0, in_flight_bytes / (memory_bytes_per_s * LATENCY_S))
    return max(
        demand.flops / (peak * busy),
        demand.asked_bytes / (sms * PORT_BYTES_PER_CLOCK * of.clock_hz.value * busy),
        demand.compulsory_bytes / (memory_bytes_per_s * fed),
    )
