"""One product in four stages, each removing what held the one before it back: a laboratory (see labs/neuron_linear.py).

All take lhsT (K, M), which is the left operand transposed, and rhs (K, N), and give (M, N) in rhs's dtype. Sizes are
any: the last tile of a dimension is what is left. FLOPs: 2*M*K*N.
"""

import nki
import nki.isa as nisa
import nki.language as nl


@nki.jit
def linear_basic(lhsT, rhs):
    """Every tile of the answer loads its operands again, 128 columns at a time.

    TensorE streams 128 columns for each 128 that it loads, and waits for memory: lhsT is read N/128 times, rhs M/128
    times.
    """
    return _by_tiles(lhsT, rhs, nl.tile_size.pmax)


@nki.jit
def linear_tiled(lhsT, rhs):
    """Tiles as wide as TensorE takes them: lhsT is read N/512 times."""
    return _by_tiles(lhsT, rhs, nl.tile_size.psum_bank_fmax)


@nki.jit
def linear_hoisted(lhsT, rhs):
    """The rows of lhsT are loaded once for all columns: it is read once, rhs still M/128 times."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    P, WIDE = nl.tile_size.pmax, nl.tile_size.psum_bank_fmax
    for m in range(0, M, P):
        rows = min(P, M - m)
        lefts = []
        for n in range(0, N, WIDE):
            columns = min(WIDE, N - n)
            acc = nl.ndarray((rows, columns), dtype=nl.float32, buffer=nl.psum)
            for k in range(0, K, P):
                deep = min(P, K - k)
                if n == 0:
                    lefts.append(_loaded(lhsT, k, deep, m, rows))
                nisa.nc_matmul(acc, lefts[k // P], _loaded(rhs, k, deep, n, columns))
            _stored(out, acc, m, n)
    return out


@nki.jit
def linear_blocked(lhsT, rhs):
    """Both are read once: each block of 512 columns goes down K with an accumulator for every 128 rows.

    Seven banks of PSUM accumulate 896 rows at a time, and the eighth is free for the next.
    """
    M, N = lhsT.shape[1], rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    WIDE = nl.tile_size.psum_bank_fmax
    ROWS = (nl.tile_size.psum_num_banks - 1) * nl.tile_size.pmax
    lefts = {}
    for n in range(0, N, WIDE):
        rights = {}
        for m in range(0, M, ROWS):
            _block(out, lhsT, rhs, lefts, rights, m, min(ROWS, M - m), n, min(WIDE, N - n))
    return out


def _block(out, lhsT, rhs, lefts, rights, m, rows, n, columns):
    """out[m : m + rows, n : n + columns]; `lefts` and `rights` keep the tiles that are loaded for later blocks."""
    K, P = lhsT.shape[0], nl.tile_size.pmax
    accs = []
    for top in range(0, rows, P):
        accs.append(nl.ndarray((min(P, rows - top), columns), dtype=nl.float32, buffer=nl.psum))
    for k in range(0, K, P):
        deep = min(P, K - k)
        if f"{k}" not in rights:
            rights[f"{k}"] = _loaded(rhs, k, deep, n, columns)
        if f"{k},{m}" not in lefts:
            lefts[f"{k},{m}"] = _loaded(lhsT, k, deep, m, rows)
        for i in range(len(accs)):
            left = lefts[f"{k},{m}"][:, nl.ds(i * P, accs[i].shape[0])]
            nisa.nc_matmul(accs[i], left, rights[f"{k}"])
    for i in range(len(accs)):
        _stored(out, accs[i], m + i * P, n)


def _by_tiles(lhsT, rhs, wide):
    """The answer in tiles of 128 rows and `wide` columns, each of which loads its operands."""
    (K, M), N = lhsT.shape, rhs.shape[1]
    out = nl.ndarray((M, N), dtype=rhs.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for m in range(0, M, P):
        for n in range(0, N, wide):
            _one_tile(out, lhsT, rhs, K, m, min(P, M - m), n, min(wide, N - n))
    return out


def _one_tile(out, lhsT, rhs, K, m, rows, n, columns):
    """out[m : m + rows, n : n + columns], whose operands are loaded for it."""
    P = nl.tile_size.pmax
    acc = nl.ndarray((rows, columns), dtype=nl.float32, buffer=nl.psum)
    for k in range(0, K, P):
        deep = min(P, K - k)
        nisa.nc_matmul(acc, _loaded(lhsT, k, deep, m, rows), _loaded(rhs, k, deep, n, columns))
    _stored(out, acc, m, n)


def _loaded(source, top, rows, left, columns):
    """A tile of a matrix in SBUF."""
    tile = nl.ndarray((rows, columns), dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source[top : top + rows, left : left + columns])
    return tile


def _stored(out, acc, top, left):
    """PSUM to HBM by way of SBUF, in the dtype of `out`."""
    rows, columns = acc.shape
    tile = nl.ndarray((rows, columns), dtype=out.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=tile, src=acc)
    nisa.dma_copy(dst=out[top : top + rows, left : left + columns], src=tile)
