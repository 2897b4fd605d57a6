"""Routing: logits (M, E) -> of each row's softmax the k largest, zero elsewhere; rows on partitions, in float32.

FLOPs: about (5 + 9*k)*M*E. Bytes: logits and the answer once.
"""

import nki
import nki.isa as nisa
import nki.language as nl

from oneblock.backends.kernels.nki.softmax import exponentials, share
from oneblock.backends.kernels.nki.tiles import loaded


@nki.jit
def route(logits, k, renormalised):
    """Of equal ones the first counts as larger; renormalised, if not 0: divided by their sum."""
    M, E = logits.shape
    out = nl.ndarray((M, E), dtype=logits.dtype, buffer=nl.shared_hbm)
    P = nl.tile_size.pmax
    for top in range(0, M, P):
        weights, total = exponentials(loaded(logits[top : min(M, top + P), :]), nl.float32)
        share(weights, weights, total)
        taken = _largest(weights, k)
        answer = nl.ndarray(weights.shape, dtype=logits.dtype, buffer=nl.sbuf)
        if renormalised:
            nisa.tensor_reduce(dst=total, op=nl.add, data=taken, axis=1)
            share(answer, taken, total)
        else:
            nisa.tensor_copy(dst=answer, src=taken)
        nisa.dma_copy(dst=out[top : top + answer.shape[0], :], src=answer)
    return out


def _largest(weights, k):
    """The k largest of each row of weights [P, E], and zeros; k times the largest of what is left is taken."""
    rows, E = weights.shape
    number = nl.ndarray((rows, E), dtype=nl.float32, buffer=nl.sbuf)
    nisa.iota(dst=number, pattern=[[1, E]])
    left = nl.ndarray((rows, E), dtype=nl.float32, buffer=nl.sbuf)
    taken = nl.ndarray((rows, E), dtype=nl.float32, buffer=nl.sbuf)
    nisa.tensor_copy(dst=left, src=weights)
    nisa.memset(dst=taken, value=0.0)
    for _ in range(k):
        part = nl.ndarray((rows, E), dtype=nl.float32, buffer=nl.sbuf)
        first = nl.ndarray((rows, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=first, op=nl.maximum, data=left, axis=1)
        # The number of each that is as large as the largest, and E more of the others: the least is the first of them.
        nisa.tensor_scalar(dst=part, data=left, op0=nl.less, operand0=first, op1=nl.multiply, operand1=float(E))
        nisa.tensor_tensor(dst=part, data1=part, data2=number, op=nl.add)
        nisa.tensor_reduce(dst=first, op=nl.minimum, data=part, axis=1)
        nisa.scalar_tensor_tensor(
            dst=part, data=number, op0=nl.equal, operand0=first, op1=nl.multiply, operand1=weights
        )
        nisa.tensor_tensor(dst=taken, data1=taken, data2=part, op=nl.add)
        nisa.tensor_scalar(dst=part, data=number, op0=nl.equal, operand0=first, op1=nl.multiply, operand1=-2.0)
        nisa.tensor_tensor(dst=left, data1=left, data2=part, op=nl.add)  # below every other
    return taken
