"""AWS's packages as a test wants them: PyPI's empty ones, or a toolchain that computes with PyTorch on the CPU.

The tracing of the real one goes through PyTorch/XLA; this one runs the module, and writes down what it was given.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from oneblock.backends import neuron_torch
from oneblock.compilers.neuron import driver, pins

PLACEHOLDERS = {"nki": "0.0.1", "neuronx-cc": "1.0.post1", "torch-neuronx": "1.0", "libneuronxla": "1.0"}
IMPORTED = (
    "torch_neuronx", "torch_xla", "neuronxcc", "oneblock.compilers.neuron.tracing", "oneblock.backends._neuron.traced",
    "oneblock.backends._neuron",
)  # fmt: skip

TORCH_XLA = {
    "torch_xla/__init__.py": "",
    "torch_xla/_XLAC.py": """
scopes = []
class profiler:
    class scope_pusher:
        def __init__(self, name):
            scopes.append(name)
""",
    "torch_xla/core/__init__.py": "",
    "torch_xla/core/xla_builder.py": """
def computation_from_module_proto(name, proto):
    return f"HloModule {name}\\n" + proto.decode()
def get_computation_hlo(computation):
    return computation
""",
}
TORCH_NEURONX = """
import copy, os, pathlib
import torch
from torch_xla import _XLAC

os.environ["NEURON_SET_BY_ITSELF"] = "yes"
calls, placed = [], []

class Traced:
    def __init__(self, module):
        self.module, self.first = module, None
    def __call__(self, *inputs):
        return ANSWER(self, self.module(*inputs))

def trace(func, example_inputs, *_, input_output_aliases={}, compiler_workdir=None, compiler_args=None,
          partitioner_config=None, inline_weights_to_neff=True, cpu_backend=False):
    calls.append({"compiler_args": compiler_args, "inline_weights_to_neff": inline_weights_to_neff,
                  "cpu_backend": cpu_backend, "shapes": [tuple(x.shape) for x in example_inputs],
                  "debug": os.environ.get("XLA_HLO_DEBUG"), "path": os.environ["PATH"]})
    module = copy.deepcopy(func)
    del _XLAC.scopes[:]
    module(*example_inputs)
    folder = pathlib.Path(compiler_workdir, "model")
    folder.mkdir()
    (folder / "graph.hlo").write_text("".join(f'op_name="{s}.7/add" source_file="/a/b.py"\\n' for s in _XLAC.scopes))
    if WRITES_A_NEFF:
        pathlib.Path(compiler_workdir, "graph.neff").write_bytes(b"NEFF")
    return Traced(module)

def replace_weights(traced, weights):
    if TAKES_WEIGHTS:
        traced.module.load_state_dict(weights)

def move_trace_to_device(traced, device_id):
    placed.append(device_id)
"""
ANSWERS = {
    "right": "out",
    "zeros": "tuple(x * 0 for x in out)",
    "stale": "self.__dict__.setdefault('answer', out)",
}


def distribution(folder: Path, package: str, found: str, files: dict[str, str]) -> None:
    """A package as pip installs it into a folder."""
    info = folder / f"{package.replace('-', '_')}-{found}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {found}\n")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def placeholder(folder: Path, package: str) -> None:
    """The empty package that PyPI has; that of neuronx-cc has not even a name that can be imported."""
    name = "neuronx-cc" if package == "neuronx-cc" else package.replace("-", "_")
    distribution(folder, package, PLACEHOLDERS[package], {f"{name}/__init__.py": "# a placeholder\n"})


def toolchain(
    folder: Path, answer: str = "right", *, takes_weights: bool = True, writes_a_neff: bool = True, text: str = ""
) -> None:
    """A torch-neuronx of the pinned version, and with it neuronx-cc; wrong in one way where a test asks for that."""
    head = f"def ANSWER(self, out): return {ANSWERS[answer]}\n"
    head += f"TAKES_WEIGHTS, WRITES_A_NEFF = {takes_weights}, {writes_a_neff}\n"
    package = {"torch_neuronx/__init__.py": text or head + TORCH_NEURONX, "torch_neuronx/xla_impl.py": ""}
    distribution(folder, "torch-neuronx", pins.PINS["torch-neuronx"], TORCH_XLA | package)
    compiler = {"neuronxcc/__init__.py": "", "neuronxcc/driver.py": ""}
    distribution(folder, "neuronx-cc", pins.PINS["neuronx-cc"], compiler)


def device(folder: Path, instance_type: str | None) -> None:
    """What the driver shows of one device."""
    (folder / "dev").mkdir()
    for name in ("neuron0", "neuron_reserved"):
        (folder / "dev" / name).touch()
    (folder / "version").write_text("2.30.2.0\n")
    if instance_type is not None:
        about = folder / "sys" / "neuron0" / "info" / "architecture"
        about.mkdir(parents=True)
        (about / "instance_type").write_text(f"{instance_type}\n")


@contextmanager
def here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[None]:
    """The folder's packages come first, and its devices are the machine's; modules imported meanwhile are forgotten."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(driver, "DEVICE_FILES", folder / "dev")
    monkeypatch.setattr(driver, "VERSION", folder / "version")
    monkeypatch.setattr(driver, "SYSFS", folder / "sys")
    monkeypatch.delenv("NEURON_SET_BY_ITSELF", raising=False)
    before = _forget()
    try:
        yield
    finally:
        _forget()
        sys.modules.update(before)


def _forget() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if any(name == own or name.startswith(f"{own}.") for own in IMPORTED)]
    for name in names:
        parent, _, child = name.rpartition(".")
        if parent in sys.modules and hasattr(sys.modules[parent], child):
            delattr(sys.modules[parent], child)
    vars(neuron_torch.BACKEND).pop("loaded", None)  # the family, which holds the toolchain of before
    return {name: sys.modules.pop(name) for name in names}


def said() -> Any:
    """What the toolchain wrote down."""
    return importlib.import_module("torch_neuronx")
