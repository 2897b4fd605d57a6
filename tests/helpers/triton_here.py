"""Triton's backends where they are installed; a skip elsewhere, which ONEBLOCK_REQUIRE forbids."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from oneblock import backends
from oneblock.backends.api.backend import Backend, Unavailable
from tests.conftest import REQUIRED


def load(name: str = "triton_kernels") -> Backend:
    """That backend, or a skip that says why not."""
    try:
        loaded = backends.load(name)
        loaded.compilations()  # which imports its toolchain
    except Unavailable as error:
        sentence = f"{name}: {error}; {error.hint}"
        if name in REQUIRED:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence, allow_module_level=True)
    return loaded


@contextmanager
def cache_of_this_run(factory: pytest.TempPathFactory) -> Iterator[None]:
    """Triton's cache in a folder of this run: what is built in it is built in it, by the first module that asks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_CACHE_DIR", str(factory.getbasetemp() / "triton"))
        yield


def altered(module: ModuleType, folder: Path, changes: Sequence[tuple[str, str]]) -> Any:
    """The module with pieces of its source exchanged. Triton reads a kernel's source from its file: so there is one."""
    assert module.__file__ is not None
    source = Path(module.__file__).read_text()
    for old, new in changes:
        assert old in source, f"{module.__name__} no longer says {old!r}: this test changes nothing"
        source = source.replace(old, new)
    path = folder / f"altered_{module.__name__.rpartition('.')[2]}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
