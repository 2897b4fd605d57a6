# linear_relu: differs
"""What is negative is dropped before all of K is summed."""

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
    """The sum of max(product, 0) over K."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    for m in range(0, M, 128):
        for n in range(0, N, 512):
            total = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
            nisa.memset(dst=total, value=0.0)
            for k in range(0, K, 128):
                acc = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
                nisa.nc_matmul(acc, loaded(lhsT, k, m, 128), loaded(rhs, k, n, 512))
                part = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
                nisa.tensor_scalar(dst=part, data=acc, op0=nl.maximum, operand0=0.0)
                nisa.tensor_tensor(dst=total, data1=total, data2=part, op=nl.add)
            tile = nl.ndarray((128, 512), dtype=out.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=tile, src=total)
            nisa.dma_copy(dst=out[m : m + 128, n : n + 512], src=tile)
    return out
