"""What no session ran is told, and what one ran is not, whoever skipped it before or after."""

from __future__ import annotations

import pytest

from ci.never_ran import never_ran


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_a_test_that_every_session_skips_is_told_by_its_reason(order: slice) -> None:
    lines = ["a::x\tno triton", "b::y\tno GPU", "c::z\tno GPU", "a::x\t", "b::y\tno triton", "d::w\t"][order]
    found = never_ran(lines)
    assert sorted(test for tests in found.values() for test in tests) == ["b::y", "c::z"]
    assert "c::z" in found["no GPU"]
