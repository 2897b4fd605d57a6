"""One small kernel for each instruction that moves or computes element by element; nki_kernels_across.py has the rest.

Arguments come by DMA, the instruction runs, and its results go back. What it is asked is an argument: operators and
commands by their names, numbers, or arrays that become tiles.
"""

import nki
import nki.isa as nisa
import nki.language as nl


def loaded(x, dtype=None, psum=False):
    """A tile with what lies in HBM."""
    tile = nl.ndarray(x.shape, dtype or x.dtype)
    nisa.dma_copy(dst=tile, src=x)
    if not psum:
        return tile
    moved = nl.ndarray(tile.shape, tile.dtype, buffer=nl.psum)
    nisa.tensor_copy(dst=moved, src=tile)
    return moved


def saved(tile):
    """An output with what lies in a tile."""
    out = nl.ndarray(tile.shape, tile.dtype, buffer=nl.shared_hbm)
    if tile.buffer == nl.psum:
        moved = nl.ndarray(tile.shape, tile.dtype)
        nisa.tensor_copy(dst=moved, src=tile)
        nisa.dma_copy(dst=out, src=moved)
    else:
        nisa.dma_copy(dst=out, src=tile)
    return out


def operand(value):
    """A number stays one, an array becomes a tile."""
    return loaded(value) if hasattr(value, "shape") else value


def named(name):
    """An operator of nl."""
    return None if name == None else getattr(nl, name)  # noqa: E711


def on(engine):
    """An engine."""
    return getattr(nisa.engine, engine)


def command(name):
    """A reduce command."""
    return getattr(nisa.reduce_cmd, name)


# ---------------------------------------------------------------- moving


@nki.jit
def dma_copied(x, dtypes):
    """From HBM to SBUF, within SBUF and back, of another dtype each time."""
    tile = loaded(x)
    for dtype in dtypes:
        before, tile = tile, nl.ndarray(tile.shape, dtype)
        nisa.dma_copy(dst=tile, src=before)
    return saved(tile)


@nki.jit
def viewed(x, views, chip):
    """What a chain of views reads, from SBUF or from HBM."""
    seen = loaded(x) if chip else x
    for method, args in views:
        seen = getattr(seen, method)(*args)
    return saved(seen)


@nki.jit
def written_by_view(base, x, views):
    """What is there after a write through a chain of views."""
    tile, values = loaded(base), loaded(x)
    seen = tile
    for method, args in views:
        seen = getattr(seen, method)(*args)
    nisa.tensor_copy(dst=seen, src=values)
    return saved(tile)


@nki.jit
def indexed(x, which):
    """Indices as the language guide writes them."""
    tile = loaded(x)
    if which == "start":
        return saved(tile[:, 2:])
    if which == "step":
        return saved(tile[:, 1:9:3])
    if which == "ds":
        return saved(tile[nl.ds(1, 2), nl.ds(3, 4)])
    if which == "integer":
        return saved(tile[2])
    if which == "both":
        return saved(tile[1, 3])
    if which == "ellipsis":
        return saved(tile[..., 0])
    if which == "negative":
        return saved(tile[:, -3:-1])
    return saved(x[2, 0:4])


@nki.jit
def dma_transposed(x):
    """The dimensions in the order that has one name for each rank."""
    axes = {"2": (1, 0), "3": (2, 1, 0), "4": (3, 1, 2, 0)}[f"{x.ndim}"]
    shape = ()
    for axis in axes:
        shape = (*shape, x.shape[axis])
    tile = nl.ndarray(shape, x.dtype)
    nisa.dma_transpose(dst=tile, src=x, axes=axes)
    return saved(tile)


@nki.jit
def tensor_copied(x, dtype, engine, psum):
    tile = loaded(x, psum=psum)
    made = nl.ndarray(x.shape, dtype)
    nisa.tensor_copy(dst=made, src=tile, engine=on(engine))
    return saved(made)


@nki.jit
def moved_over_partitions(x, start):
    """Rows 0 to n copied to rows `start` to start + n, where engines may start."""
    tile = nl.zeros((128, x.shape[1]), x.dtype)
    nisa.tensor_copy(dst=tile[start : start + x.shape[0], :], src=loaded(x))
    return saved(tile)


@nki.jit
def filled(shape, value, dtype, engine):
    tile = nl.ndarray(shape, dtype)
    nisa.memset(dst=tile, value=value, engine=on(engine))
    return saved(tile)


@nki.jit
def shuffled(before, x, mask):
    tile = loaded(before)
    nisa.nc_stream_shuffle(dst=tile, src=loaded(x), shuffle_mask=mask)
    return saved(tile)


# ---------------------------------------------------------------- element by element


@nki.jit
def two_tiles(x, y, op, dtype, engine, psum):
    made = nl.ndarray(x.shape, dtype)
    a, b = loaded(x, psum=psum == 1), loaded(y, psum=psum == 2)
    nisa.tensor_tensor(dst=made, data1=a, data2=b, op=named(op), engine=on(engine))
    return saved(made)


@nki.jit
def scaled(x, op0, operand0, reverse0, op1, operand1, reverse1, dtype, engine):
    made = nl.ndarray(x.shape, dtype)
    nisa.tensor_scalar(
        dst=made, data=loaded(x), op0=named(op0), operand0=operand(operand0), reverse0=reverse0, op1=named(op1),
        operand1=operand(operand1), reverse1=reverse1, engine=on(engine),
    )  # fmt: skip
    return saved(made)


@nki.jit
def scaled_and_two_tiles(x, y, op0, operand0, reverse0, op1, reverse1, dtype):
    made = nl.ndarray(x.shape, dtype)
    nisa.scalar_tensor_tensor(
        dst=made, data=loaded(x), op0=named(op0), operand0=operand(operand0), op1=named(op1), operand1=loaded(y),
        reverse0=reverse0, reverse1=reverse1,
    )  # fmt: skip
    return saved(made)


@nki.jit
def inverted(x, dtype):
    made = nl.ndarray(x.shape, dtype)
    nisa.reciprocal(dst=made, data=loaded(x))
    return saved(made)


@nki.jit
def scanned(x, y, initial, op0, op1, reverse0, reverse1, dtype):
    made = nl.ndarray(x.shape, dtype)
    nisa.tensor_tensor_scan(
        dst=made, data0=loaded(x), data1=loaded(y), initial=operand(initial), op0=named(op0), op1=named(op1),
        reverse0=reverse0, reverse1=reverse1,
    )  # fmt: skip
    return saved(made)


@nki.jit
def activated(x, op, bias, scale, dtype):
    made = nl.ndarray(x.shape, dtype)
    nisa.activation(dst=made, op=named(op), data=loaded(x), bias=operand(bias), scale=operand(scale))
    return saved(made)


@nki.jit
def called(x, y, op, dtype):
    """An operator of nl called as a function."""
    return saved(named(op)(loaded(x), dtype=dtype) if y == None else named(op)(loaded(x), operand(y), dtype=dtype))  # noqa: E711
