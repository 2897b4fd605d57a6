"""Softmax of each row of x (M, C): ScalarE takes the exponentials and their sum in one pass.

FLOPs: 5*M*C. Bytes: x and the answer once.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded


@nki.jit
def softmax(x):
    """exp(x - max) / sum(exp(x - max)), in float32 and rounded once."""
    M, C = x.shape
    out = nl.ndarray((M, C), dtype=x.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for top in range(0, M, P):
        weights, total = exponentials(loaded(x[top : min(M, top + P), :]), nl.float32)
        answer = nl.ndarray(weights.shape, dtype=x.dtype, buffer=nl.sbuf)
        share(answer, weights, total)
        nisa.dma_copy(dst=out[top : top + answer.shape[0], :], src=answer)
    return out


def exponentials(tile, dtype):
    """(exp(tile - max of its row) [P, F] in a dtype, their sums [P, 1])."""
    rows = tile.shape[0]
    lowered = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=lowered, op=nl.maximum, data=tile, axis=1, negate=True)
    weights = nl.ndarray(tile.shape, dtype=dtype, buffer=nl.sbuf)
    total = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation_reduce(dst=weights, op=nl.exp, data=tile, bias=lowered, reduce_op=nl.add, reduce_res=total)
    return weights, total


def share(answer, values, total):
    """answer = values / total [P, 1]."""
    inverse = nl.ndarray(total.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.reciprocal(dst=inverse, data=total)
    nisa.tensor_scalar(dst=answer, data=values, op0=nl.multiply, operand0=inverse)
