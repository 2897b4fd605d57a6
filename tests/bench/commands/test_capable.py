"""What a command asks of a backend beyond running it is looked up by what backends declare, and by no name of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from oneblock.backends.api.backend import Bisectable, Tunable
from oneblock.backends.api.export import Exporter
from oneblock.backends.api.scripts import ScriptRunner
from oneblock.bench.commands.bisect_ import COMMAND as BISECT
from oneblock.bench.commands.bisect_ import _cell
from oneblock.bench.commands.export import COMMAND as EXPORT
from oneblock.bench.commands.kernel import COMMAND as KERNEL
from oneblock.bench.commands.tune import COMMAND as TUNE
from oneblock.bench.runs.probes import _declared, exporting, having
from tests.helpers.stage_records import run

SOURCE = """
from types import SimpleNamespace
from oneblock.backends.reference import Reference
from oneblock.compilers.api.facts import Facts


class Mine(Reference):
    name, ops_sets = "a_mine", {"mine": ("linear",)}

    def passes(self, workload, case, arrays, ops_set, target):
        raise NotImplementedError

    def tune(self, workload, case, arrays, target, asked, tell):
        raise NotImplementedError

    def run_script(self, script, arguments, target):
        print(f"ran by a_mine for {target}")
        return SimpleNamespace(kernels=[], refused=[], error=None, exit_status=0, facts=Facts)


a_mine = Mine()
"""


@pytest.fixture(autouse=True)
def another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose backend declares capabilities, and comes before ours by the alphabet; and two that do not load.

    The second of these kills the process that imports it, which therefore must not be this one.
    """
    (tmp_path / "a_mine_package.py").write_text(SOURCE)
    (tmp_path / "killer.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    info = tmp_path / "a_mine_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-mine-package\nVersion: 1.0\n")
    points = "a_mine = a_mine_package:a_mine\nbroken = a_mine_package:nothing\nkills = killer:x\n"
    (info / "entry_points.txt").write_text(f"[oneblock.backends]\n{points}")
    (tmp_path / "script.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # a script's process finds it as well


@pytest.mark.parametrize("capability", [Bisectable, Tunable, ScriptRunner])
def test_a_backend_that_declares_a_capability_is_among_those_that_have_it_after_ours(capability: type) -> None:
    *ours, last = having(capability)
    assert last == "a_mine"
    assert ours == sorted(ours)
    assert ours
    assert "a_mine" not in having(Exporter)


@pytest.mark.parametrize(("command", "capability"), [(BISECT, Bisectable), (TUNE, Tunable), (KERNEL, ScriptRunner)])
def test_the_help_lists_those_that_have_it_and_no_other(command: object, capability: type) -> None:
    _, said = run(command, "--help")
    listed = " ".join(said.split())
    assert f"{', '.join(having(capability))}." in listed


def test_a_search_for_a_pass_begins_with_the_ops_set_that_the_backend_has_first() -> None:
    for backend, first in (("a_mine", "mine"), ("triton_kernels", "kernels"), ("jax_xla", "plain")):
        size = {"B": 1, "T": 16, "S": 64}
        assert _cell("block", "tiny", None, 0, "prefill", "float32", backend, None, "cpu", **size).ops_set == first


def test_a_script_is_run_by_the_backend_that_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = run(KERNEL, tmp_path / "script.py", "--target", "neuron:trn2", "--backend", "a_mine")
    assert (code, capfd.readouterr().out) == (0, "ran by a_mine for neuron:trn2\n"), said


@pytest.mark.parametrize(
    ("command", "words", "says"),
    [
        (KERNEL, ("--backend", "reference"), "backend reference: expected one that interprets a script's kernels: n"),
        (KERNEL, ("--backend", "neuron_nky"), "did you mean 'neuron_nki'"),
        (KERNEL, ("--backend", "broken"), "does not load: AttributeError"),
        (KERNEL, ("--backend", "kills"), "it does not say what it offers: killed by SIGKILL"),
        (EXPORT, ("--backend", "a_mine"), "backend a_mine: expected one that writes --form neuron: jax_xla"),
        (EXPORT, ("--backend", "torch_eager"), "backend torch_eager: expected one that writes --form neuron: jax_xla"),
        (EXPORT, ("--for", "jax_xla"), "backend jax_xla: expected one that has a compiler that takes modules"),
        (EXPORT, ("--tvm-trn", "--for", "neuron_torch"), "--tvm-trn writes one page of its own"),
    ],
)  # fmt: skip
def test_another_is_refused_with_those_that_have_it(
    command: object, words: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    script = (tmp_path / "script.py",) if command is KERNEL else ()
    target = () if "--tvm-trn" in words else ("--target", "neuron:trn2")
    code, said = run(command, *script, *target, *words)
    assert (code, says in said) == (2, True), said


def test_a_form_is_written_by_the_backend_that_is_named_and_says_so(tmp_path: Path) -> None:
    """Of others by what their declaration tells: the command imports none of them."""
    (tmp_path / "a_mine_package.py").write_text(
        f"{SOURCE}\nMine.forms = ('onnx',)\nMine.export = Mine.run_exported = id\n"
    )
    _declared.pop("a_mine", None)
    try:
        assert exporting("onnx") == ["torch_eager", "a_mine"]
        assert exporting("stablehlo") == ["jax_xla"]
    finally:
        _declared.pop("a_mine", None)
