"""A record stands as long as nothing changed that its outcome depends on, and no longer."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock import backends
from oneblock.bench.records import dependence
from oneblock.bench.records.dependence import software, source_hash, sources
from oneblock.bench.records.record import identity
from oneblock.compilers.tvm import store
from tests.bench.report.test_report import record
from tests.helpers.fakes import FAKES
from tests.helpers.oneblock_process import install, oneblock

TREE = Path(__file__).parents[3]
FOLDERS = ("backends", "bench", "compilers", "labs", "workloads")
RUN = ("run", "norm", "--preset", "tiny", "-T", "8", "--phase", "prefill", "--backend", "reference", "-o", "records")
OURS = ("reference", "torch_eager", "torch_inductor", "triton_kernels", "neuron_nki", "tvm_relax", "xla_tpu")
OF_ALL = (
    "workloads/block.py", "workloads/ops/definitions.py", "workloads/answers/reference.py", "bench/worker/sampling.py",
    "bench/worker/measure_job.py", "bench/cells/tiers.py", "compilers/api/facts.py",
)  # fmt: skip
OF_NONE = (
    "bench/report/page.py", "bench/report/plots/plots.py", "bench/terminal/records.py", "bench/judge/stats.py",
    "bench/judge/compare.py", "bench/runs/run.py", "bench/commands/show.py", "bench/records/find.py",
    "bench/records/bundle.py", "labs/xla_tpu.py", "README.md", "noxfile.py",
)  # fmt: skip
OF_SOME = {  # a file, and the backends whose outcomes it makes
    "backends/reference.py": {"reference"},
    "backends/torch_inductor.py": {"torch_inductor"},
    "backends/_torch/inductor.py": {"torch_inductor"},
    "backends/_torch/executable.py": {"torch_eager", "torch_inductor", "triton_kernels"},
    "backends/kernels/triton/flash_attention.py": {"triton_kernels"},
    "backends/kernels/nki/rms_norm.py": {"neuron_nki"},
    "compilers/nki/rules.py": {"neuron_nki"},
    "compilers/triton/machine_code.py": {"triton_kernels"},
    "compilers/tvm/measure.py": {"tvm_relax"},
    "compilers/xla/dump_child.py": {"xla_tpu"},
}


def forget() -> None:
    """As a new process would begin."""
    for cached in (software, source_hash, sources):
        cached.cache_clear()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the tree, to be edited."""
    copy = copied(tmp_path)
    monkeypatch.setattr(dependence, "ROOT", copy)
    forget()
    yield copy
    forget()


def copied(folder: Path) -> Path:
    copy = folder / "oneblock"
    for name in FOLDERS:
        shutil.copytree(TREE / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "noxfile.py"):
        shutil.copy(TREE / name, copy / name)
    return copy


def edit(tree: Path, name: str) -> None:
    assert (tree / name).is_file()
    with (tree / name).open("a") as file:
        file.write("\n# another version\n")
    forget()


def identities() -> dict[str, str]:
    made = record()
    found = {}
    for backend in OURS:
        environment = replace(made.environment, software=software(backend, "plain"))
        found[backend] = identity(made.cell, made.tier, environment)
    return found


def test_an_edit_makes_anew_what_depends_on_it_and_nothing_else(tree: Path) -> None:
    before = identities()
    for name in OF_NONE:
        edit(tree, name)
    assert identities() == before
    for name, expected in {**{key: set(OURS) for key in OF_ALL}, **OF_SOME}.items():
        edit(tree, name)
        after = identities()
        changed = {backend for backend in OURS if after[backend] != before[backend]}
        assert changed >= expected, name
        assert name not in OF_SOME or ("reference" in changed) == ("reference" in expected), name
        before = after


@pytest.mark.parametrize("backend", backends.names())
def test_a_backend_depends_on_its_own_and_on_nothing_that_only_reads(backend: str) -> None:
    if backend in FAKES:
        pytest.skip("of another package")
    names = {path.relative_to(TREE).as_posix() for path in sources(backend)}
    assert f"backends/{backend}.py" in names
    assert {f"bench/worker/{path.name}" for path in (TREE / "bench/worker").glob("*.py")} <= names
    reading = ("bench/report/", "bench/terminal/", "bench/judge/", "bench/commands/", "bench/runs/", "labs/", "tests/")
    assert not [name for name in names if name.startswith(reading)]
    others = {f"backends/{other}.py" for other in backends.names()} - {f"backends/{backend}.py"}
    assert names & others <= {"backends/neuron_torch.py"}, "NKI on a device asks it for its driver"


def test_versions_are_those_of_the_backends_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget()
    always = {"python", "source_sha256", "numpy", "ml_dtypes"}
    assert software("reference", "plain").keys() == always
    assert software("torch_eager", "plain").keys() >= always | {"torch"}
    assert not software("torch_eager", "plain").keys() & {"jax", "libtpu", "apache-tvm", "tuned_sha256"}
    assert software("xla_tpu", "plain").keys() >= always | {"jax"}
    assert software("triton_kernels", "kernels").keys() >= {"torch", "triton"}
    assert software("neuron_nki", "kernels").keys() >= {"nki", "neuronx-cc"}, "which no extra can name"
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    assert software("tvm_relax", "tuned")["tuned_sha256"] == store.fingerprint()
    assert "tuned_sha256" not in software("tvm_relax", "plain")


def test_a_third_partys_backend_depends_on_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    own = tmp_path / "oneblock_fakes.py"
    assert own in sources("slow")
    assert TREE / "backends/reference.py" in sources("slow"), "which it is made of"
    before = source_hash("slow")
    assert software("slow", "plain")["oneblock-fakes"] == "1.0"
    own.write_text(own.read_text() + "\n# another version\n")
    forget()
    assert source_hash("slow") != before
    forget()


def test_a_run_finds_its_records_done_until_what_they_depend_on_changes(tmp_path: Path) -> None:
    tree = copied(tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    made = oneblock(env, *RUN, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    (path,) = (tmp_path / "records").glob("*.json")
    assert json.loads(path.read_text())["environment"]["software"].keys() == {
        "python", "source_sha256", "numpy", "ml_dtypes",
    }  # fmt: skip
    for name in (*OF_NONE, "backends/torch_eager.py", "compilers/xla/tpu.py"):
        edit(tree, name)
    assert "1 of 1 cells had a record already" in oneblock(env, *RUN, cwd=tmp_path).stderr
    edit(tree, "workloads/norm.py")
    again = oneblock(env, *RUN, cwd=tmp_path)
    assert "had a record already" not in again.stderr, again.stderr
    assert len([*(tmp_path / "records").glob("*.json")]) == 2
