"""Kernels of one's own in the place of ours, on the command line: checked, counted, told from ours, and told apart."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneblock.backends.api.own_kernels import OwnKernel, OwnKernelError, OwnKernels
from tests.helpers.oneblock_process import oneblock_here
from tests.helpers.triton_here import load

LABS = Path(__file__).parents[2] / "labs"
WAYS = {
    "neuron_nki": ("own_nki.py", ["neuron:trn2"]),
    "pallas_tpu": ("own_pallas.py", ["cpu", "tpu:v5e:2x2"]),
    "triton_kernels": ("own_triton.py", ["cpu", "cuda:sm_90"]),
}
SIZES = ("--preset", "tiny", "--phase", "prefill", "-T", "8", "-o", "records")


def measured(folder: Path, backend: str, *words: str, workload: str = "norm") -> tuple[int, list[dict[str, Any]]]:
    targets = [word for target in WAYS[backend][1] for word in ("--target", target)]
    done = oneblock_here("run", workload, *SIZES, "--backend", backend, *targets, *words, "--json", cwd=folder)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def edited(folder: Path, backend: str, *changes: tuple[str, str]) -> str:
    """The option for a copy of a laboratory's kernel, in which something stands otherwise."""
    text = (LABS / WAYS[backend][0]).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "my.py").write_text(text)
    return "--replace=rms_norm=my.py:rms_norm"


@pytest.mark.parametrize("backend", WAYS)
def test_it_takes_the_place_of_ours_and_is_counted_as_ours_and_named(backend: str, tmp_path: Path) -> None:
    load(backend)
    status, records = measured(tmp_path, backend, edited(tmp_path, backend))
    assert status == 0, [record["reason"] for record in records]
    for record in records:
        (own,) = record["cell"]["replaced"]
        assert (own["operation"], own["path"], own["function"]) == ("rms_norm", "my.py", "rms_norm")
        assert own["sha256"] == hashlib.sha256((tmp_path / "my.py").read_bytes()).hexdigest()
        assert record["status"] == (
            "compiled" if record["cell"]["target"] in ("tpu:v5e:2x2", "cuda:sm_90") else "interpreted"
        )
        if record["cell"]["target"] != "cpu":
            assert record["facts"]["calls"] or record["facts"]["steps"]
    shown = oneblock_here("show", f"{backend} replaced", "-o", "records", cwd=tmp_path) if len(records) == 1 else None
    assert shown is None or "a kernel of somebody's own, and not ours" in shown.stdout


WRONG = {
    "neuron_nki": ("operand1=eps", "operand1=1.0"),
    "pallas_tpu": ("+ eps)", "+ 1.0)"),
    "triton_kernels": ("/ width + eps", "/ width + 1.0"),
}


@pytest.mark.parametrize("backend", WAYS)
def test_a_wrong_one_is_a_wrong_answer(backend: str, tmp_path: Path) -> None:
    load(backend)
    status, records = measured(tmp_path, backend, edited(tmp_path, backend, WRONG[backend]))
    here = next(record for record in records if record["cell"]["target"] not in ("tpu:v5e:2x2", "cuda:sm_90"))
    assert (status, here["status"]) == (1, "failed")
    assert "rms error" in here["reason"]


ENDINGS: list[tuple[str, tuple[str, str], str, str]] = [
    ("neuron_nki", ("import numpy as np", "import nothere as np"), "crashed", r"my.py line 10 \(import nothere"),
    ("neuron_nki", ("import nki\n", "import neuronxcc.nki as nki\n"), "crashed", "its successor is nki"),
    ("neuron_nki", ("M, C = x.shape", "M, C = x.shape[0] / 0, 1"), "crashed", "my.py line 19 .*ZeroDivisionError"),
    ("neuron_nki", ("(rows, 1)", "(200, 1)"), "crashed", "my.py line .*RuleError"),
    ("neuron_nki", ("(x, weight, eps)", "(x, weight)"), "unsupported", r"the signature of ours, \(x \(M, C\)"),
    ("neuron_nki", ("@nki.jit\n", ""), "unsupported", "expected a function under @nki.jit, got a function"),
    ("neuron_nki", ("out = nl.ndarray((M, C)", "out = nl.ones((M, 1)"), "crashed", "my.py"),
    ("pallas_tpu", ("M, C = x.shape", "M, C = x.shape[0] / 0, 1"), "crashed", "my.py line .*ZeroDivisionError"),
    ("pallas_tpu", ("o_ref[...] = (x", "o_ref[...] = (nope"), "crashed", "line .*NameError"),
    ("pallas_tpu", (", *, interpret: bool", ""), "unsupported", "called with 3 arguments and interpret="),
    ("pallas_tpu", (")(x, weight[None])", ")(x, weight[None])[:4]"), "unsupported", r"expected .* \(8, 64\), got"),
    ("triton_kernels", ("tl.rsqrt(", "nope("), "crashed", "my.py line .*NameError"),
    ("triton_kernels", ("def rms_norm(runner, ", "def rms_norm("), "unsupported", r"of ours, \(runner, x"),
    ("triton_kernels", ("def rms_norm(", "rms_norm = rows_kernel\ndef launching("), "unsupported", "got a JITFunction"),
    ("triton_kernels", ("return y.reshape(x.shape)", "return None"), "unsupported", "got a NoneType"),
]  # fmt: skip


@pytest.mark.parametrize(("backend", "change", "status", "said"), ENDINGS, ids=[f"{e[0]}-{e[3]}" for e in ENDINGS])
def test_what_is_wrong_with_it_is_told_as_its_own_with_its_line(
    backend: str, change: tuple[str, str], status: str, said: str, tmp_path: Path
) -> None:
    load(backend)
    code, records = measured(tmp_path, backend, edited(tmp_path, backend, change))
    here = records[0]
    assert (code, here["status"]) == (1, status), here["reason"]
    assert here["reason"].startswith("rms_norm=my.py:rms_norm")
    assert re.search(said, here["reason"]), here["reason"]
    assert "docs/kernels.md" in here["hint"]


def test_one_that_nothing_calls_is_no_answer_of_ours(tmp_path: Path) -> None:
    edited(tmp_path, "neuron_nki")
    status, (record,) = measured(tmp_path, "neuron_nki", "--replace=layer_norm=my.py:rms_norm")
    assert (status, record["status"]) == (1, "unsupported")
    assert "layer_norm=my.py:rms_norm was never called" in record["reason"]


def test_nothing_beside_it_can_be_imported_so_that_its_hash_says_all(tmp_path: Path) -> None:
    (tmp_path / "sizes.py").write_text("ROWS = 32\n")
    words = edited(tmp_path, "neuron_nki", ("ROWS = 32", "from sizes import ROWS"))
    _, (record,) = measured(tmp_path, "neuron_nki", words)
    assert record["status"] == "crashed"
    assert "No module named 'sizes'" in record["reason"]


def test_a_whole_block_runs_with_it_and_a_second_run_finds_it_again(tmp_path: Path) -> None:
    words = edited(tmp_path, "neuron_nki")
    status, (record,) = measured(tmp_path, "neuron_nki", words, workload="block")
    assert (status, record["status"]) == (0, "interpreted")
    targets = ("--backend", "neuron_nki", "--target", "neuron:trn2")
    again = oneblock_here("run", "block", *SIZES, *targets, words, cwd=tmp_path)
    assert "1 of 1 cells had a record already" in again.stderr
    ours = oneblock_here("run", "block", *SIZES, *targets, "--json", cwd=tmp_path)
    assert "had a record already" not in ours.stderr, "ours is not done by another's"
    (made,) = json.loads(ours.stdout)
    assert len(made["facts"]["calls"]) == len(record["facts"]["calls"])


def test_it_is_compared_with_ours_and_reproduced_while_its_file_is_named_and_the_same(tmp_path: Path) -> None:
    words = edited(tmp_path, "neuron_nki", ("ROWS = 32", "ROWS = 4"))
    measured(tmp_path, "neuron_nki", words)
    shutil.move(tmp_path / "records", tmp_path / "mine")
    measured(tmp_path, "neuron_nki")
    compared = oneblock_here("compare", "records", "mine", cwd=tmp_path)
    assert (compared.returncode, "MORE" in compared.stdout) == (1, True), compared.stderr
    assert "differs between A and B: replaced: None in A, 'rms_norm=rms_norm@" in compared.stdout

    def reproduced(*more: str) -> tuple[int, str]:
        done = oneblock_here("reproduce", "replaced", "-o", "mine", *more, cwd=tmp_path)
        return done.returncode, done.stdout + done.stderr

    code, said = reproduced()
    assert (code, "add --run my.py if you trust it" in said) == (2, True), said
    code, said = reproduced("--run", "my.py")
    assert (code, "agrees with the record" in said) == (0, True), said
    code, said = reproduced("--run", "other.py")
    assert (code, "expected a file of the record's own kernels, my.py" in said) == (2, True)
    edited(tmp_path, "neuron_nki")
    code, said = reproduced("--run", "my.py")
    assert (code, "another text than it was" in said) == (2, True)
    (tmp_path / "my.py").unlink()
    code, said = reproduced("--run", "my.py")
    assert (code, "No such file or directory" in said) == (2, True)
    assert "Traceback" not in said


@pytest.mark.parametrize("words", [("--replace=rms_norm=none.py:f",), ("--replace=f", "--fit=batch")])
def test_a_mistake_ends_the_command_with_a_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    done = oneblock_here("run", "norm", *SIZES, "--backend=neuron_nki", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (2, "", False)
    assert done.stderr.startswith("oneblock: --replace")


def test_sizes_are_not_looked_for_with_it(tmp_path: Path) -> None:
    words = ("--fit=batch", "--backend=neuron_nki", "--target=neuron:trn2", edited(tmp_path, "neuron_nki"))
    done = oneblock_here("run", "norm", *SIZES, *words, cwd=tmp_path)
    assert (done.returncode, "leave out --replace" in done.stderr) == (2, True), done.stderr


def test_a_projection_is_as_wide_as_its_weight() -> None:
    own = OwnKernels({"linear": "x, weight"}, (OwnKernel("linear", "my.py", "f", "0" * 64),))
    x, weight = np.ones((3, 4)), np.ones((4, 5))
    own.found["linear"] = lambda x, weight: x @ weight
    assert own.call("linear", None, x, weight).shape == (3, 5)
    own.found["linear"] = lambda x, weight: (x @ weight).T
    with pytest.raises(OwnKernelError, match=r"expected an answer of the shape \(3, 5\), got \(5, 3\)"):
        own.call("linear", None, x, weight)
