"""Making `import nki` mean this interpreter, where AWS's own package is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from oneblock.compilers.neuron import pins as _neuron_pins
from oneblock.compilers.nki import isa, kernel, language
from oneblock.compilers.nki.rules import SUCCESSORS, NotInterpreted

VERSION = "0.6.0+oneblock.interpreter"
_MOVED = (
    "neuronxcc.nki is the old namespace of NKI, which AWS's compiler refuses since Neuron SDK 2.30; its successor is "
    "nki: import nki, nki.language, nki.isa, whose instructions write to dst= and give nothing back"
)


class RealNkiHere(Exception):
    """AWS's own package is installed, and is never shadowed."""


def install() -> None:
    """Put the interpreter's modules under the names nki, nki.isa and nki.language, and say so on stderr; once."""
    if getattr(sys.modules.get("nki"), "__version__", None) == VERSION:
        return
    if _neuron_pins.real("nki"):
        raise RealNkiHere("AWS's nki is installed: kernels run by its simulator or compiler, and are not interpreted")
    package = ModuleType("nki", "oneblock's interpreter of a subset of NKI 0.6 over NumPy; not AWS's nki.")
    found: dict[str, Any] = {
        "__version__": VERSION, "__path__": [], "__getattr__": _absent, "jit": kernel.jit, "isa": isa,
        "language": language, "simulate": kernel.simulate, "simulate_kernel": _simulate_kernel,
    }  # fmt: skip
    vars(package).update(found)
    sys.modules |= {"nki": package, "nki.isa": isa, "nki.language": language}
    print(f"nki: {package.__doc__} Kernels are interpreted.", file=sys.stderr)


def _simulate_kernel(called: kernel.Kernel, *args: Any, **kwargs: Any) -> Any:
    """As older NKI had it."""
    print("nki: nki.simulate_kernel is of an older NKI; today it is nki.simulate(kernel)(...)", file=sys.stderr)
    return kernel.simulate(called)(*args, **kwargs)


def _absent(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    had = "this is oneblock's interpreter, which has jit, simulate, isa and language"
    raise NotInterpreted(f"nki.{name}: {SUCCESSORS.get(name, had)}")


class _OldNamespace:
    """Finds nothing, and says what the old name is called today; asked for what nobody else has found."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """None for all other names."""
        if name.partition(".")[0] == "neuronxcc":
            raise ModuleNotFoundError(_MOVED, name=name)


@contextmanager
def old_namespace_named() -> Iterator[None]:
    """Within it an import of `neuronxcc.nki` names its successor, where the old one is not installed."""
    finder: Any = _OldNamespace()
    sys.meta_path.append(finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
