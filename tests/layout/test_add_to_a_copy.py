"""How many places an addition takes: each is made in a copy of the tree, and used there by the command."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.helpers.tree_copy import command, copied, exchanged

BACKEND = """
from collections.abc import Mapping
from typing import Any

from oneblock.backends.api.deferred import Deferred


class Late(Deferred):
    name = "late"
    ops_sets: Mapping[str, tuple[str, ...]] = {"plain": (), "native": ("rope",)}
    dtypes = ("float32",)
    platforms = ("cpu", "cuda")

    def family(self) -> Any:
        import a_toolchain_that_nobody_has


BACKEND = Late()
"""
FAMILY = """
from oneblock.workloads.models._config import Config
from oneblock.workloads.models._family import Family, Tensors
from oneblock.workloads.models.llama import PARTS

FAMILY = Family(
    "falcon",
    presets=(Config("falcon-tiny", "falcon", 32, 2, 1, 16, 64, rope_theta=1e4, norm="layer_norm", PROPERTIES),),
    tensors=Tensors("model.", "layers", PARTS, transposed=True),
)
"""
REGLU = '''
    def reglu(self, gate: Array, up: Array) -> Array:
        """gate and up (..., F) -> (..., F): max(gate, 0) * up (Shazeer 2020)."""
        return self.xp.where(gate > 0, gate, 0 * gate) * up
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return copied(tmp_path)


def statuses(tree: Path, *words: str) -> dict[tuple[str, str, str], str]:
    """(preset, backend, ops set) -> the status of its record, of a run of the block."""
    size = ("-T", "8", "--phase", "prefill", "-o", "records", "--json")
    done = command(tree, "run", "block", *words, *size)
    assert done.returncode in (0, 1), done.stderr
    found = [(record["cell"], record["status"]) for record in json.loads(done.stdout)]
    return {(cell["case"]["config"]["name"], cell["backend"], cell["ops_set"]): status for cell, status in found}


def test_a_backend_is_its_file_and_an_extra_and_says_what_it_has_without_its_toolchain(tree: Path) -> None:
    (tree / "oneblock/backends/late.py").write_text(BACKEND)
    exchanged(
        tree / "pyproject.toml", ("\nreference = []\n", '\nreference = []\nlate = ["a-toolchain-that-nobody-has"]\n')
    )
    declared = tomllib.loads((tree / "pyproject.toml").read_text())
    own = {path.stem for path in (tree / "oneblock/backends").glob("[!_]*.py")}
    others = declared["tool"]["oneblock"]["extras-that-are-no-backend"]
    assert own == declared["project"]["optional-dependencies"].keys() - set(others), "which noxfile.py reads"
    done = command(tree, "doctor", "--backend", "late", "--json")
    rows = json.loads(done.stdout)["backends"]
    assert [(row["platform"], row["ops_sets"], row["dtypes"]) for row in rows] == [
        (platform, {"plain": [], "native": ["rope"]}, ["float32"]) for platform in ("cpu", "cuda")
    ]
    assert {(row["reason"], row["hint"]) for row in rows} == {
        ("a_toolchain_that_nobody_has is not installed", "pip install 'oneblock[late]'")
    }
    found = statuses(tree, "--preset", "tiny", "--backend", "late")
    assert found == {("tiny", "late", "plain"): "unavailable", ("tiny", "late", "native"): "unavailable"}


def test_what_a_backend_never_had_is_refused_for_that_and_not_for_its_toolchain(tree: Path) -> None:
    (tree / "torch").mkdir()
    (tree / "torch/__init__.py").write_text("raise ModuleNotFoundError('no torch here', name='torch')\n")
    cells = ("norm", "--preset", "tiny", "--phase", "prefill", "--backend", "torch_eager", "--json")
    asked = ("--target", "tpu:v5e", "--target", "cpu", "--ops", "plain", "--ops", "kernels")
    records = json.loads(command(tree, "run", *cells, *asked, "-o", "records").stdout)
    found = {(r["cell"]["target"], r["cell"]["ops_set"]): (r["status"], r["reason"]) for r in records}
    no_target = ("unsupported", "torch_eager has no target tpu (it has cpu, cuda, mps)")
    assert found == {
        ("tpu:v5e", "plain"): no_target,
        ("tpu:v5e", "kernels"): no_target,
        ("cpu", "kernels"): ("unsupported", "torch_eager has no kernels ops (it has plain, native)"),
        ("cpu", "plain"): ("unavailable", "torch is not installed"),
    }


def test_a_preset_and_a_family_are_one_file_each(tree: Path) -> None:
    exchanged(
        tree / "oneblock/workloads/models/llama.py",
        (
            "    presets=(\n",
            '    presets=(\n        Config("llama-mini", "llama", 32, 2, 1, 16, 64, rope_theta=1e4),\n',
        ),
    )
    text = FAMILY.replace("PROPERTIES", 'activation="gelu", gated=False')
    (tree / "oneblock/workloads/models/falcon.py").write_text(text)
    helped = command(tree, "run", "--help").stdout
    names = ("llama-mini", "falcon-tiny")
    assert all(name in helped for name in names), "the help is made of the presets"
    found = statuses(tree, "--preset", names[0], "--preset", names[1], "--backend", "reference")
    assert found == {(name, "reference", "plain"): "passed" for name in names}


def test_an_operation_takes_three_files_and_kernels_leave_it_to_the_text(tree: Path) -> None:
    """With its family a fourth; a kernel of it is a file and a method more for each backend that has kernels."""
    workloads = tree / "oneblock/workloads"
    exchanged(
        workloads / "ops/definitions.py",
        ('    "experts",\n)', '    "experts",\n    "reglu",\n)'),
        (
            "    # ---------------------------------------------------------------- shared by",
            f"{REGLU}\n    # shared by",
        ),
    )
    exchanged(
        workloads / "models/_config.py",
        ('Literal["silu", "gelu", "gelu_erf"]', 'Literal["silu", "gelu", "gelu_erf", "relu"]'),
        (
            '    ("gelu_erf", False): "gelu_erf",\n',
            '    ("gelu_erf", False): "gelu_erf",\n    ("relu", True): "reglu",\n',
        ),
    )
    exchanged(workloads / "mlp.py", ('"gelu": 9, ', '"gelu": 9, "reglu": 2, '))
    (workloads / "models/falcon.py").write_text(FAMILY.replace("PROPERTIES", 'activation="relu"'))
    words = ("--preset", "falcon-tiny", "--backend", "reference", "--backend", "neuron_nki", "--target", "neuron:trn2")
    found = statuses(tree, *words, "--target", "cpu")
    assert found[("falcon-tiny", "reference", "plain")] in ("passed", "unsupported")
    assert found[("falcon-tiny", "neuron_nki", "kernels")] in ("interpreted", "unsupported")
    records = [json.loads(path.read_text()) for path in (tree / "records").glob("*.json")]
    assert {r["cell"]["backend"] for r in records if r["status"] in ("passed", "interpreted")} == {
        "reference", "neuron_nki",
    }  # fmt: skip
    done = command(tree, "doctor", "--backend", "neuron_nki", "--json")
    assert "reglu" not in json.loads(done.stdout)["backends"][0]["ops_sets"]["kernels"]
