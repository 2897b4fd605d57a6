"""What every backend of the directory offers is read without its toolchain, and is what the family's classes do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oneblock import backends
from oneblock.backends.api.backend import TUNED, Backend, Bisectable, CompilesModels, Tunable, Unavailable
from oneblock.backends.api.export import Exporter, ModuleTaker, TrnEmitter
from oneblock.backends.api.scripts import Documented, ScriptRunner
from oneblock.workloads.ops.definitions import OPS, Ops
from oneblock.workloads.ops.numpy_ops import NumpyOps
from tests.conftest import ALONE, APART, REQUIRED
from tests.contract.conftest import STAND_FOR_ALL
from tests.contract.test_backends import answers
from tests.layout.test_layout import TOOLCHAINS

OWN = sorted(path.stem for path in (Path(backends.__file__).parent).glob("[!_]*.py"))
CASES = [(name, ops_set) for name in OWN for ops_set in backends.load(name).ops_sets]


def classes(name: str) -> dict[str, type[Ops]]:
    """The class of operations of each ops set, imported with its toolchain; a skip where that is not here."""
    if name == "reference":
        return {"plain": NumpyOps}
    if name in ALONE - REQUIRED:
        pytest.skip(APART)
    backend: Any = backends.load(name)
    try:
        return dict(backend.loaded.OPS)
    except (Unavailable, ImportError) as error:
        if name in REQUIRED:
            pytest.fail(f"required, and not here: {error}")
        pytest.skip(f"{name}: {error}")


def replaced(of: type[Ops], plain: type[Any]) -> set[str]:
    """Which operations a class has that are not those of a plain one; what a mixin has not is the plain one's."""
    plains = {operation: getattr(plain, operation) for operation in OPS}
    return {operation for operation, own in plains.items() if getattr(of, operation, own) is not own}


def test_all_declarations_are_read_with_no_toolchain_imported() -> None:
    code = (
        "import sys; from oneblock import backends; print(*(backends.load(name).name for name in backends.names()));"
        "print(*{module.split('.')[0] for module in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    named, loaded = done.stdout.splitlines()
    assert set(OWN) <= set(named.split())
    assert set(loaded.split()).isdisjoint(TOOLCHAINS)


@pytest.mark.parametrize("name", OWN)
def test_a_declaration_is_whole(name: str) -> None:
    backend = backends.load(name)
    assert isinstance(backend, Backend)
    first, *others = backend.ops_sets
    assert first == "plain" or not any("plain" in ops_set for ops_set in others), "plain comes first"
    assert backend.ops_sets.get("plain", ()) == (), "plain replaces nothing"
    assert first == "plain" or all(backend.ops_sets.values()), "one without plain is kernels of its own"
    assert TUNED not in backend.ops_sets or isinstance(backend, Tunable), "what is tuned has been searched for"


def test_what_can_be_asked_of_a_backend_is_known_without_its_toolchain() -> None:
    capabilities = {
        Tunable: {"pallas_tpu", "triton_kernels", "tvm_relax"},
        Bisectable: {"jax_xla", "torch_inductor", "triton_kernels", "tvm_relax"},
        CompilesModels: {"torch_inductor", "tvm_relax"},
        Exporter: {"jax_xla", "torch_eager"},
        ModuleTaker: {"neuron_torch"},
        TrnEmitter: {"tvm_relax"},
        ScriptRunner: {"neuron_nki"},
        Documented: {"neuron_nki"},
    }
    for capability, having in capabilities.items():
        assert {name for name in OWN if isinstance(backends.load(name), capability)} == having, capability.__name__


def test_the_order_in_which_ops_sets_are_compared_is_theirs() -> None:
    assert backends.ops_sets() == ["plain", "native", "kernels", TUNED]


@pytest.mark.parametrize(("name", "ops_set"), CASES)
def test_a_set_replaces_the_operations_that_it_declares_and_no_other(name: str, ops_set: str) -> None:
    of = classes(name)
    assert of.keys() == backends.load(name).ops_sets.keys()
    plain = of.get("plain", Ops)
    assert replaced(of[ops_set], plain) == set(backends.load(name).ops_sets[ops_set])


def test_a_set_that_says_too_much_or_too_little_is_found_out() -> None:
    class Half(NumpyOps):
        def rope(self, x: Any, cos: Any, sin: Any) -> Any:
            return x

    assert replaced(Half, NumpyOps) == {"rope"}
    assert replaced(NumpyOps, NumpyOps) == set()


@pytest.mark.parametrize("name", STAND_FOR_ALL)
def test_some_answers_stand_for_all_and_are_in_each_session(name: str) -> None:
    assert name in OWN
    asked = [STAND_FOR_ALL[name](bool(one.marks), *one.values) for one in answers()]
    assert any(asked), "else the session of CI that has this backend asks for no answer"
    assert not all(asked), "it needs no line here"
