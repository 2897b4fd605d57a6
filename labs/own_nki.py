"""RMSNorm as a kernel of your own, in NKI: change it, and see what it costs and whether it is still right.

`oneblock run norm --preset tiny --backend neuron_nki --target neuron:trn2 --replace rms_norm=labs/own_nki.py:rms_norm`
puts it in the place of ours; `oneblock kernel labs/own_nki.py --target neuron:trn2` runs it alone.
"""

import nki
import nki.isa as nisa
import nki.language as nl
import numpy as np

ROWS = 32  # of a tile: up to 128, which lie on as many partitions
COMPUTES = {"rms_norm": "rms_norm"}  # what `oneblock kernel` holds its answers against


@nki.jit
def rms_norm(x, weight, eps):
    """x (M, C), weight (C,) -> (M, C): ROWS rows at a time, and the weight read anew for each tile."""
    M, C = x.shape
    out = nl.ndarray((M, C), dtype=x.dtype, buffer=nl.shared_hbm)
    for top in range(0, M, ROWS):
        rows = min(M, top + ROWS) - top
        tile = nl.ndarray((rows, C), dtype=x.dtype, buffer=nl.sbuf)
        weights = nl.ndarray((rows, C), dtype=weight.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[top : top + rows, :])
        nisa.dma_copy(dst=weights, src=weight.expand_dim(0).broadcast(0, rows))
        squares = nl.ndarray((rows, C), dtype=nl.float32, buffer=nl.sbuf)
        scale = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation_reduce(dst=squares, op=nl.square, data=tile, reduce_op=nl.add, reduce_res=scale)
        nisa.tensor_scalar(dst=scale, data=scale, op0=nl.multiply, operand0=1.0 / C, op1=nl.add, operand1=eps)
        nisa.activation(dst=scale, op=nl.rsqrt, data=scale)
        answer = nl.ndarray((rows, C), dtype=x.dtype, buffer=nl.sbuf)
        nisa.scalar_tensor_tensor(
            dst=answer, data=tile, op0=nl.multiply, operand0=scale, op1=nl.multiply, operand1=weights
        )
        nisa.dma_copy(dst=out[top : top + rows, :], src=answer)
    return out


if __name__ == "__main__":
    drawn = np.random.default_rng(0)
    nki.simulate(rms_norm)(drawn.standard_normal((64, 128), np.float32), drawn.standard_normal(128, np.float32), 1e-5)
