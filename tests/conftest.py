"""One fixture, `backend`, over the directory; skipping is decided by `probe` and forbidden by ONEBLOCK_REQUIRE."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

import pytest

from oneblock import backends
from oneblock.backends.api.backend import Backend, Unavailable, Unsupported
from oneblock.backends.api.target import Target

REQUIRED = {name for name in os.environ.get("ONEBLOCK_REQUIRE", "").split(",") if name}
TARGET = Target.parse(os.environ.get("ONEBLOCK_TARGET", "cpu"))


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("ONEBLOCK_DISTURBANCE", "ignore")  # tests share their machine; those of disturbance do not
    unknown = REQUIRED - set(backends.names())
    if unknown:
        raise pytest.UsageError(f"ONEBLOCK_REQUIRE names no backend: {sorted(unknown)} (there are {backends.names()})")


@pytest.fixture(params=backends.names())
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend of the directory on ONEBLOCK_TARGET (the CPU); absent ones skip and say why, required ones fail."""
    try:
        loaded = backends.load(request.param)
        if TARGET.platform not in loaded.platforms:
            raise Unsupported(f"{request.param} has no target {TARGET}")
        loaded.probe(TARGET)
    except (Unavailable, Unsupported) as error:
        sentence = f"{request.param}: {error}; {getattr(error, 'hint', '')}"
        if request.param in REQUIRED:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence)
    return loaded


@pytest.fixture
def authority() -> ModuleType:
    """transformers, an independent statement of the models; the torch_eager session has it, and requires it."""
    try:
        import torch  # noqa: F401

        return importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        sentence = f'{error.name} is not installed; `nox -s "backend(torch_eager)"` installs it'
        if "torch_eager" in REQUIRED:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence)
