"""What another package adds by an entry point: run, shown and reported as ours, or refused in a sentence, alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends import reference
from oneblock.backends.api.declared import wrong
from tests.helpers.oneblock_process import cache_folder, oneblock

SOURCE = """
from dataclasses import replace
from oneblock.backends.api.backend import Compiled, Availability, Unavailable, no_lowering
from oneblock.backends.api.host import NumpyExecutable
from oneblock.backends.reference import Reference
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Phase, Spec, StepCost
from oneblock.workloads.models import Config
from oneblock.workloads.norm import WORKLOAD
from oneblock.workloads.ops.numpy_ops import NumpyOps


class Doubled(NumpyOps):
    def rms_norm(self, x, weight, eps):
        return super().rms_norm(x + x, weight, 4 * eps)  # the same: a norm does not see a scale


class Mine(Reference):
    def __init__(self, name, **declared):
        self.name = name
        self.ops_sets = {"plain": (), "doubled": ("rms_norm",)}
        vars(self).update(declared)

    def compile(self, workload, case, arrays, ops_set, target):
        ops = Doubled() if ops_set == "doubled" else NumpyOps()
        return Compiled(NumpyExecutable(workload, case, ops), no_lowering)


class Half:
    name, ops_sets, dtypes, platforms = "half", {"plain": ()}, ("float32",), ("cpu",)


half = Half()
mine, misnamed, reference = Mine("mine"), Mine("other"), Mine("reference")
no_sets, listed, strange = Mine("no_sets", ops_sets={}), Mine("listed", ops_sets=("plain",)), Mine("strange")
strange.ops_sets = {"plain": (), "native": ("rmsnorm",)}
nowhere = Mine("nowhere", platforms=("abacus",))
none_replaced, no_dtypes = Mine("none_replaced", ops_sets={"plain": None}), Mine("no_dtypes", dtypes=None)
unhashed, probeless = Mine("unhashed", dtypes=[[]]), Mine("probeless", probe=None)
unnamed_set = Mine("unnamed_set", ops_sets={1: ()})


class Shy(Mine):
    @property
    def dtypes(self):
        raise RuntimeError("not today")


class Odd(Mine):
    def probe(self, target):
        return Availability("measured", 5) if target.architecture is None else None


class Picky(Mine):
    def probe(self, target):
        if target.architecture == "sm_90":
            raise RuntimeError("that chip")
        if target.architecture is None:
            raise Unavailable("no such device", 5)
        return Availability(Kind.COMPILED, "a compiler")


shy, odd, picky = Shy("shy"), Odd("odd"), Picky("picky", platforms=("cuda",))

twice, block = replace(WORKLOAD, name="twice"), replace(WORKLOAD, name="block")
no_input, no_specs = replace(WORKLOAD, name="no_input", main_input="z"), replace(WORKLOAD, name="no_specs", specs=None)
halves = {
    "specs_none": {"specs": lambda case: None}, "specs_bare": {"specs": lambda case: {"x": (1, 2)}},
    "specs_shape": {"specs": lambda case: {"x": Spec(None)}}, "no_costs": {"costs": lambda case, size: None},
    "no_outputs": {"outputs": lambda case: {}}, "listed_output": {"outputs": lambda case: {"y": [1, 4]}},
    "cost_bare": {"costs": lambda case, size: [("norm", 1, 1)]}, "no_program": {"program": None},
    "cost_text": {"costs": lambda case, size: [StepCost("norm1", "1", 1)]}, "phases_text": {"phases": ("prefill",)},
    "state_lost": {"specs": lambda case: {n: replace(s, is_state=n == "x") for n, s in WORKLOAD.specs(case).items()}},
    "late": {"specs": lambda case: WORKLOAD.specs(case) if case.T > 1 else None, "phases": tuple(Phase)},
}
vars().update({name: replace(WORKLOAD, name=name, **half) for name, half in halves.items()})
homeless = Config("homeless", "lama", 32, 2, 1, 16, 64)


def __getattr__(name):
    if name == "fraction":
        return Config("fraction", "llama", 32.5, 2, 1, 16, 64)
    if name == "eps":
        return Config("eps", "llama", 32, 2, 1, 16, 64, norm_eps="1e-5")
    raise AttributeError(name)


small, tiny, other = (Config(name, "llama", 32, 2, 1, 16, 64, rope_theta=1e4) for name in ("small", "tiny", "other"))
"""
GROUPS = {
    "backends": (
        "mine", "half", "misnamed", "reference", "no_sets", "listed", "strange", "nowhere", "typo",
        "none_replaced", "no_dtypes", "unhashed", "probeless", "unnamed_set", "Mine", "shy", "odd", "picky",
    ),
    "workloads": (
        "twice", "block", "no_input", "no_specs", "misnamed", "typo", "specs_none", "specs_bare", "specs_shape",
        "no_costs", "no_outputs", "listed_output", "cost_bare", "cost_text", "no_program", "phases_text", "late",
        "state_lost",
    ),
    "configurations": ("small", "tiny", "misnamed", "half", "typo", "homeless", "fraction", "eps"),
}  # fmt: skip
SAYS = {
    "backends": {
        "half": "which is not a Backend: it has no probe, compile, compilations",
        "misnamed": "calls itself 'other': expected 'misnamed', under which it is registered",
        "no_sets": "declares the ops sets {}: expected each set with the operations that it replaces",
        "listed": "declares the ops sets ('plain',)",
        "strange": "says that native replaces ['rmsnorm']: expected some of linear, rms_norm",
        "nowhere": "declares the platforms ('abacus',): expected some of cpu",
        "none_replaced": "says that plain replaces None: expected a tuple of operations",
        "no_dtypes": "declares the dtypes None: expected some of float32",
        "unhashed": "does not say what it offers: TypeError",
        "probeless": "names a Mine, which is not a Backend: it has no probe",
        "unnamed_set": "declares the ops set 1: expected a name",
        "Mine": "names the class Mine: expected a backend, Mine() say",
        "shy": "does not say what it offers: RuntimeError: not today",
        "raises": "does not load: RuntimeError: on the way; mend or uninstall a-package",
        "exits": "does not load: SystemExit: 3",
        "skips": "does not load: Skipped: not here",
        "silent": "does not load: Silent, which says nothing",
        "typo": "does not load: AttributeError",
    },
    "workloads": {
        "no_input": "has the main input 'z': expected one of its arrays, x, norm1_weight",
        "no_outputs": "has the outputs {}: expected a tuple of whole numbers from 1 by the name of each",
        "listed_output": "has the outputs {'y': [1, 4]}: expected a tuple",
        "no_specs": "does not say its arrays, outputs and costs: TypeError",
        "specs_none": "has the arrays None: expected a Spec by the name of each",
        "specs_bare": "has the array 'x', (1, 2): expected a Spec",
        "specs_shape": "has x of the shape None: expected a tuple",
        "no_costs": "has the costs None: expected a list of StepCost",
        "cost_bare": "has the costs [('norm', 1, 1)]: expected a list of StepCost",
        "cost_text": "expected whole numbers of FLOPs and bytes",
        "no_program": "has the program None: expected a function",
        "phases_text": "has the phases ('prefill',): expected a tuple of some of prefill, decode",
        "late": "has the arrays None",
        "state_lost": "has the state x: expected an input (..., S, D) that is an output of its name and shape",
        "misnamed": "names a Mine: expected a Workload",
        "raises": "does not load: RuntimeError: on the way",
        "exits": "does not load: SystemExit: 3",
        "skips": "does not load: Skipped: not here",
        "silent": "does not load: Silent, which says nothing",
        "typo": "does not load: AttributeError",
    },
    "configurations": {
        "misnamed": "calls itself 'other': expected 'misnamed'",
        "half": "expected a Config of oneblock.workloads.models",
        "homeless": "unknown family 'lama'; did you mean 'llama'",
        "fraction": "width of 'fraction': expected a whole number, got 32.5",
        "eps": "norm_eps of 'eps': expected a positive number, got '1e-5'",
        "raises": "does not load: RuntimeError: on the way",
        "exits": "does not load: SystemExit: 3",
        "skips": "does not load: Skipped: not here",
        "silent": "does not load: Silent, which says nothing",
        "typo": "does not load: AttributeError",
    },
}
TAKEN = {"backends": "reference", "workloads": "block", "configurations": "tiny"}
LOADED = """
import json
from oneblock import backends, workloads
from oneblock.workloads import models
said = {}
for group, names, load in (
    ("backends", backends.names(), backends.load), ("workloads", workloads.names(), workloads.load),
    ("configurations", models.names(), models.preset),
):
    said[group] = {}
    for name in names:
        try:
            said[group][name] = type(load(name)).__name__
        except (LookupError, backends.Unavailable) as error:
            said[group][name] = f"{error}; {getattr(error, 'hint', '')}"
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which somebody's package is installed, and much of it is wrong."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "a_package.py").write_text(SOURCE)
    (folder / "a_package_raises.py").write_text("raise RuntimeError('on the way')\n")
    (folder / "a_package_exits.py").write_text("raise SystemExit(3)\n")
    (folder / "a_package_silent.py").write_text(
        "class Silent(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Silent\n"
    )
    (folder / "a_package_skips.py").write_text("class Skipped(BaseException): pass\nraise Skipped('not here')\n")
    info = folder / "a_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-package\nVersion: 1.0\n")
    lines = []
    for group, points in GROUPS.items():
        objects = {"misnamed": "other"} if group == "configurations" else {}
        lines += [f"[oneblock.{group}]", *(f"{name} = a_package:{objects.get(name, name)}" for name in points)]
        lines += ["raises = a_package_raises:X", "exits = a_package_exits:X", "skips = a_package_skips:X"]
        lines.append("silent = a_package_silent:X")
        lines.append("not.a.name = a_package:mine")
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": cache_folder(), "TMPDIR": str(folder)}


@pytest.fixture(scope="module")
def loaded(env: dict[str, str]) -> Any:
    done = subprocess.run([sys.executable, "-c", LOADED], env=env, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, said in SAYS.items() for name in said])
def test_what_is_wrong_is_named_and_refused(loaded: Any, group: str, name: str) -> None:
    said = loaded[group][name]
    assert SAYS[group][name] in said
    assert f"oneblock.{group} {name!r} of a-package" in said


def test_the_rest_loads_and_ours_are_ours(loaded: Any) -> None:
    assert [loaded["backends"]["mine"], loaded["backends"]["reference"]] == ["Mine", "Reference"]
    assert [loaded["workloads"][name] for name in ("twice", "block", "norm")] == ["Workload"] * 3
    assert [loaded["configurations"][name] for name in ("small", "tiny", "gpt2")] == ["Config"] * 3
    assert all("not.a.name" not in names for names in loaded.values())


def test_a_workload_a_configuration_and_a_backend_with_ops_of_its_own_are_run_shown_and_plotted(
    env: dict[str, str], tmp_path: Path
) -> None:
    words = ("twice", "--preset", "small", "-T", "8", "--backend", "mine", "-o", "records")
    done = oneblock(env, "run", *words, "--report", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    shown = oneblock(env, "show", "-o", "records", "--json", cwd=tmp_path)
    cells = {(r["cell"]["case"]["workload"], r["cell"]["ops_set"], r["status"]) for r in json.loads(shown.stdout)}
    assert cells == {("twice", "plain", "passed"), ("twice", "doubled", "passed")}
    page = (tmp_path / "records/report.html").read_text()
    assert '"domain":["plain","native","kernels","tuned","doubled"]' in page
    refused = oneblock(env, "run", *words, "--ops", "trebled", cwd=tmp_path)
    assert refused.returncode == 2
    assert "unknown ops set 'trebled'" in refused.stderr
    assert "doubled" in refused.stderr


def test_what_is_asked_for_and_refused_is_a_mistake_and_stops_nobody_else(env: dict[str, str], tmp_path: Path) -> None:
    for words, says in (
        (("norm", "--preset", "raises"), "RuntimeError: on the way"),
        (("no_input", "--preset", "tiny"), "has the main input 'z'"),
        (("norm", "--preset", "tiny", "--backend", "half"), "half does not say which ops it has"),
    ):
        done = oneblock(env, "run", *words, "-o", "records", cwd=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert says in done.stderr


def test_the_doctor_names_all_that_is_refused(env: dict[str, str], tmp_path: Path) -> None:
    done = oneblock(env, "doctor", "--backend", "mine", "--backend", "strange", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    rows = {row["backend"]: row for row in told["backends"]}
    assert rows["mine"]["ops_sets"] == {"plain": [], "doubled": ["rms_norm"]}
    assert SAYS["backends"]["strange"] in rows["strange"]["reason"]
    for group, name in TAKEN.items():
        sentence = f"oneblock.{group} {name!r} of a-package (a_package:{name}): oneblock itself has one of that name"
        assert any(sentence in one and "rename it in a-package" in one for one in told["refused"])
    for group in ("workloads", "configurations"):
        assert all(any(says in one for one in told["refused"]) for says in SAYS[group].values())
    assert sum("expected a name of letters, digits, _ and -" in one for one in told["refused"]) == 3


def test_a_probe_that_answers_nonsense_costs_one_row_and_one_chip(env: dict[str, str], tmp_path: Path) -> None:
    asked = (word for name in ("odd", "picky", "reference") for word in ("--backend", name))
    done = oneblock(env, "doctor", *asked, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["backend"]: row for row in json.loads(done.stdout)["backends"]}
    assert "expected an Availability with a name, got Availability(kind='measured', name=5)" in rows["odd"]["reason"]
    assert (rows["picky"]["reason"], rows["picky"]["hint"]) == ("no such device", "5")
    assert "cuda:sm_80" in rows["picky"]["compiles_for"]
    assert "cuda:sm_90" not in rows["picky"]["compiles_for"]
    assert rows["reference"]["device"] is not None


def test_helping_loads_nothing_of_theirs(env: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys; from oneblock.bench.commands._app import cli; cli.main(['--help'], standalone_mode=False);"
        "print('a_package' in sys.modules, 'a_package_raises' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "False False\n")


def test_an_entry_point_that_names_a_module_is_told_which_object_to_name() -> None:
    """What "an entry point of your package" suggests, and the first that a person tries."""
    said = wrong(reference, "mine") or ""
    assert said == "names a module: expected the backend in it, as in oneblock.backends.reference:BACKEND"
    assert wrong(reference.BACKEND, "reference") is None
