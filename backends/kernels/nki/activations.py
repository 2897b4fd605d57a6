"""The feed-forward's activations, element by element: gelu(x), and silu or gelu of a gate * up, of arrays (M, F).

ScalarE has all these functions; VectorE multiplies. FLOPs: of gelu 1 and of a gate 2 an element, as instructions count.
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
    return _each(nl.gelu_apprx_tanh, x)


@nki.jit
def gelu_erf(x):
    """As it is defined: x times the normal distribution's integral up to x (Hendrycks & Gimpel 2016)."""
    return _each(nl.gelu, x)


@nki.jit
def swiglu(gate, up):
    """gate * sigmoid(gate) * up (Shazeer 2020)."""
    return _gated(nl.silu, gate, up)


@nki.jit
def geglu(gate, up):
    """gelu(gate) * up in the tanh form, as Gemma has it (Shazeer 2020)."""
    return _gated(nl.gelu_apprx_tanh, gate, up)


def _each(function, x):
    """function(x) of (M, F)."""
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    for rows, columns in _tiles(x.shape):
        tile = loaded(x[rows, columns])
        answer = nl.ndarray(tile.shape, dtype=x.dtype, buffer=nl.sbuf)
        nisa.activation(dst=answer, op=function, data=tile)
        nisa.dma_copy(dst=out[rows, columns], src=answer)
    return out


def _gated(function, gate, up):
    """function(gate) * up of (M, F) each."""
    out = nl.ndarray(gate.shape, dtype=gate.dtype, buffer=nl.shared_hbm)
    for rows, columns in _tiles(gate.shape):
        tile = loaded(gate[rows, columns])
        opened = nl.ndarray(tile.shape, dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=opened, op=function, data=tile)
        answer = nl.ndarray(tile.shape, dtype=gate.dtype, buffer=nl.sbuf)
        nisa.tensor_tensor(dst=answer, data1=opened, data2=loaded(up[rows, columns]), op=nl.multiply)
        nisa.dma_copy(dst=out[rows, columns], src=answer)
    return out


def _tiles(shape):
    """(rows, columns) of the tiles of an array (M, F)."""
    M, F = shape
    P = nl.tile_size.pmax
    tiles = []
    for top in range(0, M, P):
        for left in range(0, F, COLUMNS):
            tiles.append((nl.ds(top, min(P, M - top)), nl.ds(left, min(COLUMNS, F - left))))
    return tiles
