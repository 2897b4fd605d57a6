"""Rotary positions: x (B, T, heads, D) with cos and sin (T, D/2), the first half of D paired with the second.

Tokens lie on partitions, and cos and sin are read by all heads. FLOPs: 3*B*T*heads*D. Bytes: x and the answer once, cos
and sin once for each sequence of the batch.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded


@nki.jit
def rope(x, cos, sin):
    """As in Hugging Face's Llama; in float32 and rounded once."""
    B, T, heads, D = x.shape
    out = nl.ndarray((B, T, heads, D), dtype=x.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for b in range(B):
        for top in range(0, T, P):
            tokens = nl.ds(top, min(P, T - top))
            tile = loaded(x[b, tokens])
            answer = nl.ndarray(tile.shape, dtype=x.dtype, buffer=nl.sbuf)
            _rotate(answer, tile, loaded(cos[tokens, :]), loaded(sin[tokens, :]))
            nisa.dma_copy(dst=out[b, tokens], src=answer)
    return out


def _rotate(answer, tile, cos, sin):
    """answer = (first*cos - second*sin, second*cos + first*sin)."""
    _, heads, D = tile.shape
    half = D // 2
    first, second = tile[:, :, 0:half], tile[:, :, half:D]
    c, s = cos.expand_dim(1).broadcast(1, heads), sin.expand_dim(1).broadcast(1, heads)
    _pair(answer[:, :, 0:half], first, c, second, s, nl.subtract)
    _pair(answer[:, :, half:D], second, c, first, s, nl.add)


def _pair(dst, a, c, b, s, op):
    """dst = a*c <op> b*s."""
    left = nl.ndarray(a.shape, dtype=nl.float32, buffer=nl.sbuf)
    right = nl.ndarray(b.shape, dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_tensor(dst=left, data1=a, data2=c, op=nl.multiply)
    nisa.tensor_tensor(dst=right, data1=b, data2=s, op=nl.multiply)
    nisa.tensor_tensor(dst=dst, data1=left, data2=right, op=op)
