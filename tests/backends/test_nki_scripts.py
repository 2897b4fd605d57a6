"""Scripts as people write them for AWS's simulator, and scripts that say what their kernels compute."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.helpers import nki_here
from tests.helpers.oneblock_process import install, oneblock

nki_here.load()

ADD = """
import numpy as np
import nki, nki.language as nl
import sizes
from sizes import COLUMNS

ROWS = 2 * 32
SAID

@nki.jit
def add(a, b):
    out = nl.ndarray(a.shape, dtype=a.dtype, buffer=nl.shared_hbm)
    for i in nl.affine_range(a.shape[0] // ROWS):
        rows = nl.ds(i * ROWS, ROWS)
        x, y = nl.load(a[rows, 0:COLUMNS]), nl.load(b[rows, 0:sizes.COLUMNS])
        nl.store(out[rows, 0:COLUMNS], value=nl.add(x, y))
    return out

a = np.random.default_rng(0).normal(size=(128, 8)).astype(np.float32)
"""


def ran(folder: Path, text: str, said: str = "") -> tuple[int, str, str]:
    (folder / "sizes.py").write_text("COLUMNS = 8\n")
    (folder / "s.py").write_text(ADD.replace("SAID", said) + text + "\n")
    done = oneblock(install(folder), "kernel", "s.py", "--target", "neuron:trn2", cwd=folder)
    assert "fault of oneblock" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "call", ["nki.simulate(add)(a, a)", "nki.simulate(add)(a, b=a)", "nki.simulate_kernel(add, a, a)", "add(a, a)"]
)
def test_a_kernel_is_called_as_people_write_it(call: str, tmp_path: Path) -> None:
    """Its tile sizes are constants of its module, and of another."""
    status, out, err = ran(tmp_path, f"print(np.array_equal({call}, a + a), type({call}).__name__)")
    assert (status, "True ndarray" in out, "NKI kernel calls in order" in out) == (0, True, True), err
    assert ("today it is nki.simulate(kernel)(...)" in err) == ("simulate_kernel" in call)


def test_what_is_no_kernel_is_not_simulated(tmp_path: Path) -> None:
    status, _, err = ran(tmp_path, "nki.simulate(lambda a: a)(a)")
    assert (status, "expected a kernel under @nki.jit, got a function" in err) == (1, True)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_tensors_are_given_for_tensors(dtype: str, tmp_path: Path) -> None:
    text = f"import torch\nx = torch.from_numpy(a).to(torch.{dtype})\ny = nki.simulate(add)(x, x)\n"
    status, out, err = ran(tmp_path, text + "print(type(y).__name__, y.dtype, torch.equal(y, x + x))")
    assert (status, f"Tensor torch.{dtype} True" in out) == (0, True), err


CRASHES = [
    ("nl.add(x, y)", "nl.add(x, y.size / 0)", "crashed: add at s.py:16 (nl.store("),
    ("nl.add(x, y)", "x + y", "not interpreted: `+` on tensors: nl.add(x, y), or nisa.tensor_tensor("),
    ("nl.add(x, y)", "2.0 * x", "not interpreted: `*` on tensors: nl.multiply(x, y)"),
    ("nl.ds(i * ROWS, ROWS)", "nl.arange(128)[:, None]", "arange: of an older NKI, and gone: index by slices"),
    ("nl.add(x, y)", "nl.softmax(x)", "not interpreted: nki.language.softmax: `oneblock kernel --list`"),
    ("import nki, ", "import neuronxcc.nki as nki, ", "neuronxcc.nki is the old namespace of NKI"),
    ("import nki, ", "from neuronxcc import nki; import ", "its successor is nki: import nki, nki.language, nki.isa"),
    ("@nki.jit", "@nki.baremetal", "nki.baremetal: of an older NKI, and gone: profile on a device"),
]  # fmt: skip


@pytest.mark.parametrize(("was", "now", "said"), CRASHES, ids=[now for _, now, _ in CRASHES])
def test_what_ended_a_kernel_is_told_with_its_line_or_with_what_stands_for_it(
    was: str, now: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.backends.test_nki_scripts.ADD", ADD.replace(was, now))
    status, _, err = ran(tmp_path, "add(a, a)")
    assert (status, said in err) == (1, True), err
    assert "no kernel was called" not in err, "it was, or what kept it from that has been told"
    assert "shim.py" not in err


def test_an_import_that_is_tried_goes_on_without_the_old_namespace(tmp_path: Path) -> None:
    tried = "try:\n    import neuronxcc\nexcept ImportError:\n    print('went on')\n"
    status, out, _ = ran(tmp_path, tried + "add(a, a)")
    assert (status, "went on" in out) == (0, True)


def test_a_script_that_fails_after_a_refusal_that_it_caught_tells_both(tmp_path: Path) -> None:
    narrow = "try:\n    add(np.ones((128, 4), np.float32), a)\nexcept Exception as caught: print('went on')\n"
    status, out, err = ran(tmp_path, f"{narrow}raise KeyError('mine')")
    assert (status, out) == (1, "went on\n")
    assert "KeyError: 'mine'" in err
    assert "breaks a rule: s.py:15: slice within the tensor: expected 0 to 4" in err


def test_a_dtype_that_is_not_computed_in_is_no_crash(tmp_path: Path) -> None:
    status, _, err = ran(tmp_path, "add(a.astype(np.float64), a)")
    assert (status, "crashed" in err) == (1, False)
    assert "not interpreted: " in err
    assert "an argument a of float64: expected one of float32, bfloat16" in err


CHECKED = [
    (
        "COMPUTES = {'add': lambda a, b: a + b}",
        "",
        0,
        "add computes what COMPUTES says (2 calls)",
    ),
    ("COMPUTES = {'add': lambda a, b: a + b}", "sys.exit(0)", 0, "add computes what COMPUTES says"),
    ("COMPUTES = {'add': lambda a, b: a - b}", "", 1, "wrong answer: add: output 0: rms error"),
    ("COMPUTES = {'add': lambda a, b: a - b}", "sys.exit(0)", 1, "wrong answer: add"),
    ("COMPUTES = {'add': lambda a, b: a + b * (1 + 1e-5)}", "", 1, "wrong answer: add: output 0: rms error"),
    (
        "COMPUTES = {'add': lambda a, b: (a + b)[:, :1]}",
        "",
        1,
        "wrong answer: add: expected the shapes [(128, 1)], got",
    ),
    ("COMPUTES = {'add': lambda a, b: a / 0 * b}", "", 1, "COMPUTES: add: what it should compute is not finite"),
    ("COMPUTES = {'add': lambda a, b: (a + b).astype(np.float16)}", "", 1, "expected float16 (128, 8), got float32"),
    ("COMPUTES = {'add': 'swiglu'}", "", 1, "wrong answer: add"),
    ("COMPUTES = {'add': 'swiglo'}", "", 1, "unknown operation 'swiglo'; did you mean 'swiglu'"),
    ("COMPUTES = {'add': 3}", "", 1, "COMPUTES: add: expected an operation's name or a function, got 3"),
    ("COMPUTES = {'ad': lambda a, b: a + b}", "", 1, "COMPUTES: unknown kernel 'ad'; did you mean 'add'?"),
    ("COMPUTES = 'add'", "", 1, "COMPUTES: expected a dictionary by kernel, {'add': ...}, got 'add'"),
    ("COMPUTES = {'add': lambda a: a}", "", 1, "COMPUTES: add: what it should compute ended in TypeError"),
]


@pytest.mark.parametrize(("said", "ending", "status", "told"), CHECKED, ids=[f"{c[0][11:]}{c[1]}" for c in CHECKED])
def test_an_answer_is_held_against_what_the_script_says(
    said: str, ending: str, status: int, told: str, tmp_path: Path
) -> None:
    code, out, err = ran(tmp_path, f"import sys\nadd(a, a)\nadd(a, 2 * a)\n{ending}", said)
    assert (code, told in err) == (status, True), err
    assert "NKI kernel calls in order" in out, "what was counted is shown all the same"
    assert "Traceback" not in err


def test_what_is_not_said_is_not_checked(tmp_path: Path) -> None:
    code, _, err = ran(tmp_path, "add(a, a)")
    assert (code, "COMPUTES" in err) == (0, False)


def test_the_laboratorys_own_kernel_computes_what_it_says(tmp_path: Path) -> None:
    lab = Path(__file__).parents[2] / "labs" / "own_nki.py"
    done = oneblock(install(tmp_path), "kernel", str(lab), "--target", "neuron:trn1", cwd=tmp_path)
    assert (done.returncode, "rms_norm computes what COMPUTES says" in done.stderr) == (0, True), done.stderr
