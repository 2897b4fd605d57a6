"""One fixture, `backend`, over the directory; skipping is decided by `probe` and forbidden by ONEBLOCK_REQUIRE."""

from __future__ import annotations

import importlib
import os
from collections import Counter
from functools import cache
from types import ModuleType

import pytest

from oneblock import backends
from oneblock.backends.api.backend import Backend, Unavailable, Unsupported
from oneblock.backends.api.target import Target

REQUIRED = {name for name in os.environ.get("ONEBLOCK_REQUIRE", "").split(",") if name}
DEVICE = os.environ.get("ONEBLOCK_TARGET")  # what all backends are tried on, where it is set
# What stands for a device where there is none, of backends that have no CPU.
COMPILED_FOR = {
    "xla_tpu": "tpu:v5e", "torchtpu": "tpu:v5e", "xla_gpu": "cuda:sm_90", "neuron_nki": "neuron:trn1",
    "neuron_torch": "neuron",
}  # fmt: skip


def target_of(backend: str) -> Target:
    """What a backend is tried on: ONEBLOCK_TARGET, else the CPU, else what it compiles for where there is none."""
    return Target.parse(DEVICE or COMPILED_FOR.get(backend, "cpu"))


def pytest_configure(config: pytest.Config) -> None:
    os.environ.setdefault("ONEBLOCK_DISTURBANCE", "ignore")  # tests share their machine; those of disturbance do not
    os.environ.pop("COLUMNS", None)  # that of a terminal, which readline gives to xdist's workers
    unknown = REQUIRED - set(backends.names())
    if unknown:
        raise pytest.UsageError(f"ONEBLOCK_REQUIRE names no backend: {sorted(unknown)} (there are {backends.names()})")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A line for each reason of skipping, with how many tests have it; to a file, where one is named, which ran."""
    stats = terminalreporter.stats
    ran = [report.nodeid for outcome in ("passed", "failed", "error") for report in stats.get(outcome, [])]
    skipped = [(one.nodeid, one.longrepr[2].removeprefix("Skipped: ")) for one in stats.get("skipped", [])]
    reasons = Counter(reason for _, reason in skipped)
    if reasons:
        terminalreporter.section(f"skipped {len(skipped)} of {len(skipped) + len(ran)}")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count:5} {reason}")
    if path := os.environ.get("ONEBLOCK_RAN"):  # ci/never_ran.py reads it
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(f"{test}\t{reason}\n" for test, reason in [*((test, "") for test in ran), *skipped])


# torchax registers a device of its own with PyTorch, for which Inductor then fails in the same process.
ALONE = {"torch_tpu"}
APART = "torchax is tried in a process of its own: `nox -s slow`, or ONEBLOCK_REQUIRE=torch_tpu"


@cache
def look(name: str, target: Target) -> Backend | Exception:
    """A backend of the directory, or why it is not here on a target."""
    if name in ALONE - REQUIRED:
        return Unavailable(APART, "")
    try:
        loaded = backends.load(name)
        if target.platform not in loaded.platforms:
            raise Unsupported(f"{name} has no target {target}")
        loaded.probe(target)
    except (Unavailable, Unsupported) as error:
        return error
    return loaded


def load(name: str, target: str = "cpu") -> Backend:
    """A backend on a target; an absent one skips and says why, a required one fails."""
    found = look(name, Target.parse(target))
    if isinstance(found, Exception):
        sentence = "; ".join(filter(None, (f"{name}: {found}", getattr(found, "hint", ""))))
        if name in REQUIRED:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence)
    return found


@pytest.fixture(params=backends.names())
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend of the directory on its target."""
    return load(request.param, str(target_of(request.param)))


@pytest.fixture(scope="session")
def authority() -> ModuleType:
    """transformers, an independent statement of the models; the torch_eager session has it, and requires it."""
    try:
        import torch  # noqa: F401

        return importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        sentence = f'{error.name} is not installed; `nox -s "backend(torch_eager)"` installs it'
        if "torch_eager" in REQUIRED:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence)
