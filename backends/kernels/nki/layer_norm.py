"""LayerNorm: (x (M, C) - mean) / sqrt(variance + eps) * weight (C,) + bias (C,), in float32 and rounded once.

VectorE's own statistics take 512 elements at a time, and one more instruction joins them (Chan et al. 1979).
FLOPs: 9*M*C. Bytes: x and the answer once, and weight and bias once for each of up to 128 partitions.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded, on_all_partitions


@nki.jit
def layer_norm(x, weight, bias, eps):
    """Ba et al. 2016, with the biased variance."""
    M, C = x.shape
    out = nl.ndarray((M, C), dtype=x.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    weights, biases = on_all_partitions(weight, min(M, P)), on_all_partitions(bias, min(M, P))
    for top in range(0, M, P):
        tile = loaded(x[top : min(M, top + P), :])
        rows = tile.shape[0]
        mean, scale = _statistics(tile, eps)
        wide = nl.ndarray((rows, C), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=wide, data=tile, op0=nl.subtract, operand0=mean, op1=nl.multiply, operand1=scale)
        nisa.tensor_tensor(dst=wide, data1=wide, data2=weights[0:rows, :], op=nl.multiply)
        answer = nl.ndarray((rows, C), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=answer, data1=wide, data2=biases[0:rows, :], op=nl.add)
        nisa.dma_copy(dst=out[top : top + rows, :], src=answer)
    return out


def _statistics(tile, eps):
    """(mean [P, 1], 1 / sqrt(variance + eps) [P, 1])."""
    rows, C = tile.shape
    most = nl.tile_size.bn_stats_fmax
    pieces = (C + most - 1) // most
    stats = nl.ndarray((rows, pieces, 6), dtype=nl.float32, buffer=nl.sbuf)
    for i in range(pieces):
        nisa.bn_stats(dst=stats[:, i, :], data=tile[:, i * most : min(C, i * most + most)])
    moments = nl.ndarray((rows, 2), dtype=nl.float32, buffer=nl.sbuf)
    nisa.bn_aggr(dst=moments, data=stats)
    scale = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_scalar(dst=scale, data=moments[:, 1:2], op0=nl.add, operand0=eps)
    nisa.activation(dst=scale, op=nl.rsqrt, data=scale)
    return moments[:, 0:1], scale
