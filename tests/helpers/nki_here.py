"""The interpreter under the name nki; a skip where AWS's own package is, which it never shadows."""

from __future__ import annotations

import pytest

from oneblock.compilers import nki as _nki


def load() -> None:
    """Make `import nki` mean the interpreter, or skip and say why not."""
    try:
        _nki.install()
    except _nki.RealNkiHere as error:
        pytest.skip(str(error), allow_module_level=True)
