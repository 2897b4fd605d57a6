"""One small kernel for each instruction that reduces, chooses or multiplies; as in nki_kernels.py."""

import nki
import nki.isa as nisa
import nki.language as nl

from tests.helpers.nki_kernels import command, loaded, named, on, operand, saved

# ---------------------------------------------------------------- reducing


@nki.jit
def activated_in_turn(x, op, commands, parts):
    """One part of the columns with each command; the registers are read after each."""
    tile, made = loaded(x), nl.ndarray(x.shape, nl.float32)
    sums = nl.ndarray((x.shape[0], len(commands)), nl.float32)
    start = 0
    for i in range(len(commands)):
        part = slice(start, start + parts[i])
        nisa.activation(
            dst=made[:, part], op=named(op), data=tile[:, part], reduce_op=nl.add, reduce_res=sums[:, i : i + 1],
            reduce_cmd=command(commands[i]),
        )  # fmt: skip
        start += parts[i]
    return saved(made), saved(sums)


@nki.jit
def activated_and_summed(x, op, bias, scale, dtype):
    made, sums = nl.ndarray(x.shape, dtype), nl.ndarray((x.shape[0], 1), nl.float32, buffer=nl.psum)
    nisa.activation_reduce(
        dst=made, op=named(op), data=loaded(x), reduce_op=nl.add, reduce_res=sums, bias=operand(bias),
        scale=operand(scale),
    )  # fmt: skip
    return saved(made), saved(sums)


@nki.jit
def reduced(x, op, axis, negate, keepdims, shape, dtype):
    made = nl.ndarray(shape, dtype)
    nisa.tensor_reduce(dst=made, op=named(op), data=loaded(x), axis=axis, negate=negate, keepdims=keepdims)
    return saved(made)


@nki.jit
def scaled_and_reduced(x, op, operand0, reduce_op, initial, negate):
    """Two halves of the columns into the same registers, read after the second."""
    tile, made = loaded(x), nl.ndarray(x.shape, x.dtype)
    found, half, value = nl.ndarray((x.shape[0], 1), nl.float32), x.shape[1] // 2, operand(operand0)
    first = "reset_reduce" if initial == None else "load_reduce"  # noqa: E711
    nisa.tensor_scalar_reduce(
        dst=made[:, :half], data=tile[:, :half], op0=named(op), operand0=value, reduce_op=named(reduce_op),
        reduce_cmd=command(first), reduce_init=operand(initial),
    )  # fmt: skip
    nisa.tensor_scalar_reduce(
        dst=made[:, half:], data=tile[:, half:], op0=named(op), operand0=value, reduce_op=named(reduce_op),
        reduce_cmd=nisa.reduce_cmd.reduce, reduce_res=found, reduce_res_negate=negate,
    )  # fmt: skip
    return saved(made), saved(found)


@nki.jit
def reduced_over_partitions(x, op):
    made = nl.ndarray((1, *x.shape[1:]), nl.float32)
    nisa.tensor_partition_reduce(dst=made, op=named(op), data=loaded(x))
    return saved(made)


@nki.jit
def mean_and_variance(x):
    """Statistics of 512 columns at a time, then of all."""
    (P, F), tile = x.shape, loaded(x)
    parts = (F + 511) // 512
    stats, made = nl.ndarray((P, parts, 6), nl.float32), nl.ndarray((P, 2), nl.float32)
    for i in range(parts):
        nisa.bn_stats(dst=stats[:, i, :], data=tile[:, 512 * i : min(F, 512 * i + 512)])
    nisa.bn_aggr(dst=made, data=stats)
    return saved(stats), saved(made)


# ---------------------------------------------------------------- choosing


@nki.jit
def counted(shape, pattern, offset, multiplier, dtype):
    made = nl.ndarray(shape, dtype)
    nisa.iota(dst=made, pattern=pattern, offset=offset, channel_multiplier=multiplier)
    return saved(made)


@nki.jit
def chosen_by_position(x, pattern, offset, multiplier, otherwise, op, dtype):
    made = nl.ndarray(x.shape, dtype)
    nisa.affine_select(
        dst=made, pattern=pattern, channel_multiplier=multiplier, on_true_tile=loaded(x), on_false_value=otherwise,
        cmp_op=named(op), offset=offset,
    )  # fmt: skip
    return saved(made)


@nki.jit
def chosen_by_range(x, low, high, op0, op1, start, commands, dtype):
    """The same tile once for each command: registers are read after the last."""
    tile, found = loaded(x), nl.ndarray((x.shape[0], 1), nl.float32)
    bound0, bound1, made = loaded(low), loaded(high), nl.ndarray(x.shape, dtype)
    for i in range(len(commands)):
        nisa.range_select(
            dst=made, on_true_tile=tile, comp_op0=named(op0), comp_op1=named(op1), bound0=bound0, bound1=bound1,
            reduce_cmd=command(commands[i]), reduce_res=found if i == len(commands) - 1 else None,
            range_start=start + i,
        )  # fmt: skip
    return saved(made), saved(found)


@nki.jit
def copied_where(before, x, predicate, reverse):
    tile = loaded(before)
    nisa.tensor_copy_predicated(dst=tile, src=operand(x), predicate=loaded(predicate), reverse_pred=reverse)
    return saved(tile)


@nki.jit
def chosen_by_predicate(x, otherwise, predicate, reverse, dtype):
    """Alone, then with the maximum: of the rows, and of them and the rows the other way round."""
    tile, other, where = loaded(x), operand(otherwise), loaded(predicate)
    made, again = nl.ndarray(x.shape, dtype), nl.ndarray(x.shape, dtype)
    first, both = nl.ndarray((x.shape[0], 1), nl.float32), nl.ndarray((x.shape[0], 1), nl.float32)
    nisa.select_reduce(dst=made, predicate=where, on_true=tile, on_false=other, reverse_pred=reverse)
    nisa.select_reduce(
        dst=again, predicate=where, on_true=tile, on_false=other, reduce_res=first, reverse_pred=reverse,
        reduce_cmd=nisa.reduce_cmd.reset_reduce, reduce_op=nl.maximum,
    )  # fmt: skip
    nisa.select_reduce(
        dst=again, predicate=where, on_true=tile, on_false=other, reduce_res=both, reverse_pred=not reverse,
        reduce_cmd=nisa.reduce_cmd.reduce, reduce_op=nl.maximum,
    )  # fmt: skip
    return saved(made), saved(again), saved(first), saved(both)


# ---------------------------------------------------------------- products


@nki.jit
def product(x, y, accumulate, dtype):
    """x (K, M) and y (K, N) in tiles of 128 rows, summed in PSUM as `accumulate` says."""
    K = x.shape[0]
    acc = nl.ndarray((x.shape[1], y.shape[1]), dtype, buffer=nl.psum)
    for k in range(0, K, 128):
        a, b = loaded(x[k : min(K, k + 128), :]), loaded(y[k : min(K, k + 128), :])
        if accumulate == "explicit":
            nisa.nc_matmul(dst=acc, stationary=a, moving=b, accumulate=k > 0)
        elif accumulate == "never":
            nisa.nc_matmul(dst=acc, stationary=a, moving=b, accumulate=False)
        else:
            nisa.nc_matmul(dst=acc, stationary=a, moving=b)
    return saved(acc)


@nki.jit
def transposed(x, engine, psum):
    P = x.shape[0]
    made = nl.ndarray((x.size // P, P), x.dtype, buffer=nl.psum if psum else nl.sbuf)
    nisa.nc_transpose(dst=made, data=loaded(x), engine=on(engine))
    return saved(made)


@nki.jit
def identity(n, dtype):
    return saved(nl.shared_identity_matrix(n, dtype))


@nki.jit
def sums_of_halves(x):
    """Rows 0 to 31, then rows 32 to 63, each into the registers of its own lanes; then both are read."""
    tile, sums = loaded(x), nl.ndarray((x.shape[0], 1), x.dtype)
    made = nl.ndarray(x.shape, x.dtype)
    top, low = nl.ds(0, 32), nl.ds(32, 32)
    reset, more = nisa.reduce_cmd.reset_reduce, nisa.reduce_cmd.reduce
    nisa.activation(made[top, :], nl.copy, tile[top, :], reduce_op=nl.add, reduce_cmd=reset)
    nisa.activation(made[low, :], nl.copy, tile[low, :], reduce_op=nl.add, reduce_res=sums[low, :], reduce_cmd=more)
    nisa.activation(made[top, :], nl.copy, tile[top, :], reduce_res=sums[top, :])
    return saved(sums)
