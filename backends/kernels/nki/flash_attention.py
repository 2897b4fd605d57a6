"""Causal attention of many queries: q (B, T, N, D), k and v (B, S, K, D) -> (B, T, N, D), D <= 128.

128 queries at a time meet 512 keys at a time (Dao 2023): of the scores a maximum and a sum run along, and what was
summed under an older maximum is scaled when a greater one comes. Query t stands at position t + S - T. A key/value head
is loaded and turned once for the N/K query heads that read it. Keys that none of the 128 queries sees are not computed.
FLOPs: about 2*B*N*T*S*D. Bytes: q, k, v and the answer once.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.softmax import share
from oneblock.backends.kernels.nki.tiles import loaded, turned

HIDDEN = -3.0e38  # a score that is not seen: its exponential is zero under any maximum


@nki.jit
def flash_attention(q, k, v, scale, window, soft_cap):
    """Query head n reads key/value head n // (N / K); of a window, if not 0, a query sees the last so many keys."""
    B, T, N, D = q.shape
    S, K = k.shape[1], k.shape[2]
    out = nl.ndarray((B, T, N, D), dtype=q.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for b in range(B):
        for head in range(K):
            keys, values = keys_and_values(k[b, :, head, :], v[b, :, head, :])
            for n in range(head * (N // K), (head + 1) * (N // K)):
                for top in range(0, T, P):
                    rows = nl.ds(top, min(P, T - top))
                    answer = _rows(q[b, rows, n, :], keys, values, top + S - T, scale, window, soft_cap)
                    nisa.dma_copy(dst=out[b, rows, n, :], src=answer)
    return out


def keys_and_values(k, v):
    """k and v (S, D) of one head in SBUF: the keys on their side, [D, S], the values in tiles of 128 positions."""
    S, D = k.shape
    P = nl.tile_size.pmax
    keys = nl.ndarray((D, S), dtype=k.dtype, buffer=nl.sbuf)
    values = []
    for top in range(0, S, P):
        rows = nl.ds(top, min(P, S - top))
        nisa.tensor_copy(dst=keys[:, rows], src=turned(loaded(k[rows, :])), engine=nisa.engine.gpsimd)
        values.append(loaded(v[rows, :]))
    return keys, values


def _rows(q, keys, values, first, scale, window, soft_cap):
    """Up to 128 queries (rows, D), the first of which stands at position `first`, against all keys that they see."""
    rows, D = q.shape
    left = turned(loaded(q))
    lowered, total, acc = _empty(rows, D)
    seen = min(keys.shape[1], first + rows)
    WIDE = nl.tile_size.psum_bank_fmax
    since = max(0, first - window + 1) // WIDE * WIDE if window > 0 else 0
    for low in range(since, seen, WIDE):
        columns = min(WIDE, seen - low)
        scores = nl.ndarray((rows, columns), dtype=nl.float32, buffer=nl.sbuf)
        score(scores, left, keys[:, low : low + columns], scale, soft_cap)
        _hide(scores, first - low, window)
        weights = _run_along(scores, lowered, total, acc, keys.dtype)
        part = weighted(weights, values, low // nl.tile_size.pmax)
        nisa.tensor_tensor(dst=acc, data1=acc, data2=part, op=nl.add)
    answer = nl.ndarray((rows, D), dtype=q.dtype, buffer=nl.sbuf)
    share(answer, acc, total)
    return answer


def _empty(rows, D):
    """(minus the running maximum, the running sum, the sum of values), before any key."""
    lowered = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    total = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    acc = nl.ndarray((rows, D), dtype=nl.float32, buffer=nl.sbuf)
    nisa.memset(dst=lowered, value=-HIDDEN)
    nisa.memset(dst=total, value=0.0)
    nisa.memset(dst=acc, value=0.0)
    return lowered, total, acc


def score(dst, left, keys, scale, soft_cap):
    """The scores [rows, columns] of queries on their side [D, rows] and keys [D, columns], into `dst` in SBUF."""
    product = nl.ndarray(dst.shape, dtype=nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=product, stationary=left, moving=keys)
    if soft_cap == 0.0:
        nisa.activation(dst=dst, op=nl.copy, data=product, scale=scale)
    else:
        nisa.activation(dst=dst, op=nl.tanh, data=product, scale=scale / soft_cap)
        nisa.tensor_scalar(dst=dst, data=dst, op0=nl.multiply, operand0=soft_cap)


def _hide(scores, ahead, window):
    """Hide what a query does not see; `ahead` is how far the first query stands after the first key."""
    rows, columns = scores.shape
    if ahead < columns - 1:  # the first query does not see the last key
        _select(scores, -1, 1, ahead)
    if window > 0 and ahead + rows - 1 >= window:  # nor the last query the first
        _select(scores, 1, -1, window - 1 - ahead)


def _select(scores, of_key, of_query, offset):
    """Hide what of scores has of_key * key + of_query * query + offset < 0."""
    nisa.affine_select(
        dst=scores,
        pattern=[[of_key, scores.shape[1]]],
        channel_multiplier=of_query,
        on_true_tile=scores,
        on_false_value=HIDDEN,
        cmp_op=nl.greater_equal,
        offset=offset,
    )


def _run_along(scores, lowered, total, acc, dtype):
    """The scores' exponentials under the maximum so far; scales what older maxima gave."""
    rows = scores.shape[0]
    here = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_reduce(dst=here, op=nl.maximum, data=scores, axis=1, negate=True)
    nisa.tensor_tensor(dst=here, data1=here, data2=lowered, op=nl.minimum)
    older = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation(dst=older, op=nl.exp, data=lowered, bias=here, scale=-1.0)
    nisa.tensor_copy(dst=lowered, src=here)
    weights = nl.ndarray(scores.shape, dtype=dtype, buffer=nl.sbuf)
    part = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
    nisa.activation_reduce(dst=weights, op=nl.exp, data=scores, bias=here, reduce_op=nl.add, reduce_res=part)
    nisa.scalar_tensor_tensor(dst=total, data=total, op0=nl.multiply, operand0=older, op1=nl.add, operand1=part)
    nisa.tensor_scalar(dst=acc, data=acc, op0=nl.multiply, operand0=older)
    return weights


def weighted(weights, values, first):
    """weights [rows, columns] @ values from tile `first` on -> [rows, D] in PSUM."""
    rows, columns = weights.shape
    P = nl.tile_size.pmax
    product = nl.ndarray((rows, values[0].shape[1]), dtype=nl.float32, buffer=nl.psum)
    for low in range(0, columns, P):
        tile = values[first + low // P]
        deep = min(P, columns - low)
        right = turned(weights[:, low : low + deep])
        nisa.nc_matmul(dst=product, stationary=right, moving=tile[0:deep, :])
    return product
