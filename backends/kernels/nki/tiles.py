"""What the kernels share: tiles in and out, a tile on its side, a row on all partitions."""

import nki.isa as nisa
import nki.language as nl


def loaded(source):
    """A copy of a view of HBM, [P, ...], in SBUF."""
    tile = nl.ndarray(source.shape, dtype=source.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=source)
    return tile


def on_all_partitions(row, partitions):
    """A vector [n] of HBM as [partitions, n] in SBUF, read once for each."""
    return loaded(row.expand_dim(0).broadcast(0, partitions))


def turned(tile):
    """A tile [P, F] of SBUF, F <= 128, as [F, P] in SBUF: by TensorE, through PSUM."""
    P, F = tile.shape
    through = nl.ndarray((F, P), dtype=tile.dtype, buffer=nl.psum)
    nisa.nc_transpose(dst=through, data=tile, engine=nisa.engine.tensor)
    out = nl.ndarray((F, P), dtype=tile.dtype, buffer=nl.sbuf)
    nisa.tensor_copy(dst=out, src=through)
    return out
