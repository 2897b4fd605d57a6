# linear_relu: second_pass
"""The ReLU as an operation of its own, through HBM."""

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
    """max(lhsT.T @ rhs, 0): each block of 512 columns goes down K with an accumulator for every 128 rows."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    lefts = []
    for n in range(0, N, 512):
        accs = []
        for _ in range(0, M, 128):
            accs.append(nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum))
        for k in range(0, K, 128):
            if n == 0:
                lefts.append(loaded(lhsT, k, 0, M))
            right = loaded(rhs, k, n, 512)
            for i in range(len(accs)):
                nisa.nc_matmul(accs[i], lefts[k // 128][:, i * 128 : i * 128 + 128], right)
        for i in range(len(accs)):
            tile = nl.ndarray((128, 512), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=tile, src=accs[i])
            nisa.dma_copy(dst=out[i * 128 : i * 128 + 128, n : n + 512], src=tile)
    for m in range(0, M, 128):
        for n in range(0, N, 512):
            again = loaded(out, m, n, 512)
            nisa.tensor_scalar(dst=again, data=again, op0=nl.maximum, operand0=0.0)
            nisa.dma_copy(dst=out[m : m + 128, n : n + 512], src=again)
    return out
