"""Kinds of evidence, and the source without which a reported number is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oneblock.compilers.api.kind import Reported

SOURCE = Reported("NVIDIA H100 SXM", "vLLM", "0.11.0", "https://example.org/benchmarks, 2026-09-01")


@pytest.mark.parametrize("blank", ["device", "software", "version", "source"])
def test_a_reported_number_without_its_whole_source_is_refused_by_name(blank: str) -> None:
    with pytest.raises(ValueError, match=f"{blank} is blank: fill in what the source states"):
        replace(SOURCE, **{blank: " "})
