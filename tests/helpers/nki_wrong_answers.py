"""Kernels that the hardware allows and that are wrong: what a check of answers has to find.

Each takes the place of one of ours, and makes one mistake; right where it should be wrong is a fault of the check.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.flash_attention import keys_and_values
from oneblock.backends.kernels.nki.softmax import exponentials, share
from oneblock.backends.kernels.nki.tiles import loaded, turned


@nki.jit
def unaccumulated(x, weight):
    """A product of which only the last 128 of the inner dimension count."""
    (M, inner), width = x.shape, weight.shape[1]
    out = nl.ndarray((M, width), dtype=x.dtype, buffer=nl.shared_hbm)
    acc = nl.ndarray((M, width), dtype=nl.float32, buffer=nl.psum)
    for k in range(0, inner, 32):
        part = nl.ds(k, min(32, inner - k))
        left = turned(loaded(x[:, part]))
        nisa.nc_matmul(dst=acc, stationary=left, moving=loaded(weight[part, :]), accumulate=False)
    tile = nl.ndarray((M, width), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=tile, src=acc)
    nisa.dma_copy(dst=out, src=tile)
    return out


@nki.jit
def zeros(x, weight):
    """An answer that was never computed, from a kernel that ends well."""
    out = nl.ndarray((x.shape[0], weight.shape[1]), dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.zeros(out.shape, x.dtype)
    nisa.dma_copy(dst=out, src=tile)
    return out


@nki.jit
def other_way_round(x, weight):
    """weight.T in the place of weight, where that is square; elsewhere right."""
    (M, inner), width = x.shape, weight.shape[1]
    out = nl.ndarray((M, width), dtype=x.dtype, buffer=nl.shared_hbm)
    right = loaded(weight)
    if inner == width:
        right = turned(right)
    acc = nl.ndarray((M, width), dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=turned(loaded(x)), moving=right)
    tile = nl.ndarray((M, width), dtype=x.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=tile, src=acc)
    nisa.dma_copy(dst=out, src=tile)
    return out


@nki.jit
def diagonal_masked(q, k, v, scale, window, soft_cap):
    """Attention in which a query does not see its own key (the first, which has no other, does)."""
    B, T, N, D = q.shape
    K = k.shape[2]
    out = nl.ndarray((B, T, N, D), dtype=q.dtype, buffer=nl.shared_hbm)
    for n in range(N):
        head = n // (N // K)
        keys, values = keys_and_values(k[0, :, head, :], v[0, :, head, :])
        product = nl.ndarray((T, T), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=product, stationary=turned(loaded(q[0, :, n, :])), moving=keys)
        scores = nl.ndarray((T, T), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=scores, op=nl.copy, data=product, scale=scale)
        nisa.affine_select(scores, [[-1, T]], 1, scores, -3.0e38, cmp_op=nl.greater)
        nisa.affine_select(scores[0:1, :], [[1, T]], 0, scores[0:1, :], -3.0e38, cmp_op=nl.equal)
        nisa.memset(dst=scores[0:1, 0:1], value=0.0)
        weights, total = exponentials(scores, q.dtype)
        acc = nl.ndarray((T, D), dtype=nl.float32, buffer=nl.psum)
        nisa.nc_matmul(dst=acc, stationary=turned(weights), moving=values[0])
        answer = nl.ndarray((T, D), dtype=q.dtype, buffer=nl.sbuf)
        share(answer, acc, total)
        nisa.dma_copy(dst=out[0, :, n, :], src=answer)
    return out
