"""What a system without wheels is told: the reason, and not a line of pip that cannot help."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import pytest

from oneblock.backends.api.backend import Unavailable
from oneblock.backends.api.deferred import Deferred
from oneblock.compilers.api import wheels
from oneblock.compilers.xla import tpu_env

LINUX, MAC, ARM = ("linux", "x86_64"), ("darwin", "arm64"), ("linux", "aarch64")


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The system that the parameter names."""
    monkeypatch.setattr(sys, "platform", request.param[0])
    monkeypatch.setattr(platform, "machine", lambda: request.param[1])


@pytest.mark.parametrize(
    ("on", "extra", "without"),
    [
        (LINUX, "xla_tpu", []),
        (MAC, "xla_tpu", ["jax[tpu]"]),
        (ARM, "xla_tpu", ["jax[tpu]"]),
        (MAC, "pallas_tpu", ["jax[tpu]"]),
        (MAC, "triton_kernels", ["triton"]),
        (MAC, "inductor_gpu", ["triton"]),
        (ARM, "triton_kernels", []),
        (MAC, "torch_eager", []),
        (MAC, "tvm_relax", []),
    ],
    indirect=["on"],
)
@pytest.mark.usefixtures("on")
def test_an_extra_leaves_out_what_has_no_wheels_here(extra: str, without: list[str]) -> None:
    assert wheels.left_out(extra) == without


class Needs(Deferred):
    """A backend of which a module is not installed."""

    def __init__(self, name: str, module: str) -> None:
        self.name, self.module = name, module

    def family(self) -> None:
        raise ModuleNotFoundError(f"No module named {self.module!r}", name=self.module)


@pytest.mark.parametrize(
    ("on", "backend", "module", "says", "mends"),
    [
        (LINUX, "triton_kernels", "triton", "triton is not installed", "pip install 'oneblock[triton-kernels]'"),
        (MAC, "triton_kernels", "triton", "triton has no wheels for macOS on arm64", "run it on Linux on x86-64"),
        (MAC, "torchxla", "torch_xla", "torch_xla has no wheels for macOS on arm64", "run it on Linux on x86-64"),
        (MAC, "tvm_relax", "tvm", "tvm is not installed", "pip install 'oneblock[tvm-relax]'"),
        (MAC, "pallas_tpu", "jax", "jax is not installed", "pip install 'oneblock[pallas-tpu]'"),
    ],
    indirect=["on"],
)
@pytest.mark.usefixtures("on")
def test_who_cannot_install_a_toolchain_is_told_where_it_is(backend: str, module: str, says: str, mends: str) -> None:
    """And who can is not sent away, though another part of the extra is left out."""
    with pytest.raises(Unavailable) as told:
        _ = Needs(backend, module).loaded
    assert told.value.reason == says
    assert told.value.hint.startswith(mends)


@pytest.mark.parametrize(("on", "says"), [(LINUX, "is not installed"), (MAC, "no wheels for macOS")], indirect=["on"])
@pytest.mark.usefixtures("on")
def test_the_tpus_compiler_is_not_offered_where_it_is_not_made(says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "libtpu":
            raise metadata.PackageNotFoundError(name)
        return "0.10.2"

    monkeypatch.setattr(tpu_env, "version", version)
    reason, mend = tpu_env.missing() or ("", "")
    assert says in reason
    assert ("pip install" in mend) == (says == "is not installed")


def test_what_an_extra_lacks_is_told_by_distributions_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ['a>=2; extra == "one"', 'b; extra == "two"', 'oneblock[two]; extra == "one"', 'c; extra == "other"',
             'd; extra == "one" and sys_platform == "elsewhere"', "numpy"]  # fmt: skip
    there = {"a": "1.9", "b": "1"}

    def version(name: str) -> str:
        if name not in there:
            raise wheels.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(wheels, "requires", lambda _: texts)
    monkeypatch.setattr(wheels, "version", version)
    assert wheels.missing("one") == ["a>=2"], "in another version"
    there["a"] = "2.1"
    assert wheels.missing("one") == []
    del there["b"]
    assert wheels.missing("one") == ["b"], "what the extra that it names requires"
    assert wheels.missing("neither") == []
