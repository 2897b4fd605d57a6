"""Small kernels whose cycles, bytes and time are computed by hand in test_nki_runs.py."""

import nki
import nki.isa as nisa
import nki.language as nl


def loaded(x):
    made = nl.ndarray(x.shape, x.dtype)
    nisa.dma_copy(dst=made, src=x)
    return made


def saved(made):
    out = nl.ndarray(made.shape, made.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=made)
    return out


@nki.jit
def chain(x, op):
    """Four instructions, of which each waits for the one before."""
    tile = loaded(x)
    twice, made = nl.ndarray(x.shape, x.dtype), nl.ndarray(x.shape, x.dtype)
    nisa.tensor_scalar(dst=twice, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.activation(dst=made, op=getattr(nl, op), data=twice)
    return saved(made)


@nki.jit
def calls_another(x):
    return chain(x, "tanh")


@nki.jit
def in_place(x):
    """One tile, read and overwritten by three engines, and once more while it is on its way to HBM."""
    tile = loaded(x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.activation(dst=tile, op=nl.tanh, data=tile)
    nisa.tensor_copy(dst=tile, src=tile, engine=nisa.engine.gpsimd)
    nisa.memset(dst=tile[:, :10], value=0)
    out = saved(tile)
    nisa.memset(dst=tile, value=0)
    return out, saved(tile)


@nki.jit
def two_engines(x):
    """Each has half of the partitions of the same tiles."""
    tile, made = loaded(x), nl.ndarray(x.shape, x.dtype)
    nisa.tensor_scalar(dst=made[:64, :], data=tile[:64, :], op0=nl.multiply, operand0=2.0)
    nisa.activation(dst=made[64:, :], op=nl.tanh, data=tile[64:, :])
    return saved(made)


@nki.jit
def one_instruction(x, which):
    tile, made, total = loaded(x), nl.ndarray(x.shape, x.dtype), nl.ndarray((x.shape[0], 1), nl.float32)
    if which == "tensor_scalar":
        nisa.tensor_scalar(dst=made, data=tile, op0=nl.multiply, operand0=2.0)
    elif which == "tensor_tensor":
        nisa.tensor_tensor(dst=made, data1=tile, data2=tile, op=nl.add)
    elif which == "reciprocal":
        nisa.reciprocal(dst=made, data=tile)
    elif which == "rsqrt":
        nisa.tensor_scalar(dst=made, data=tile, op0=nl.rsqrt, operand0=0.0)
    elif which == "activation":
        nisa.activation(dst=made, op=nl.exp, data=tile)
    elif which == "strided":
        nisa.tensor_copy(dst=made[:, : x.shape[1] // 8], src=tile[:, ::8])
        return saved(tile)
    else:
        nisa.activation_reduce(dst=made, op=nl.exp, data=tile, reduce_op=nl.add, reduce_res=total)
    return saved(made)


@nki.jit
def one_product(x, y):
    acc, made = nl.ndarray((x.shape[1], y.shape[1]), nl.float32, buffer=nl.psum), None
    nisa.nc_matmul(dst=acc, stationary=loaded(x), moving=loaded(y))
    made = nl.ndarray(acc.shape, nl.float32)
    nisa.tensor_copy(dst=made, src=acc)
    return saved(made)


@nki.jit
def converted(x):
    made = nl.ndarray(x.shape, nl.bfloat16)
    nisa.dma_copy(dst=made, src=x)
    out = nl.ndarray((x.shape[0], x.shape[1] // 2), nl.bfloat16, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=out, src=made[:, ::2])
    return out


@nki.jit
def three_phases(x):
    """`kept` lives throughout; `a` and `b` beside it, with them `c`; then `d` alone; PSUM has 1 + 2 banks, then 1."""
    kept = loaded(x)
    nl.ndarray((4, 40000), nl.float32)  # never used, which takes no room
    a, b, c = nl.ndarray((4, 100), nl.float32), nl.ndarray((4, 100), nl.float32), nl.ndarray((4, 100), nl.bfloat16)
    p, q = nl.ndarray((4, 10), nl.float32, buffer=nl.psum), nl.ndarray((4, 600), nl.float32, buffer=nl.psum)
    nisa.memset(dst=a, value=0)
    nisa.memset(dst=b, value=0)
    nisa.tensor_tensor(dst=c, data1=a, data2=b, op=nl.add)
    nisa.memset(dst=p, value=0)
    nisa.memset(dst=q, value=0)
    nisa.tensor_copy(dst=q[:, :10], src=p)
    d, r = nl.ndarray((4, 150), nl.float32), nl.ndarray((4, 512), nl.float32, buffer=nl.psum)
    nisa.memset(dst=d, value=0)
    nisa.memset(dst=r, value=0)
    return saved(kept)


@nki.jit
def halves(x):
    """A tile for each load, used up before the next but one."""
    outs = []
    for _i in range(3):
        tile = loaded(x)
        nisa.tensor_copy(dst=tile, src=tile)
        outs.append(saved(tile[:, :1]))
    return outs[0], outs[1], outs[2]


@nki.jit
def generation_asked(x):
    made = nl.ndarray(x.shape, nl.float32)
    nisa.memset(dst=made, value=nl.tile_size.gemm_moving_fmax)
    return saved(made)


@nki.jit
def double_row(x):
    acc, tile = nl.ndarray((8, 8), nl.float32, buffer=nl.psum), loaded(x)
    nisa.nc_matmul(dst=acc, stationary=tile, moving=tile, perf_mode=nisa.matmul_perf_mode.double_row)


@nki.jit
def gathered(x):
    return saved(loaded(x.ap(((8, 8), (1, 8)), vector_offset=loaded(x))))


@nki.jit
def placed(x):
    nl.ndarray((8, 8), nl.float32, address=(0, 0))
