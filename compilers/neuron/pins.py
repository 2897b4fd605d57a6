"""Which of AWS's Neuron packages are here, and how to get them, without importing one; `noxfile.py` reads it, too.

PyPI has packages of these names that are empty: an import of them works, and proves nothing. The real ones are in AWS's
own index, which a user names in an environment variable.
"""

from __future__ import annotations

import re
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

INDEX_VARIABLE = "NEURON_PIP_INDEX"

# Neuron SDK 2.32.0 of 2026-08-17, by src/helperscripts/n2-manifest.json of aws-neuron/aws-neuron-sdk at 81ce03ae;
# torch-neuronx is of 2.31, the last release that has it, and the setup page pairs it with this compiler.
PINS = {
    "neuronx-cc": "2.27.5334.0",
    "nki": "0.6.0",
    "torch-neuronx": "2.9.0.2.15.32035",
    "libneuronxla": "3.0.5356.0",  # JAX's; torch-neuronx brings a 2.2 of its own, so the two share no environment
    "jax-neuronx": "0.10.0.1.0.11459",
}

# What torch-neuronx needs of AWS's own, and whose name PyPI has, too: installed with it, from AWS's index.
BROUGHT = "libneuronxla==2.2.17544.0"

TRACED = ("inf2", "trn1", "trn2")  # what the last torch-neuronx is for
ON_DEVICE = ("neuronx-cc", "nki", "torch-neuronx")  # what a kernel takes to be run on a device

# The module of each package, and the first version to be taken: of nki the first with its simulator.
_MODULES = {
    "neuronx-cc": ("neuronxcc", (2,)),
    "nki": ("nki", (0, 3)),
    "torch-neuronx": ("torch_neuronx", (2,)),
    "libneuronxla": ("libneuronxla", (2,)),
    "jax-neuronx": ("jax_neuronx", (0, 1)),
}


def real(package: str) -> bool:
    """Whether a package is installed, recent enough, and not one of PyPI's empty placeholders."""
    return _wrong(package) is None


def versions(*packages: str) -> dict[str, str | None]:
    """The version of each package that is real; None for the others."""
    return {package: version(package) if real(package) else None for package in packages}


def missing(*packages: str) -> str | None:
    """What is wrong with these packages, as one sentence; None if all are real."""
    wrong = [sentence for sentence in map(_wrong, packages) if sentence is not None]
    return "; ".join(wrong) or None


def mend(*packages: str) -> str:
    """The line that installs these packages from AWS's index alone, and then what they need from PyPI's.

    With both at once pip takes of a name the higher version, whoever has published it.
    """
    pinned = " ".join(f"{package}=={PINS[package]}" for package in packages)
    where = f'{INDEX_VARIABLE} is AWS\'s index: see "Install" in the Neuron documentation'
    pinned += f" {BROUGHT}" if "torch-neuronx" in packages else ""
    return f'pip install --no-deps --index-url "${INDEX_VARIABLE}" {pinned} && pip install {pinned}  # {where}'


def _wrong(package: str) -> str | None:
    """What is wrong with one package."""
    module, least = _MODULES[package]
    try:
        found = version(package)
    except PackageNotFoundError:
        return f"{package} is not installed"
    if not _has_modules(module):
        return f"{package} {found} is installed, and is the empty placeholder that PyPI has under that name"
    if tuple(int(part) for part in re.findall(r"\d+", found)) < least:
        return f"{package} {found} is installed, and {'.'.join(map(str, least))} or later is expected"
    return None


def _has_modules(name: str) -> bool:
    """Whether a package of that name holds more than an `__init__.py`, which is all that a placeholder has."""
    spec = PathFinder.find_spec(name)  # which asks the disk, and not a module that somebody put in its place
    folders = () if spec is None else spec.submodule_search_locations or ()
    return any(path.name not in ("__init__.py", "__pycache__") for folder in folders for path in Path(folder).iterdir())
