"""The contract that every backend keeps, and how much of it a session asks."""

from __future__ import annotations

from pathlib import Path

CONTRACT = "tests/contract"
# Of the contract's answers those that stand for all, and all that is asked besides; `backend(NAME)` asks for every one.
FEW = ("-m", "not campaign and not whole")
QUICK = ("-m", "not campaign and not whole and not slow")
SLOW = ("-m", "slow and not whole")


def test_files(*names: str) -> list[str]:
    """The test files of these names, wherever in the tests' tree they are; a name that is none is an error."""
    return [str(next(Path("tests").rglob(f"test_{name}.py"))) for name in names]
