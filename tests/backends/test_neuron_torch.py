"""AWS's packages are recognised and not believed; a traced program is compiled as asked, run, and checked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock import backends, workloads
from oneblock.backends.api.backend import Compiled, Unavailable, Unsupported
from oneblock.backends.api.target import Target
from oneblock.backends.neuron_torch import BACKEND
from oneblock.compilers import Detail
from oneblock.compilers.api.kind import Kind
from oneblock.compilers.neuron import driver, pins
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_inputs, make_weights
from oneblock.workloads.answers.reference import make_reference
from oneblock.workloads.answers.verdict import Check
from tests.conftest import REQUIRED
from tests.helpers import fake_neuron
from tests.helpers.cases import ALL, case, name, steps_of

PINNED = "neuronx-cc==2.27.5334.0 torch-neuronx==2.9.0.2.15.32035 libneuronxla==2.2.17544.0"
LINE = (
    f'pip install --no-deps --index-url "$NEURON_PIP_INDEX" {PINNED} && pip install {PINNED}'
    '  # NEURON_PIP_INDEX is AWS\'s index: see "Install" in the Neuron documentation'
)
Here = Callable[..., None]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Here]:
    """Call it to put the packages of `tmp_path` in place of the machine's, with a device where one is named."""
    with ExitStack() as stack:

        def enter(*, device: str | None = None, says: bool = True) -> None:
            if device is not None:
                fake_neuron.device(tmp_path, device if says else None)
            stack.enter_context(fake_neuron.here(monkeypatch, tmp_path))

        yield enter


@pytest.fixture
def torch() -> None:
    """PyTorch, which the made-up toolchain computes with."""
    try:
        import torch as _  # noqa: F401
    except ModuleNotFoundError:
        sentence = 'torch is not installed; `nox -s "backend(torch_eager)"` has it'
        if REQUIRED & {"torch_eager", "neuron_torch"}:
            pytest.fail(f"required, and not here: {sentence}")
        pytest.skip(sentence)


# ---------------------------------------------------------------- which packages are real


@pytest.mark.parametrize("package", fake_neuron.PLACEHOLDERS)
def test_what_pypi_has_under_these_names_is_refused(package: str, here: Here, tmp_path: Path) -> None:
    fake_neuron.placeholder(tmp_path, package)
    here()
    assert not pins.real(package)
    found = fake_neuron.PLACEHOLDERS[package]
    assert pins.missing(package) == (
        f"{package} {found} is installed, and is the empty placeholder that PyPI has under that name"
    )


def test_an_empty_package_is_refused_whatever_its_version_says(here: Here, tmp_path: Path) -> None:
    fake_neuron.distribution(tmp_path, "nki", "0.6.0", {"nki/__init__.py": "def simulate(): ...\n"})
    here()
    assert "empty placeholder" in str(pins.missing("nki"))


def test_an_old_package_is_refused_and_a_real_one_taken(here: Here, tmp_path: Path) -> None:
    files = {"nki/__init__.py": "", "nki/isa.py": ""}
    fake_neuron.distribution(tmp_path / "old", "nki", "0.2.0", files)
    fake_neuron.distribution(tmp_path, "nki", "0.6.0", files)
    here()
    assert pins.real("nki")
    assert pins.missing("nki") is None
    sys.path.insert(0, str(tmp_path / "old"))
    try:
        assert pins.missing("nki") == "nki 0.2.0 is installed, and 0.3 or later is expected"
    finally:
        sys.path.remove(str(tmp_path / "old"))


def test_a_folder_of_that_name_is_no_package(here: Here, tmp_path: Path) -> None:
    (tmp_path / "jax_neuronx").mkdir()
    (tmp_path / "jax_neuronx" / "mine.py").touch()
    here()
    assert pins.missing("jax-neuronx") == "jax-neuronx is not installed"


def test_looking_imports_nothing(here: Here, tmp_path: Path) -> None:
    boom = {"nki/__init__.py": "raise SystemExit('it was imported')", "nki/isa.py": ""}
    fake_neuron.distribution(tmp_path, "nki", "0.6.0", boom)
    here()
    before = sys.modules.pop("nki", None)  # another test's: the interpreter under that name
    try:
        assert pins.real("nki")
        assert "nki" not in sys.modules
    finally:
        if before is not None:
            sys.modules["nki"] = before


def test_every_pin_is_recent_enough_for_what_is_asked_of_it(here: Here, tmp_path: Path) -> None:
    for package, found in pins.PINS.items():
        module = {"neuronx-cc": "neuronxcc"}.get(package, package.replace("-", "_"))
        fake_neuron.distribution(tmp_path, package, found, {f"{module}/__init__.py": "", f"{module}/more.py": ""})
    here()
    assert pins.missing(*pins.PINS) is None


def test_the_devices_are_what_the_driver_shows(here: Here) -> None:
    here(device="Trn1")
    assert (driver.count(), driver.version(), driver.architecture()) == (1, "2.30.2.0", "trn1")


def test_without_a_driver_there_is_nothing(here: Here) -> None:
    here()
    assert (driver.count(), driver.version(), driver.architecture()) == (0, None, None)


# ---------------------------------------------------------------- what the backend says is here


def test_without_the_toolchain_the_reason_and_the_line_are_exact(here: Here, tmp_path: Path) -> None:
    fake_neuron.placeholder(tmp_path, "torch-neuronx")
    here()
    with pytest.raises(Unavailable) as raised:
        backends.load("neuron_torch").probe(Target.parse("neuron:inf2"))
    assert raised.value.reason.startswith(
        "neuronx-cc is not installed; torch-neuronx 1.0 is installed, and is the empty "
    )
    assert raised.value.hint == LINE


def test_doctor_names_the_variable_of_the_index(tmp_path: Path) -> None:
    for package in ("torch-neuronx", "neuronx-cc"):
        fake_neuron.placeholder(tmp_path, package)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "oneblock.bench", "doctor", "--backend=neuron_torch", "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)
    (row,) = json.loads(done.stdout)["backends"]
    assert done.returncode == 1
    assert (row["platform"], row["device"], row["compiles_for"]) == ("neuron", None, [])
    assert row["reason"].count("the empty placeholder that PyPI has under that name") == 2
    assert row["hint"] == LINE


def test_trn3_is_refused_with_what_there_is_instead() -> None:
    with pytest.raises(
        Unsupported, match=r"ended with PyTorch 2\.9 and is for inf2, trn1, trn2; for trn3 .*neuron_nki"
    ):
        BACKEND.probe(Target.parse("neuron:trn3"))


@pytest.mark.usefixtures("torch")
def test_without_a_device_it_compiles_for_what_is_named(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here()
    for architecture, core in (("inf2", "v2"), ("trn1", "v2"), ("trn2", "v3")):
        device = BACKEND.probe(Target("neuron", architecture))
        assert (device.kind, device.name) == (Kind.COMPILED, f"AWS {architecture} (NeuronCore-{core})")
    with pytest.raises(Unavailable, match="no Neuron device here") as raised:
        BACKEND.probe(Target("neuron"))
    assert raised.value.hint == "name what to compile for, e.g. --target neuron:trn1"


@pytest.mark.usefixtures("torch")
def test_with_a_device_it_measures_on_that_and_compiles_for_others(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here(device="Inf2")
    for target in ("neuron", "neuron:inf2"):
        device = BACKEND.probe(Target.parse(target))
        assert (device.kind, device.name) == (Kind.MEASURED, "AWS inf2 (NeuronCore-v2)")
    assert BACKEND.probe(Target.parse("neuron:trn2")).kind is Kind.COMPILED


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(("device", "says", "error"), [("Trn3", True, Unsupported), ("Inf2", False, Unavailable)])
def test_a_device_that_it_cannot_use_or_name_is_refused(
    device: str, says: bool, error: type[Exception], here: Here, tmp_path: Path
) -> None:
    fake_neuron.toolchain(tmp_path)
    here(device=device, says=says)
    with pytest.raises(error):
        BACKEND.probe(Target("neuron"))


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("class Stream: ...", "has no trace, no replace_weights, no move_trace_to_device"),
        (
            "def trace(func, example_inputs, compiler_workdir=None, compiler_args=None): ...\n"
            "def replace_weights(): ...\ndef move_trace_to_device(): ...",
            "has no trace(inline_weights_to_neff=), no trace(cpu_backend=)",
        ),
        ("import a_library_that_nobody_has", "is installed and does not load: No module named"),
    ],
)
def test_a_toolchain_that_is_another_or_broken_is_refused(text: str, says: str, here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path, text=text)
    here()
    with pytest.raises(Unavailable) as raised:
        BACKEND.probe(Target.parse("neuron:inf2"))
    assert says in raised.value.reason
    assert raised.value.hint == LINE


# ---------------------------------------------------------------- compiling


def compiled(c: Case, dtype: str = "float32", ops_set: str = "plain", target: str = "neuron:inf2") -> Compiled:
    workload = workloads.load(c.workload)
    arrays = {**make_weights(workload, c, dtype, 0), **make_inputs(workload, c, dtype, 1)}
    return BACKEND.compile(workload, c, arrays, ops_set, Target.parse(target))


@pytest.mark.usefixtures("torch")
def test_what_is_compiled_for_elsewhere_is_recorded_and_not_run(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_neuron.toolchain(tmp_path)
    here()
    monkeypatch.setenv("NEURON_CC_FLAGS", "--optlevel 1")
    monkeypatch.setenv("ONEBLOCK_NEFF", str(tmp_path / "kept"))
    before = BACKEND.compilations()
    made = compiled(case(n=29), target="neuron:trn2")
    assert made.executable is None
    assert BACKEND.compilations() == before + 1
    (call,) = fake_neuron.said().calls
    assert call["compiler_args"] == ["--target", "trn2", "--model-type", "transformer", "--auto-cast", "none"]
    assert (call["cpu_backend"], call["inline_weights_to_neff"]) == (True, False)
    assert call["shapes"] == [(1, 29, 64)]  # the inputs alone: weights are the module's
    stages = {artifact.dialect: artifact.text for artifact in made.capture(Detail.DEFAULT).artifacts}
    assert list(stages) == ["aten", "hlo", "neuronx-cc-flags", "neff"]
    assert "compiler_args: --target trn2 --model-type transformer --auto-cast none" in stages["neuronx-cc-flags"]
    assert "NEURON_CC_FLAGS: --optlevel 1" in stages["neuronx-cc-flags"]
    sha256 = hashlib.sha256(b"NEFF").hexdigest()
    assert stages["neff"].splitlines()[0].split() == [sha256, "4", "graph.neff"]
    assert (tmp_path / "kept" / f"{sha256}.neff").read_bytes() == b"NEFF"
    assert not any(str(tmp_path) in text or "/a/" in text for text in stages.values()), "a path of this machine"


@pytest.mark.usefixtures("torch")
def test_every_step_is_named_in_the_graph_and_in_what_the_compiler_reads(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here()
    stages = {artifact.dialect: artifact.text for artifact in compiled(case()).capture(Detail.DEFAULT).artifacts}
    assert [step for step in steps_of(case()) if f"  # {step}\n" not in stages["aten"]] == []
    assert [step for step in steps_of(case()) if f'op_name="{step}/' not in stages["hlo"]] == []
    assert stages["aten"].splitlines()[-1].startswith("return y = %")


@pytest.mark.usefixtures("torch")
def test_the_environment_is_set_for_the_toolchain_and_what_it_sets_stays(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here()
    path = os.environ["PATH"]
    compiled(case())
    (call,) = fake_neuron.said().calls
    assert call["debug"] == "1"
    assert call["path"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert os.environ["PATH"] == path
    assert "XLA_HLO_DEBUG" not in os.environ
    assert os.environ["NEURON_SET_BY_ITSELF"] == "yes"  # the real one sets PJRT_DEVICE, and reads it later


@pytest.mark.usefixtures("torch")
def test_no_neff_is_an_error_and_a_mesh_is_refused(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path, writes_a_neff=False)
    here()
    with pytest.raises(RuntimeError, match=r"expected a \.neff .*, got \['graph\.hlo'\]"):
        compiled(case())
    with pytest.raises(Unsupported, match="leave out @tp2"):
        compiled(case(), target="neuron:trn2@tp2")


# ---------------------------------------------------------------- running, on a device that is made up


def verdict(c: Case, dtype: str, ops_set: str) -> Check:
    """The verdict on the second of two inputs."""
    workload = workloads.load(c.workload)
    weights = make_weights(workload, c, dtype, 0)
    executable: Any = compiled(c, dtype, ops_set).executable
    placed = executable.put(weights)
    before = BACKEND.compilations()
    for i in range(2):
        out = executable.call({**placed, **executable.put(make_inputs(workload, c, dtype, 1 + i))})
        executable.wait(out)
    assert BACKEND.compilations() == before
    return make_reference(workload, c, dtype, weights, 1, 2).check(executable.get(out), 1)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("dtype", BACKEND.dtypes)
@pytest.mark.parametrize("c", ALL, ids=name)
def test_right_answers_pass(c: Case, dtype: str, here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here(device="Inf2")
    for ops_set in BACKEND.ops_sets:
        found = verdict(c, dtype, ops_set)
        assert found.passed, f"{ops_set}: {found.why}"
    assert {call["cpu_backend"] for call in fake_neuron.said().calls} == {False}


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("wrong", [{"answer": "zeros"}, {"answer": "stale"}, {"takes_weights": False}], ids=str)
def test_wrong_answers_are_rejected(wrong: dict[str, Any], here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path, **wrong)
    here(device="Inf2")
    assert not verdict(case(), "float32", "plain").passed


@pytest.mark.usefixtures("torch")
def test_weights_are_copied_to_the_device_once_and_again_when_they_are_others(here: Here, tmp_path: Path) -> None:
    fake_neuron.toolchain(tmp_path)
    here(device="Inf2")
    c = case(phase=Phase.DECODE)
    workload = workloads.load(c.workload)
    executable: Any = compiled(c).executable
    inputs = executable.put(make_inputs(workload, c, "float32", 1))
    answers = []
    for seed in (0, 1):
        weights = executable.put(make_weights(workload, c, "float32", seed))
        answers += [executable.get(executable.call({**weights, **inputs}))["y"] for _ in range(3)]
    assert fake_neuron.said().placed == [0, 0]
    assert np.array_equal(answers[0], answers[2])
    assert not np.array_equal(answers[0], answers[3])
