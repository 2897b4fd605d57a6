"""Making `import nki` mean this interpreter, where AWS's own package is not installed."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from oneblock.compilers.neuron import pins as _neuron_pins
from oneblock.compilers.nki import isa, kernel, language
from oneblock.compilers.nki.rules import NotInterpreted

VERSION = "0.6.0+oneblock.interpreter"


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
        "language": language,
    }  # fmt: skip
    vars(package).update(found)
    sys.modules |= {"nki": package, "nki.isa": isa, "nki.language": language}
    print(f"nki: {package.__doc__} Kernels are interpreted.", file=sys.stderr)


def _absent(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotInterpreted(f"nki.{name}: this is oneblock's interpreter, which has jit, isa and language")
