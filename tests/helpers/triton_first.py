"""A recorder of Triton's launches that keeps what a compiler needs least time for; import it where Triton is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from oneblock.backends._triton import programs
from oneblock.backends._triton.runners import LaunchTracer
from oneblock.backends.kernels.triton.launch import KernelCall


class First(LaunchTracer):
    """Notes each launch down with the first of its configurations alone, which fits every GPU: the others take time."""

    def launch(self, *alternatives: KernelCall) -> None:
        super().launch(*(replace(call, configs=call.configs[:1]) for call in alternatives))


@contextmanager
def first_alone() -> Iterator[None]:
    """Whole programs are traced so, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "LaunchTracer", First)
        yield
