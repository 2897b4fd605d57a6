"""A record stands as long as nothing changed that its outcome depends on, and no longer."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell, Weights
from oneblock.bench.records import dependence
from oneblock.bench.records.dependence import software, source_hash, sources, versions
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Tpu
from oneblock.compilers.tvm import store
from tests.bench.report.test_report import record
from tests.helpers.fakes import FAKES
from tests.helpers.oneblock_process import install, oneblock, publish
from tests.helpers.tree_copy import copied, environment

TREE = Path(__file__).parents[3]
RUN = ("run", "norm", "--preset", "tiny", "-T", "8", "--phase", "prefill", "--backend", "reference", "-o", "records")
OURS = ("reference", "torch_eager", "torch_inductor", "triton_kernels", "neuron_nki", "tvm_relax", "xla_tpu")
OF_ALL = (
    "workloads/block.py", "workloads/ops/definitions.py", "workloads/answers/reference.py", "bench/worker/sampling.py",
    "bench/worker/measure_job.py", "bench/worker/ceilings.py", "bench/cells/tiers.py", "compilers/api/facts.py",
)  # fmt: skip
OF_NONE = (
    "bench/report/page.py", "bench/report/plots/plots.py", "bench/terminal/records.py", "bench/judge/stats.py",
    "bench/judge/compare.py", "bench/runs/run.py", "bench/commands/show.py", "bench/records/find.py",
    "bench/records/bundle.py", "bench/records/history.py", "bench/records/old_facts.py",
    "bench/worker/bisect_job.py", "bench/worker/export_job.py", "bench/worker/pass_search.py",
    "bench/worker/probe_job.py", "bench/worker/trn_job.py", "bench/worker/tune_job.py",
    "compilers/chips/makers/nvidia_gpus.py", "compilers/chips/makers/tpus.py", "compilers/dialects/hlo.py",
    "workloads/models/gpt2.py", "workloads/models/llama.py", "labs/xla_tpu.py", "README.md", "noxfile.py",
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
    for cached in (versions, source_hash, sources):
        cached.cache_clear()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the tree, to be edited."""
    copy = copied_whole(tmp_path)
    monkeypatch.setattr(dependence, "ROOT", copy)
    forget()
    yield copy
    forget()


def copied_whole(folder: Path) -> Path:
    copy = copied(folder) / "oneblock"
    for name in ("README.md", "noxfile.py"):
        shutil.copy(TREE / name, copy / name)
    return copy


def edit(tree: Path, name: str) -> None:
    assert (tree / name).is_file()
    with (tree / name).open("a") as file:
        file.write("\n# another version\n")
    forget()


def cell(backend: str, ops_set: str = "plain", workload: str = "block", target: str = "cpu") -> Cell:
    made = record(backend, ops_set).cell
    return replace(made, case=replace(made.case, workload=workload), target=Target(target))


def identity_of(made: Cell) -> str:
    return made.identity("smoke", record().environment.machine, software(made))


def identities() -> dict[str, str]:
    return {backend: identity_of(cell(backend)) for backend in OURS}


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


def test_a_cell_depends_on_its_own_workload_and_those_that_it_is_made_of(tree: Path) -> None:
    made = {name: cell("reference", workload=name) for name in ("norm", "mlp", "attention", "block")}
    of = {
        "norm": {*made},
        "mlp": {"mlp", "attention", "block"},
        "attention": {"attention", "block"},
        "block": {"block"},
    }
    for name, expected in of.items():
        before = {workload: identity_of(one) for workload, one in made.items()}
        edit(tree, f"workloads/{name}.py")
        assert {workload for workload, one in made.items() if identity_of(one) != before[workload]} == expected


def test_a_checkpoint_depends_on_what_its_family_calls_the_tensors(tree: Path) -> None:
    seeded = cell("reference")
    loaded = replace(seeded, weights=Weights("model.safetensors", 0, "1a2b"))
    family = seeded.case.config.family
    before = identity_of(seeded), identity_of(loaded)
    edit(tree, f"workloads/models/{family}.py")
    assert identity_of(seeded) == before[0]
    assert identity_of(loaded) != before[1]


def test_a_cell_depends_on_what_is_stated_of_its_targets_chip_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    near, far, host = (cell("xla_tpu", target=target) for target in ("tpu:v5e", "tpu:v6e", "cpu"))
    before = [identity_of(one) for one in (near, far, host)]
    assert "chip_sha256" not in software(host)
    v5e = chips.load("tpu:v5e", Tpu)
    own = {**chips.own(), "tpu:v5e": replace(v5e, memory_bytes=replace(v5e.memory_bytes, value=1))}
    monkeypatch.setattr(chips, "own", lambda: own | {"tpu:v99": replace(v5e, target="tpu:v99")})
    changed = [identity_of(one) != was for one, was in zip((near, far, host), before, strict=True)]
    assert changed == [True, False, False]


@pytest.mark.parametrize("backend", backends.names())
def test_a_backend_depends_on_its_own_and_on_nothing_that_only_reads(backend: str) -> None:
    if backend in FAKES:
        pytest.skip("of another package")
    names = {path.relative_to(TREE).as_posix() for path in sources(backend, "norm")}
    assert f"backends/{backend}.py" in names
    jobs = {f"bench/worker/{path.name}" for path in (TREE / "bench/worker").glob("*_job.py")}
    making = {f"bench/worker/{name}_job.py" for name in ("reference", "judge", "limits", "measure")}
    assert names & jobs == making, "what makes a record, its verdict and its limits, and no other job"
    assert {"bench/worker/launch.py", "bench/worker/main.py", "workloads/norm.py"} <= names
    assert not names & {"workloads/block.py", "workloads/models/llama.py", "compilers/chips/makers/amd_gpus.py"}
    reading = ("bench/report/", "bench/terminal/", "bench/judge/", "bench/commands/", "bench/runs/", "labs/", "tests/")
    assert not [name for name in names if name.startswith(reading)]
    others = {f"backends/{other}.py" for other in backends.names()} - {f"backends/{backend}.py"}
    assert names & others <= {"backends/neuron_torch.py"}, "NKI on a device asks it for its driver"


def test_versions_are_those_of_the_backends_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget()
    always = {"python", "source_sha256", "numpy", "ml_dtypes"}
    assert software(cell("reference")).keys() == always
    assert software(cell("torch_eager")).keys() >= always | {"torch"}
    assert not software(cell("torch_eager")).keys() & {"jax", "libtpu", "apache-tvm", "tuned_sha256"}
    assert software(cell("xla_tpu")).keys() >= always | {"jax"}
    assert software(cell("triton_kernels", "kernels")).keys() >= {"torch", "triton"}
    assert software(cell("neuron_nki", "kernels")).keys() >= {"nki", "neuronx-cc"}, "which no extra can name"
    monkeypatch.setenv("ONEBLOCK_TUNED", str(tmp_path))
    assert software(cell("tvm_relax", "tuned"))["tuned_sha256"] == store.fingerprint()
    assert "tuned_sha256" not in software(cell("tvm_relax"))


def test_a_third_partys_backend_depends_on_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    own = tmp_path / "oneblock_fakes.py"
    assert own in sources("slow", "block")
    assert TREE / "backends/reference.py" in sources("slow", "block"), "which it is made of"
    before = source_hash("slow", "block")
    assert software(cell("slow"))["oneblock-fakes"] == "1.0"
    own.write_text(own.read_text() + "\n# another version\n")
    forget()
    assert source_hash("slow", "block") != before
    forget()


def test_a_third_partys_backend_depends_on_the_toolchain_that_it_requires(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path)
    metadata = tmp_path / "oneblock_fakes-1.0.dist-info" / "METADATA"
    needs = ("oneblock", "Their.Compiler>=2", "absent", 'device-kit; extra == "slow"', 'pytest; extra == "dev"')
    metadata.write_text(metadata.read_text() + "".join(f"Requires-Dist: {need}\n" for need in needs))
    for name, requires in (("Their.Compiler", "their-colours"), ("their-colours", "rich"), ("device-kit", "rich")):
        distribution(tmp_path, name, "2.0", requires)
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    found = software(cell("slow"))
    assert {name: found[name] for name in ("oneblock-fakes", "Their.Compiler", "absent", "device-kit")} == {
        "oneblock-fakes": "1.0", "Their.Compiler": "2.0", "absent": None, "device-kit": "2.0",
    }  # fmt: skip
    assert not found.keys() & {"oneblock", "pytest", "their-colours", "rich"}, "which make no program"
    assert "device-kit" not in software(cell("memory_error")), "which has no such extra"
    before = identity_of(cell("slow"))
    shutil.rmtree(tmp_path / "their_compiler-2.0.dist-info")
    distribution(tmp_path, "Their.Compiler", "2.1", "their-colours")
    forget()
    assert identity_of(cell("slow")) != before
    forget()


def distribution(folder: Path, name: str, version: str, requires: str) -> None:
    """Somebody's installed package, as far as its metadata."""
    info = folder / f"{re.sub('[-.]', '_', name).lower()}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: {requires}\n"
    )


def test_a_third_partys_workload_depends_on_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(tmp_path, "theirs", "from oneblock.workloads import mlp\n", {"oneblock.workloads": {"scaled": "WORKLOAD"}})
    metadata = tmp_path / "theirs-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Requires-Dist: their-numbers\n")
    distribution(tmp_path, "their-numbers", "3.0", "rich")
    monkeypatch.syspath_prepend(tmp_path)
    forget()
    theirs, ours = cell("reference", workload="scaled"), cell("reference")
    own = tmp_path / "theirs.py"
    assert {own, TREE / "workloads/mlp.py"} <= {*sources("reference", "scaled")}
    assert own not in sources("reference", "block")
    found = software(theirs)
    assert (found["theirs"], found["their-numbers"]) == ("1.0", "3.0")
    assert not software(ours).keys() & {"theirs", "their-numbers"}
    before = identity_of(theirs), identity_of(ours)
    own.write_text("what is no Python is hashed as it stands\n")
    forget()
    assert identity_of(theirs) != before[0]
    assert identity_of(ours) == before[1]
    forget()


@pytest.mark.slow
def test_a_run_finds_its_records_done_until_what_they_depend_on_changes(tmp_path: Path) -> None:
    tree, env = copied_whole(tmp_path), environment(tmp_path)
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
