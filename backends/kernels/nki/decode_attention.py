"""Attention of one query to a whole cache: q (B, 1, N, D), k and v (B, K, S, D) -> (B, 1, N, D), D <= 128.

The N/K query heads of a key/value head are the rows of one small product, so that the cache is read once. All S scores
of a row lie in SBUF. FLOPs: about 4*B*N*S*D. Bytes: the caches once, q and the answer.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.flash_attention import keys_and_values, score, weighted
from oneblock.backends.kernels.nki.softmax import exponentials, share
from oneblock.backends.kernels.nki.tiles import loaded, turned


@nki.jit
def decode_attention(q, k, v, scale, soft_cap):
    """Every key is seen."""
    B, _, N, D = q.shape
    K = k.shape[1]
    out = nl.ndarray((B, 1, N, D), dtype=q.dtype, buffer=nl.shared_hbm)
    for b in range(B):
        for head in range(K):
            heads = nl.ds(head * (N // K), N // K)
            keys, values = keys_and_values(k[b, head], v[b, head])
            answer = _heads(q[b, 0, heads, :], keys, values, scale, soft_cap)
            nisa.dma_copy(dst=out[b, 0, heads, :], src=answer)
    return out


def _heads(q, keys, values, scale, soft_cap):
    """The query heads (rows, D) that read one key/value head."""
    rows, D = q.shape
    S = keys.shape[1]
    left = turned(loaded(q))
    scores = nl.ndarray((rows, S), dtype=nl.float32, buffer=nl.sbuf)
    WIDE = nl.tile_size.psum_bank_fmax
    for low in range(0, S, WIDE):
        columns = nl.ds(low, min(WIDE, S - low))
        score(scores[:, columns], left, keys[:, columns], scale, soft_cap)
    weights, total = exponentials(scores, q.dtype)
    answer = nl.ndarray((rows, D), dtype=q.dtype, buffer=nl.sbuf)
    share(answer, weighted(weights, values, 0), total)
    return answer
