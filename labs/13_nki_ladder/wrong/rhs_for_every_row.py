# linear_relu: rhs_again
"""Hoisted, not blocked."""

import nki
import nki.isa as nisa
import nki.language as nl


def loaded(source, top, left, columns):
    """A tile (128, columns) of a matrix in SBUF."""
    tile = nl.ndarray((128, columns), dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source[top : top + 128, left : left + columns])
    return tile


@nki.jit
def linear_relu(lhsT, rhs):
    """max(lhsT.T @ rhs, 0) with rows of lhsT kept, and rhs loaded for each."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    for m in range(0, M, 128):
        lefts = []
        for k in range(0, K, 128):
            lefts.append(loaded(lhsT, k, m, 128))
        for n in range(0, N, 512):
            acc = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
            for k in range(0, K, 128):
                nisa.nc_matmul(acc, lefts[k // 128], loaded(rhs, k, n, 512))
            tile = nl.ndarray((128, 512), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_scalar(dst=tile, data=acc, op0=nl.maximum, operand0=0.0)
            nisa.dma_copy(dst=out[m : m + 128, n : n + 512], src=tile)
    return out
