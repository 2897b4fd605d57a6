"""Kernels that break one rule each, in the line marked `# wrong`; what they are given can make some of them right."""
# ruff: noqa: B007, E711, E731, F841

import nki
import nki.isa as nisa
import nki.language as nl


def tile(shape, dtype="float32", psum=False):
    """A tile of ones."""
    made = nl.ndarray(shape, dtype, buffer=nl.psum if psum else nl.sbuf)
    nisa.memset(dst=made, value=1)
    return made


def done(one=None, other=None):
    """A written output; the tiles are read before it."""
    if one != None:
        nisa.tensor_copy(dst=nl.ndarray(one.shape, one.dtype), src=one)
    if other != None:
        nisa.tensor_copy(dst=nl.ndarray(other.shape, other.dtype), src=other)
    out = nl.ndarray((1, 1), nl.float32, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=tile((1, 1)))
    return out


def filled(value):
    made = nl.ndarray((2, 4), nl.float32)
    nisa.memset(dst=made, value=value)
    return made


# ---------------------------------------------------------------- memory


@nki.jit
def partitions(n):
    made = nl.ndarray((n, 8), nl.float32)  # wrong
    return done()


@nki.jit
def one_dimension(shape):
    made = nl.ndarray(shape, nl.float32)  # wrong
    return done()


@nki.jit
def sbuf_bytes(n):
    made = nl.ndarray((1, n), nl.int8)  # wrong
    return done()


@nki.jit
def psum_bytes(n):
    made = nl.ndarray((1, n), nl.float32, buffer=nl.psum)  # wrong
    return done()


@nki.jit
def psum_banks_alive(alive):
    """As many tiles as `alive` live at once, and 20 one after the other."""
    tiles = []
    for i in range(alive):
        tiles.append(nl.ndarray((8, 16), nl.float32, buffer=nl.psum))  # wrong
        nisa.memset(dst=tiles[i], value=0)
    for one in tiles:
        done(one)
    for i in range(20):
        done(tile((8, 16), psum=True))
    return done()


@nki.jit
def sbuf_alive(alive, n):
    tiles = []
    for i in range(alive):
        tiles.append(nl.ndarray((8, n), nl.int8))  # wrong
        nisa.memset(dst=tiles[i], value=0)
    for i in range(alive):
        nisa.tensor_copy(dst=tiles[i][:, :1], src=tiles[0][:, 1:2])
    for i in range(20):
        again = tile((8, n), "int8")
    return done()


@nki.jit
def buffer_is_no_string(buffer):
    made = nl.ndarray((8, 8), nl.float32, buffer=buffer if buffer else nl.sbuf)  # wrong
    return done()


@nki.jit
def dtype_is_known(dtype):
    made = nl.ndarray((8, 8), dtype)  # wrong
    return done()


@nki.jit
def read_before_written(columns):
    made = nl.ndarray((8, 8), nl.float32)
    nisa.memset(dst=made[:, :columns], value=0)
    nisa.tensor_copy(dst=tile((8, 8)), src=made)  # wrong
    return done()


@nki.jit
def copied_over_an_argument(x):
    nisa.dma_copy(dst=x, src=tile((2, 2)))  # wrong
    return done()


@nki.jit
def written_by_broadcast():
    made = nl.ndarray((8, 1), nl.float32)
    nisa.memset(dst=made.broadcast(1, 4), value=0)  # wrong
    return done()


@nki.jit
def assigned():
    made = tile((8, 8))
    made[:, 0] = 1  # wrong
    return done()


@nki.jit  # wrong
def output_unwritten(rows):
    out = nl.ndarray((8, 8), nl.float32, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out[:rows, :], src=tile((rows, 8)))
    return out


@nki.jit  # wrong
def output_private():
    out = nl.ndarray((8, 8), nl.float32, buffer=nl.hbm)
    nisa.dma_copy(dst=out, src=tile((8, 8)))
    return out


@nki.jit  # wrong
def output_number():
    done()
    return 3


# ---------------------------------------------------------------- views


@nki.jit
def slice_too_long(end):
    made = tile((8, 8))[:, 2:end]  # wrong
    return done(made)


@nki.jit
def slice_backwards(step):
    made = tile((8, 8))[:, ::step]  # wrong
    return done(made)


@nki.jit
def index_too_large(i):
    made = tile((8, 8))[:, i]  # wrong
    return done(made)


@nki.jit
def reshape_of_partitions(shape):
    made = tile((8, 8)).reshape(shape)  # wrong
    return done(made)


@nki.jit
def reshape_after_permute(dims):
    made = tile((8, 4, 2)).permute(dims).reshape((8, 8))  # wrong
    return done(made)


@nki.jit
def permute_of_partitions(dims):
    made = tile((8, 8, 2)).permute(dims)  # wrong
    return done(made)


@nki.jit
def broadcast_of_partitions(dim):
    made = tile((1, 1, 8)).broadcast(dim, 4)  # wrong
    return done(made)


@nki.jit
def five_free_dimensions(shape):
    nisa.memset(dst=nl.ndarray(shape, nl.float32), value=0)  # wrong
    return done()


@nki.jit
def pattern_over_partitions(stride):
    made = tile((16, 32)).ap(((stride, 8), (1, 32)))  # wrong
    return done(made)


@nki.jit
def pattern_out_of_its_row(n):
    made = tile((16, 32)).ap(((32, 8), (1, n)))  # wrong
    return done(made)


@nki.jit
def pattern_before_its_start(step):
    made = tile((16, 32)).ap(((32, 8), (step, 4)), 3)  # wrong
    return done(made)


@nki.jit
def start_partition(start, n):
    made = nl.ndarray((128, 8), nl.float32)
    nisa.memset(dst=made[start : start + n, :], value=0)  # wrong
    return done(made[start : start + n, :])


@nki.jit
def every_other_partition(step):
    made = nl.ndarray((64, 8), nl.float32)
    nisa.memset(dst=made[0:32:step, :], value=0)  # wrong
    return done()


# ---------------------------------------------------------------- the language


@nki.jit  # wrong
def list_given(stride):
    return done()


@nki.jit
def large_integer():
    return done(tile((8, 2147483648)))  # wrong


@nki.jit
def identity_of_objects(x):
    if x is None:  # wrong
        return done()
    return done()


@nki.jit
def keyword_only(x, *, flag=True):  # wrong
    return done()


@nki.jit
def rest_of_arguments(*tiles):  # wrong
    return done()


@nki.jit
def tries():
    try:  # wrong
        return done()
    except ValueError:
        return done()


@nki.jit
def has_lambda():
    make = lambda: done()  # wrong
    return make()


@nki.jit
def comprehends():
    tiles = [tile((8, 8)) for i in range(4)]  # wrong
    return done(tiles[0])


@nki.jit
def numbered():
    tiles = {0: tile((8, 8))}  # wrong
    return done()


@nki.jit
def value_of_an_instruction():
    made = nisa.memset(dst=tile((8, 8)), value=0)  # wrong
    return done()


def helper():
    return sum(i for i in range(3))  # wrong


@nki.jit
def of_a_helper():
    helper()
    return done()


@nki.jit
def wrong_keyword():
    nisa.memset(dst=tile((8, 8)), val=0)  # wrong
    return done()
