"""A projection: x (M, I) @ weight (I, O), with or without bias (O,) -> (M, O).

TensorE contracts over partitions, so that x is turned on its side, 128 columns at a time; weight lies as it must. Rows
go in blocks of 512, for each of which the weight is read once: bytes are x and the answer once, the weight M/512 times.
FLOPs: 2*M*I*O.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.tiles import loaded, turned

ROWS = 512  # of a block: four accumulators in PSUM, and four banks for the next block and for turning x


@nki.jit
def linear(x, weight):
    """x @ weight."""
    return _linear(x, weight, ())


@nki.jit
def linear_bias(x, weight, bias):
    """x @ weight + bias."""
    return _linear(x, weight, (bias,))


def _linear(x, weight, biases):
    M, width = x.shape[0], weight.shape[1]
    out = nl.ndarray((M, width), dtype=x.dtype, buffer=nl.shared_hbm)
    WIDE = nl.tile_size.psum_bank_fmax
    for block in range(0, M, ROWS):
        rows = x[block : min(M, block + ROWS), :]
        lefts = _on_their_sides(rows)
        for n in range(0, width, WIDE):
            columns = nl.ds(n, min(WIDE, width - n))
            _columns(out[block : block + rows.shape[0], columns], lefts, weight[:, columns], _cut(biases, columns))
    return out


def _cut(biases, columns):
    """The columns of the bias, if there is one, as a row."""
    return (biases[0][columns].expand_dim(0),) if len(biases) > 0 else ()


def _on_their_sides(rows):
    """x (m, I) as tiles of 128 columns, each turned: [128, m] in SBUF."""
    m, inner = rows.shape
    P = nl.tile_size.pmax
    lefts = []
    for k in range(0, inner, P):
        left = nl.ndarray((min(P, inner - k), m), dtype=rows.dtype, buffer=nl.sbuf)
        lefts.append(left)
    for top in range(0, m, P):
        tile = loaded(rows[top : min(m, top + P), :])
        for i in range(len(lefts)):
            part = turned(tile[:, i * P : i * P + lefts[i].shape[0]])
            nisa.tensor_copy(dst=lefts[i][:, top : top + tile.shape[0]], src=part, engine=nisa.engine.gpsimd)
    return lefts


def _columns(out, lefts, weight, biases):
    """Up to 512 columns of a block's rows: each tile of the weight is loaded once and meets all of them."""
    m, columns = out.shape
    P = nl.tile_size.pmax
    accs = []
    for top in range(0, m, P):
        accs.append(nl.ndarray((min(P, m - top), columns), dtype=nl.float32, buffer=nl.psum))
    for k in range(len(lefts)):
        right = loaded(weight[k * P : k * P + lefts[k].shape[0], :])
        for i in range(len(accs)):
            nisa.nc_matmul(dst=accs[i], stationary=lefts[k][:, i * P : i * P + accs[i].shape[0]], moving=right)
    for i in range(len(accs)):
        if len(biases) > 0:
            _add_row(accs[i], biases[0])
        tile = nl.ndarray(accs[i].shape, dtype=out.dtype, buffer=nl.sbuf)
        nisa.tensor_copy(dst=tile, src=accs[i])
        nisa.dma_copy(dst=out[i * P : i * P + tile.shape[0], :], src=tile)


def _add_row(acc, row):
    """acc + row on every partition, as a product with ones: VectorE has no broadcast across partitions."""
    tile = loaded(row)
    ones = nl.ndarray((1, acc.shape[0]), dtype=tile.dtype, buffer=nl.sbuf)
    nisa.memset(dst=ones, value=1.0)
    nisa.nc_matmul(dst=acc, stationary=ones, moving=tile)
