"""Kernels in each of which one instruction breaks a rule, in the line marked `# wrong`; see nki_wrong_kernels.py."""

import nki
import nki.isa as nisa
import nki.language as nl

from tests.helpers.nki_wrong_kernels import done, filled, tile

# ---------------------------------------------------------------- TensorE


@nki.jit
def moving_free(n):
    acc = nl.ndarray((8, n), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((16, n)))  # wrong
    return done(acc)


@nki.jit
def stationary_free(m):
    acc = nl.ndarray((min(m, 128), 4), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, m)), moving=tile((16, 4)))  # wrong
    return done(acc)


@nki.jit
def contraction(k):
    acc = nl.ndarray((8, 4), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((k, 4)))  # wrong
    return done(acc)


@nki.jit
def shape_of_product(n):
    acc = nl.ndarray((8, n), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((16, 4)))  # wrong
    return done(acc)


@nki.jit
def over_a_bank(start):
    acc = nl.ndarray((8, 1024), nl.float32, buffer=nl.psum)[:, start : start + 512]
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((16, 512)))  # wrong
    return done(acc)


@nki.jit
def buffers_of_a_product(stationary, moving, dst):
    x, y, hbm = tile((16, 8), psum=stationary == "psum"), tile((16, 4), psum=moving == "psum"), done()
    acc = nl.ndarray((8, 4), nl.float32, buffer=nl.psum if dst == "psum" else nl.sbuf)
    nisa.nc_matmul(dst=acc, stationary=hbm if stationary == "shared_hbm" else x, moving=y)  # wrong
    return done(acc)


@nki.jit
def dtypes_of_a_product(x, y, dst):
    acc = nl.ndarray((8, 4), dst, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8), x), moving=tile((16, 4), y))  # wrong
    return done(acc)


@nki.jit
def accumulated_on_nothing(accumulate):
    acc = nl.ndarray((8, 4), nl.float32, buffer=nl.psum)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((16, 4)), accumulate=accumulate)  # wrong
    return done(acc)


@nki.jit
def accumulated_on_memset(accumulate):
    acc = tile((8, 4), psum=True)
    nisa.nc_matmul(dst=acc, stationary=tile((16, 8)), moving=tile((16, 4)), accumulate=accumulate)  # wrong
    return done(acc)


@nki.jit
def accumulated_in_part(columns):
    acc, x, y = nl.ndarray((8, 4), nl.float32, buffer=nl.psum), tile((16, 8)), tile((16, 4))
    nisa.nc_matmul(dst=acc[:, :columns], stationary=x, moving=y[:, :columns])
    nisa.nc_matmul(dst=acc, stationary=x, moving=y, accumulate=True)  # wrong
    return done(acc)


@nki.jit
def transposed(free, engine, psum):
    made = nl.ndarray((min(free, 128), 16), nl.float32, buffer=nl.psum if psum else nl.sbuf)
    nisa.nc_transpose(dst=made, data=tile((16, free)), engine=getattr(nisa.engine, engine))  # wrong
    return done(made)


@nki.jit
def transposed_in_another_dtype(dtype):
    made = nl.ndarray((8, 16), dtype, buffer=nl.psum)
    nisa.nc_transpose(dst=made, data=tile((16, 8)))  # wrong
    return done(made)


@nki.jit
def transposed_by_products(value):
    made = nl.ndarray((4, 2), nl.float32, buffer=nl.psum)
    nisa.nc_transpose(dst=made, data=filled(value), engine=nisa.engine.tensor)  # wrong
    return done(made)


# ---------------------------------------------------------------- where operands lie


@nki.jit
def both_in_psum(first, second):
    made, x, y = nl.ndarray((8, 4), nl.float32), tile((8, 4), psum=first), tile((8, 4), psum=second)
    nisa.tensor_tensor(dst=made, data1=x, data2=y, op=nl.add)  # wrong
    return done(made)


@nki.jit
def both_in_psum_with_a_scalar(first, second):
    made, x, y = nl.ndarray((8, 4), nl.float32), tile((8, 4), psum=first), tile((8, 4), psum=second)
    nisa.scalar_tensor_tensor(dst=made, data=x, op0=nl.add, operand0=1.0, op1=nl.add, operand1=y)  # wrong
    return done(made)


@nki.jit
def both_in_psum_of_a_scan(first, second):
    made, x, y = nl.ndarray((8, 4), nl.float32), tile((8, 4), psum=first), tile((8, 4), psum=second)
    nisa.tensor_tensor_scan(dst=made, data0=x, data1=y, initial=0.0, op0=nl.add, op1=nl.add)  # wrong
    return done(made)


@nki.jit
def both_in_psum_of_a_choice(first, second):
    made, x, y = tile((8, 4)), tile((8, 4), psum=first), tile((8, 4), "uint8", psum=second)
    nisa.tensor_copy_predicated(dst=made, src=x, predicate=y)  # wrong
    return done(made)


@nki.jit
def gpsimd_at_psum(psum):
    made = tile((8, 4), psum=psum)
    nisa.tensor_copy(dst=nl.ndarray((8, 4), nl.float32), src=made, engine=nisa.engine.gpsimd)  # wrong
    return done(made)


@nki.jit
def power_at_psum(psum):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.tensor_tensor(dst=made, data1=tile((8, 4), psum=psum), data2=tile((8, 4)), op=nl.power)  # wrong
    return done(made)


@nki.jit
def affine_select_at_psum(psum):
    x, made = tile((8, 4), psum=psum), nl.ndarray((8, 4), nl.float32)
    nisa.affine_select(made, [[1, 4]], 1, x, 0.0, nl.less)  # wrong
    return done(made)


@nki.jit
def dma_from_psum(psum):
    x, made = tile((8, 4), psum=psum), nl.ndarray((8, 4), nl.float32)
    nisa.dma_copy(dst=made, src=x)  # wrong
    return done(made)


@nki.jit
def dma_of_fewer(n):
    made = nl.ndarray((8, n), nl.float32)
    nisa.dma_copy(dst=made, src=tile((8, 4)))  # wrong
    return done(made)


@nki.jit
def compute_in_hbm(hbm):
    x, made = done() if hbm else tile((1, 1)), nl.ndarray((1, 1), nl.float32)
    nisa.reciprocal(dst=made, data=x)  # wrong
    return done(made)


# ---------------------------------------------------------------- engines, dtypes, operators


@nki.jit
def copy_by_scalar():
    made = nl.ndarray((8, 4), nl.float32)
    nisa.tensor_copy(dst=made, src=tile((8, 4)), engine=nisa.engine.scalar)  # wrong
    return done(made)


@nki.jit
def pair_of_scalar(op):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.tensor_scalar(made, tile((8, 4)), getattr(nl, op), 1.0, engine=nisa.engine.scalar)  # wrong
    return done(made)


@nki.jit
def operand_dtype(dtype):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.tensor_scalar(dst=made, data=tile((8, 4)), op0=nl.add, operand0=tile((8, 1), dtype))  # wrong
    return done(made)


@nki.jit
def scale_dtype(dtype):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.activation(dst=made, op=nl.exp, data=tile((8, 4)), scale=tile((8, 1), dtype))  # wrong
    return done(made)


@nki.jit
def bias_number():
    made = nl.ndarray((8, 4), nl.float32)
    nisa.activation(dst=made, op=nl.exp, data=tile((8, 4)), bias=1.5)  # wrong
    return done(made)


@nki.jit
def predicate_dtype(dtype):
    made = tile((8, 4))
    nisa.tensor_copy_predicated(dst=made, src=tile((8, 4)), predicate=tile((8, 4), dtype))  # wrong
    return done(made)


@nki.jit
def outside_of_valid(op, value):
    made = nl.ndarray((2, 4), nl.float32)
    nisa.activation(dst=made, op=getattr(nl, op), data=filled(value))  # wrong
    return done(made)


@nki.jit
def scalar_registers(command):
    made, total = nl.ndarray((8, 4), nl.float32), nl.ndarray((8, 1), nl.float32)
    command = getattr(nisa.reduce_cmd, command)
    nisa.activation(made, nl.exp, tile((8, 4)), reduce_op=nl.add, reduce_res=total, reduce_cmd=command)  # wrong
    return done(made, total)


@nki.jit
def vector_registers(command):
    made, total = nl.ndarray((8, 4), nl.float32), nl.ndarray((8, 1), nl.float32)
    command = getattr(nisa.reduce_cmd, command)
    nisa.tensor_scalar_reduce(made, tile((8, 4)), nl.add, 1.0, nl.add, total, reduce_cmd=command)  # wrong
    return done(made, total)


@nki.jit
def registers_after_idle(command):
    made, total, where = nl.ndarray((8, 4), nl.float32), nl.ndarray((8, 1), nl.float32), tile((8, 4), "uint8")
    nisa.tensor_scalar_reduce(made, tile((8, 4)), nl.add, 1.0, nl.maximum)
    nisa.select_reduce(made, where, tile((8, 4)), 0.0)
    nisa.select_reduce(made, where, tile((8, 4)), 0.0, total, getattr(nisa.reduce_cmd, command))  # wrong
    return done(made, total)


@nki.jit
def bn_stats_free(n):
    made = nl.ndarray((8, 6), nl.float32)
    nisa.bn_stats(dst=made, data=tile((8, n)))  # wrong
    return done(made)


@nki.jit
def bn_aggr_of_threes(n):
    made = nl.ndarray((8, 2), nl.float32)
    nisa.bn_aggr(dst=made, data=tile((8, n)))  # wrong
    return done(made)


@nki.jit
def axis_of_partitions(axis):
    made = nl.ndarray((8, 1), nl.float32)
    nisa.tensor_reduce(dst=made, op=nl.add, data=tile((8, 4, 2)), axis=axis)  # wrong
    return done(made)


@nki.jit
def no_reduction(op):
    made = nl.ndarray((8, 1), nl.float32)
    nisa.tensor_reduce(dst=made, op=getattr(nl, op), data=tile((8, 4)), axis=1)  # wrong
    return done(made)


@nki.jit
def mask_of_32(mask):
    made = tile((32, 4))
    nisa.nc_stream_shuffle(dst=made, src=tile((32, 4)), shuffle_mask=mask)  # wrong
    return done(made)


@nki.jit
def pattern_of_as_many(n):
    made = nl.ndarray((8, 4), nl.int32)
    nisa.iota(dst=made, pattern=[[1, n]])  # wrong
    return done(made)


@nki.jit
def range_select_early():
    made, bound = nl.ndarray((8, 4), nl.float32), tile((8, 1))
    nisa.range_select(made, tile((8, 4)), nl.less, nl.less, bound, bound)  # wrong
    return done(made)


@nki.jit
def elements_alike(n):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.tensor_tensor(dst=made, data1=tile((8, 4)), data2=tile((8, n)), op=nl.add)  # wrong
    return done(made)


@nki.jit
def hardware_descriptors():
    made = nl.ndarray((8, 4), nl.float32)
    nisa.dma_copy(dst=made, src=tile((8, 4)), dge_mode=nisa.dge_mode.hwdge)  # wrong
    return done(made)


@nki.jit
def priority_of_dma(priority):
    made = nl.ndarray((8, 4), nl.float32)
    nisa.dma_copy(dst=made, src=tile((8, 4)), priority=priority)  # wrong
    return done(made)
