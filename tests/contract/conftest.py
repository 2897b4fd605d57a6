"""How much of the contract is asked: of a compiler's answers a few, and of a backend that is not here one thing."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from oneblock.workloads._workload import Case
from tests.conftest import REQUIRED, look, target_of

CONTRACT = Path(__file__).with_name("test_backends.py")

Stands = Callable[[bool, Case, str], bool]  # (is among the few, case, dtype)


def few(among: bool, c: Case, dtype: str) -> bool:
    return among


def fewer(among: bool, c: Case, dtype: str) -> bool:
    """Where a program takes seconds, of the parts of a block those in bfloat16, whose errors show most."""
    return among and (c.workload == "block" or dtype == "bfloat16")


def fewest(among: bool, c: Case, dtype: str) -> bool:
    """Where it takes ten, whole blocks in bfloat16, which have each family and each phase once."""
    return among and c.workload == "block" and dtype == "bfloat16"


def telling(of: Stands) -> Stands:
    """No block whose properties are the plain text's arithmetic alone: halves in parallel, norms in other places."""
    return lambda among, c, dtype: of(among, c, dtype) and c.config.name not in ("tiny-neox", "tiny-olmo")


def narrow(of: Stands) -> Stands:
    """No block as wide as GPT-2's, which an interpreter takes 15 seconds for."""
    return lambda among, c, dtype: of(among, c, dtype) and (c.workload, c.config.name) != ("block", "gpt2")


STAND_FOR_ALL: dict[str, Stands] = {
    "torch_inductor": telling(fewest),
    "inductor_gpu": lambda among, c, dtype: (
        (c.workload, c.config.name, c.phase, dtype) == ("attention", "tiny", "prefill", "bfloat16")
    ),
    "triton_kernels": narrow(few),
    "torchxla": few,
    "jax_xla": fewer,
    "torch_tpu": fewer,
    # It has no float16, and so of the few not each case.
    "pallas_tpu": lambda among, c, dtype: fewer(among, c, dtype) or (c.workload, dtype) == ("block", "float32"),
    "tvm_relax": telling(narrow(fewer)),
}


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None]:
    """Mark the answers for which others stand, and of what -k and -m leave ask an absent backend once.

    A skip for each of its cases would hide what else is skipped.
    """
    ours = {item: item.callspec.params for item in items if item.path == CONTRACT and hasattr(item, "callspec")}
    for item, params in ours.items():
        stands = STAND_FOR_ALL.get(params["backend"])
        if stands and "c" in params and not stands("few" in item.keywords, params["c"], params["dtype"]):
            item.add_marker(pytest.mark.whole)
    yield
    left_out: list[pytest.Item] = []
    asked: set[str] = set()
    for item in items:
        name = ours[item]["backend"] if item in ours else None
        if name and name not in REQUIRED and isinstance(look(name, target_of(name)), Exception):
            left_out += [item] if name in asked else []
            asked.add(name)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
