"""The feed-forward's activations, element by element: gelu(x) and silu(gate) * up, of arrays (M, F).

ScalarE has both functions; VectorE multiplies. FLOPs: of gelu 1 and of swiglu 2 an element, as instructions count.
Bytes: every operand and the answer once.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded

COLUMNS = 2048  # of a tile: 4 KiB or more of a partition, which is what DMA moves well


@nki.jit
def gelu(x):
    """The tanh form that GPT-2 uses (Hendrycks & Gimpel 2016)."""
    M, F = x.shape
    out = nl.ndarray((M, F), dtype=x.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for top in range(0, M, P):
        for left in range(0, F, COLUMNS):
            rows, columns = nl.ds(top, min(P, M - top)), nl.ds(left, min(COLUMNS, F - left))
            tile = loaded(x[rows, columns])
            answer = nl.ndarray(tile.shape, dtype=x.dtype, buffer=nl.sbuf)
            nisa.activation(dst=answer, op=nl.gelu_apprx_tanh, data=tile)
            nisa.dma_copy(dst=out[rows, columns], src=answer)
    return out


@nki.jit
def swiglu(gate, up):
    """gate * sigmoid(gate) * up (Shazeer 2020)."""
    M, F = gate.shape
    out = nl.ndarray((M, F), dtype=gate.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for top in range(0, M, P):
        for left in range(0, F, COLUMNS):
            rows, columns = nl.ds(top, min(P, M - top)), nl.ds(left, min(COLUMNS, F - left))
            tile = loaded(gate[rows, columns])
            opened = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
            nisa.activation(dst=opened, op=nl.silu, data=tile)
            answer = nl.ndarray(tile.shape, dtype=gate.dtype, buffer=nl.sbuf)
            nisa.tensor_tensor(dst=answer, data1=opened, data2=loaded(up[rows, columns]), op=nl.multiply)
            nisa.dma_copy(dst=out[rows, columns], src=answer)
    return out
