"""RMSNorm: x (M, C) / sqrt(mean(x^2) + eps) * weight (C,), rows on partitions, in float32 and rounded once.

FLOPs: 4*M*C. Bytes: x and the answer once, and weight once for each of up to 128 partitions.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded, on_all_partitions


@nki.jit
def rms_norm(x, weight, eps):
    """Zhang & Sennrich 2019."""
    M, C = x.shape
    out = nl.ndarray((M, C), dtype=x.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    weights = on_all_partitions(weight, min(M, P))
    for top in range(0, M, P):
        tile = loaded(x[top : min(M, top + P), :])
        rows = tile.shape[0]
        squares = nl.ndarray((rows, C), dtype=nl.float32, buffer=nl.sbuf)
        scale = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation_reduce(dst=squares, op=nl.square, data=tile, reduce_op=nl.add, reduce_res=scale)
        nisa.tensor_scalar(dst=scale, data=scale, op0=nl.multiply, operand0=1.0 / C, op1=nl.add, operand1=eps)
        nisa.activation(dst=scale, op=nl.rsqrt, data=scale)
        answer = nl.ndarray((rows, C), dtype=x.dtype, buffer=nl.sbuf)
        nisa.scalar_tensor_tensor(
            dst=answer, data=tile, op0=nl.multiply, operand0=scale, op1=nl.multiply, operand1=weights[0:rows, :]
        )
        nisa.dma_copy(dst=out[top : top + rows, :], src=answer)
    return out
