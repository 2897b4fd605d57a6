"""Durations and sizes have three digits, or whole units: never a power of ten."""

from __future__ import annotations

import pytest

from oneblock.bench.format.units import seconds, size


@pytest.mark.parametrize(
    ("value", "shown"), [(999.4e-6, "999 µs"), (999.5e-6, "1000 µs"), (1.234e-3, "1.23 ms"), (1234.0, "1234 s")]
)
def test_a_duration(value: float, shown: str) -> None:
    assert seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(999.6 * 1024, "1000 KiB"), (1023.7 * 1024, "1024 KiB"), (1.5 * 2**30, "1.5 GiB"), (12, "12 B")],
)
def test_a_size(value: float, shown: str) -> None:
    assert size(value) == shown
