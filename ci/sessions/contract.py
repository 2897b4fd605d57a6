"""The contract that every backend keeps, and how much of it a session asks."""

from __future__ import annotations

from pathlib import Path

CONTRACT = "tests/contract/test_backends.py"
# What stands for a device where there is none.
COMPILED_FOR = {"xla_tpu": "tpu:v5e", "xla_gpu": "cuda:sm_90", "neuron_nki": "neuron:trn1"}
# Of the answers a few that stand for all, and all that is asked besides; `backend(NAME)` asks for every answer.
FEW = "(few or not right_answer)"
# Where a program takes seconds to compile, of the parts of a block those in bfloat16, whose errors show most.
FEWER = "(few and (block or bfloat16) or not right_answer)"
# And where it takes ten: whole blocks in bfloat16, which have each family and each phase once.
FEWEST = "(few and block and bfloat16 or not right_answer)"


def test_files(*names: str) -> list[str]:
    """The test files of these names, wherever in the tests' tree they are; a name that is none is an error."""
    return [str(next(Path("tests").rglob(f"test_{name}.py"))) for name in names]
