"""Say whether AWS's packages, the driver and a device are here, and end with status 1 and what to do if one is not.

python ci/aws/check.py [compile-only]   (which looks at the packages alone)
"""

from __future__ import annotations

import sys
from importlib.metadata import version

from oneblock.compilers.neuron import driver, pins

INSTALLED = ("neuronx-cc", "nki", "torch-neuronx")
BROUGHT = ("libneuronxla",)  # by torch-neuronx, at the version that it wants


def wrong(words: list[str]) -> str | None:
    """What is wrong, and what to do about it; None if nothing is."""
    if (packages := pins.missing(*INSTALLED, *BROUGHT)) is not None:
        return f"{packages}\n{pins.mend(*INSTALLED)}"
    if "compile-only" in words:
        return None
    if driver.version() is None:
        return (
            f"the Neuron driver is not loaded: expected {driver.VERSION}; install aws-neuronx-dkms as "
            "ci/aws/user-data.sh does, or compile alone: nox -s neuron -- compile-only"
        )
    if not driver.count():
        return (
            f"driver {driver.version()} is loaded and there is no Neuron device: expected "
            f"{driver.DEVICE_FILES}/neuron0; run on an inf2, trn1 or trn2 "
            "instance, or compile alone: nox -s neuron -- compile-only"
        )
    return None


def main(words: list[str]) -> None:
    sentence = wrong(words)
    if sentence is not None:
        sys.exit(sentence)
    print(", ".join(f"{package} {version(package)}" for package in (*INSTALLED, *BROUGHT)))
    if "compile-only" not in words:
        print(f"Neuron devices: {driver.count()} of {driver.architecture()}, driver {driver.version()}")


if __name__ == "__main__":
    main(sys.argv[1:])
