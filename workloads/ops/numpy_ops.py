"""The operations over NumPy: the definition of a workload, in float64 and in the cell's own dtype."""

from __future__ import annotations

import numpy as np

from oneblock.workloads.ops.definitions import Array, Ops


class NumpyOps(Ops):
    """Plain operations over NumPy, in float64, float32 or a 16-bit dtype.

    NumPy multiplies 16-bit matrices with scalar loops. Here their product is taken by BLAS in float32 and rounded once:
    the arithmetic of every matrix unit that has 16-bit inputs.
    """

    def __init__(self) -> None:
        super().__init__(np)

    def wide(self, x: Array) -> Array:
        """x in float32; float64 stays."""
        return x if x.dtype == np.float64 else x.astype(np.float32, copy=False)

    def matmul(self, a: Array, b: Array) -> Array:
        """a (..., M, I), b (..., I, O) -> (..., M, O): accumulated in float32, rounded once to the dtype of `a`."""
        return self.narrow(self.wide(a) @ self.wide(b), a)

    def erf(self, x: Array) -> Array:
        """x (...) -> (...); SciPy's, as NumPy has none."""
        from scipy.special import erf

        return erf(x)

    def swiglu(self, gate: Array, up: Array) -> Array:
        """As defined; exp overflows to infinity for very negative gates, where the quotient is rightly zero."""
        with np.errstate(over="ignore"):
            return super().swiglu(gate, up)
