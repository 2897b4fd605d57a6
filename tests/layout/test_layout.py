"""The layout: imports point one way and cost nothing, files are the registry, and nothing is listed twice."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from oneblock import backends

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = ("workloads", "compilers", "backends", "bench", "labs")
TOOLCHAINS = {
    "torch", "torchax", "torch_xla", "torch_tpu", "jax", "jaxlib", "libtpu", "triton", "tvm", "torch_neuronx", "nki",
    "transformers",
}  # fmt: skip
MAY_IMPORT = {
    "workloads": {"workloads"},
    "compilers": {"compilers"},
    "backends": {"workloads", "compilers", "backends"},
    "bench": {"workloads", "compilers", "backends", "bench"},
    "labs": set(FOLDERS),
}
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    ours = {name.split(".")[1] for name in imported(path) if name.startswith("oneblock.")}
    assert ours <= MAY_IMPORT[folder], f"{folder} may import {MAY_IMPORT[folder]}"
    toolchains = {name.split(".")[0] for name in imported(path)} & TOOLCHAINS
    if folder in ("workloads", "bench") or path.name.startswith("_"):
        assert not toolchains, "machinery imports no toolchain"


def test_the_import_contracts_have_no_exceptions() -> None:
    """But for the api of the backends, which lies among what bench may not import and is there to be imported."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    excepted = [one for contract in contracts for one in contract.get("ignore_imports", [])]
    assert excepted == ["oneblock.bench.** -> oneblock.backends.api.**"]


def test_ray_is_imported_by_one_file() -> None:
    """By a process of its own: see what that file says."""
    found = [
        path.relative_to(ROOT).as_posix() for path in FILES if {one.split(".")[0] for one in imported(path)} >= {"ray"}
    ]
    assert found == ["bench/fleet/on_ray.py"]
    by = {path.name for path in FILES if any(name.endswith("fleet.on_ray") for name in imported(path))}
    assert not by, "it is run, and not imported"


def imported_by_name(tree: ast.AST) -> list[str]:
    """What modules whose names are strings begin with: "?" where that cannot be read off."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            name = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
            if isinstance(name, ast.FormattedValue) and ast.unparse(name.value) in ("__name__", "__package__"):
                found.append("oneblock.bench.")  # of the file's own folder
            else:
                found.append(str(name.value) if isinstance(name, ast.Constant) else "?")
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "bench").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_bench_imports_by_name_nothing_but_its_own(path: Path) -> None:
    """The import contracts do not see a module whose name is a string."""
    assert all(name.startswith("oneblock.bench.") for name in imported_by_name(ast.parse(path.read_text())))


@pytest.mark.parametrize(
    "line",
    ['importlib.import_module("oneblock.compilers.nki")', 'import_module(f"oneblock.compilers.{x}.pins")',
     'import_module(f"oneblock.{x}")', "import_module(name)", '__import__("oneblock.backends.jax_xla")'],
)  # fmt: skip
def test_a_toolchain_imported_by_name_is_seen(line: str) -> None:
    (name,) = imported_by_name(ast.parse(line))
    assert not name.startswith("oneblock.bench.")


def test_listing_and_helping_import_no_toolchain_and_nothing_heavy() -> None:
    code = (
        "import sys; from oneblock import backends, workloads; backends.names(); workloads.names();"
        "import oneblock.bench.runs.run, oneblock.bench.cells.query; print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert loaded.isdisjoint(TOOLCHAINS)
    code = (
        "import sys; from oneblock.bench.commands._app import cli;"
        "cli.main(['--help'], standalone_mode=False); print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = TOOLCHAINS | {"numpy", "scipy", "pydantic", "altair", "rich", "psutil", "jinja2"}
    assert set(done.stderr.split()).isdisjoint(heavy), "oneblock --help must stay instant"
    assert "doctor" in done.stdout


def test_a_command_imports_no_backend_of_others() -> None:
    """What may end the process is loaded by workers; by `export --for` alone, which is told whom to ask."""
    loads = re.compile(r"backends\.load\(|from oneblock\.backends import .*\bload\b")
    found = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "bench").rglob("*.py") if loads.search(path.read_text())
    }
    assert {path for path in found if not path.startswith("bench/worker/")} == {"bench/commands/export.py"}


def test_every_backend_has_an_extra_of_its_name_and_every_extra_a_backend() -> None:
    own = {path.stem for path in (ROOT / "backends").glob("[!_]*.py")}
    no_backends = set(PYPROJECT["tool"]["oneblock"]["extras-that-are-no-backend"])
    assert own.isdisjoint(no_backends)
    assert no_backends <= PYPROJECT["project"]["optional-dependencies"].keys(), "none that is gone"
    assert own == PYPROJECT["project"]["optional-dependencies"].keys() - no_backends
    assert own <= set(backends.names())


def test_every_folder_with_code_is_installed() -> None:
    packages = {f"oneblock.{folder}" for folder in FOLDERS}
    sections = ROOT / "bench" / "report" / "sections"
    data = PYPROJECT["tool"]["setuptools"]["package-data"]["oneblock.bench.report.sections"]
    shipped = {path for pattern in data for path in sections.glob(pattern)}
    own = {path for path in sections.glob("*/*") if path.is_file() and path.suffix != ".pyc"}
    assert own == shipped, "a section's files are by these names"
    lab_data = PYPROJECT["tool"]["setuptools"]["package-data"]["oneblock.labs"]
    of_labs = {path for pattern in lab_data for path in (ROOT / "labs").glob(pattern)}
    lab_files = {path for path in (ROOT / "labs").glob("[0-9]*/**/*") if path.is_file() and path.suffix != ".pyc"}
    assert lab_files <= of_labs, "a lab's files are by these names"
    shipped |= of_labs
    files = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py") if p not in shipped]
    nested = {p.parent for p in files} - {ROOT / f for f in FOLDERS}
    packages |= {"oneblock." + ".".join(p.relative_to(ROOT).parts) for p in nested}
    assert packages == set(PYPROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("path", [p for p in FILES if not p.name.startswith("_")], ids=lambda p: p.stem)
def test_no_file_shadows_a_library_when_it_is_run_as_a_script(path: Path) -> None:
    spec = importlib.util.find_spec(path.stem)
    assert spec is None or Path(str(spec.origin)).parent == ROOT / path.parent.name


def test_a_backend_replaces_only_what_the_seam_lets_it() -> None:
    """A method that the seam does not know, say `rmsnorm`, would silently leave the plain one in use."""
    from oneblock.workloads.ops.definitions import OPS

    spelt = {"step", "wide", "narrow", "arange", "erf", "matmul", "take", "write"}
    allowed = {*OPS, *spelt, "attention_paged", "head", "__init__", "run"}  # run: who carries a kernel out
    found = []
    for path in (ROOT / "backends").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and any("Ops" in ast.unparse(base) for base in node.bases):
                found.append(node.name)
                methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
                assert methods <= allowed, f"{path.name}: {node.name} defines {methods - allowed}"
    assert {"TorchNativeOps", "ShippedKernels", "InterpretedOps"} <= set(found)


def test_files_and_functions_stay_small() -> None:
    long = [f"{p.relative_to(ROOT)}: {n} lines" for p in FILES if (n := len(p.read_text().splitlines())) > 250]
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and (n := (node.end_lineno or 0) - node.lineno + 1) > 60:
                long.append(f"{path.relative_to(ROOT)}: {node.name} has {n} lines")
    assert not long
