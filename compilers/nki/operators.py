"""What Python writes on arrays and a kernel may not on tensors: refused by the instruction that stands for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from oneblock.compilers.nki.rules import NotInterpreted, require

_BY_CALL = "nl.{0}(x, y), or nisa.tensor_tensor(dst=t, data1=x, data2=y, op=nl.{0})"


def _refused(sign: str, instead: str) -> Callable[[Any, Any], NoReturn]:
    def refuse(self: Any, other: Any) -> NoReturn:
        raise NotInterpreted(f"`{sign}` on tensors: {instead}")

    return refuse


class NotAnArray:
    """What a tensor is not."""

    __add__ = __radd__ = _refused("+", _BY_CALL.format("add"))
    __sub__ = __rsub__ = _refused("-", _BY_CALL.format("subtract"))
    __mul__ = __rmul__ = _refused("*", _BY_CALL.format("multiply"))
    __truediv__ = __rtruediv__ = _refused("/", "nl.multiply(x, nl.reciprocal(y))")
    __pow__ = __rpow__ = _refused("**", _BY_CALL.format("power"))
    __matmul__ = __rmatmul__ = _refused("@", "nisa.nc_matmul(dst=t, stationary=x, moving=y), which is x.T @ y")
    __lt__ = _refused("<", _BY_CALL.format("less"))
    __le__ = _refused("<=", _BY_CALL.format("less_equal"))
    __gt__ = _refused(">", _BY_CALL.format("greater"))
    __ge__ = _refused(">=", _BY_CALL.format("greater_equal"))

    def __setitem__(self, key: Any, value: Any) -> None:
        require(False, "tensors are written by instructions", "nisa.*(dst=t[...])", "t[...] = value")
