"""The notebooks: what their sources generate, without outputs, of commands that exist and a check that can fail."""

from __future__ import annotations

import ast
import json
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from oneblock import backends
from oneblock.backends.api.target import Target
from oneblock.bench.cells.query import CellQuery
from oneblock.bench.commands._app import cli
from oneblock.compilers.chips.topology import topology
from oneblock.labs import _notebooks

SOURCES = _notebooks.sources()
SECTIONS = ("install", "doctor", "answer", "run", "stages", "estimates", "generations", "sharding", "check", "report")


def committed(source: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_notebooks.target(source).read_text(encoding="utf-8"))
    return found


def code(source: Path) -> dict[str, str]:
    """The committed notebook's code by tag."""
    chosen = [cell for cell in committed(source)["cells"] if cell["cell_type"] == "code"]
    return {cell["metadata"]["tags"][0]: "".join(cell["source"]) for cell in chosen}


def settings(source: Path) -> dict[str, Any]:
    """The constants of the parameters cell: its assignments, less its imports, which a learner's machine has."""
    body = [node for node in ast.parse(code(source)["parameters"]).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    names: dict[str, Any] = {"os": __import__("os"), "Any": Any}
    exec(compile(ast.Module(body, []), str(source), "exec"), names)
    return names


def command_lines(source: Path) -> list[str]:
    """Every line that the notebook gives to `oneblock`, on a machine with a TPU and on one without."""
    lines = []
    for here in ("cpu", "tpu"):
        names = settings(source) | {"HERE": here, "TARGET": "tpu:v5e:2x2", "NAME": "gpt2-decode", "stage": "hlo"}
        for node in ast.walk(ast.parse("\n".join(code(source).values()))):  # the outermost first
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("DECODE", "EIGHT", "TARGETS"):
                names[ast.unparse(node.targets[0])] = eval(ast.unparse(node.value), names)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "oneblock":
                lines.append(eval(ast.unparse(node.args[0]), names))
    return lines


def parse(line: str) -> click.Context:
    """The line as the command line reads it, its presets, phases, backends and targets included; else an error."""
    name, *words = shlex.split(line)
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, f"there is no oneblock {name}"
    context = command.make_context(name, words)
    if name == "run":
        given = context.params
        wanted = {field.name: given[field.name] for field in fields(CellQuery) if field.name in given}
        CellQuery(given["workload"], **wanted).cells([])
        for target in map(Target.parse, given["targets"]):
            if target.platform == "tpu" and target.architecture is not None:
                topology(target.architecture, target.topology)
        assert set(given["backends"]) <= set(backends.names())
    return context


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_is_what_its_source_generates_and_holds_no_outputs(source: Path) -> None:
    pytest.importorskip("jupytext", reason="jupytext generates notebooks; the test group has it")
    mend = "python -m oneblock.labs._notebooks writes it anew"
    assert _notebooks.text(source) == _notebooks.target(source).read_text(encoding="utf-8"), mend
    for cell in committed(source)["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_has_its_sections_and_asks_for_a_tpu(source: Path) -> None:
    assert set(SECTIONS) <= code(source).keys()
    assert committed(source)["metadata"]["accelerator"] == "TPU"
    assert "import jax" not in "".join(code(source).values()), "it would hold the TPU that oneblock is to measure"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_command_line_of_the_notebook_is_one_that_oneblock_takes(source: Path) -> None:
    lines = command_lines(source)
    assert {line.split()[0] for line in lines} >= {"doctor", "run", "show", "report"}
    for line in lines:
        parse(line)


@pytest.mark.parametrize(
    "line",
    ["run block --fast", "run block --preset gpt3", "run block --target tpu:v5e:3x3", "run --target tpu:v9", "lern"],
)
def test_a_command_line_that_oneblock_does_not_take_is_found_out(line: str) -> None:
    with pytest.raises((click.UsageError, LookupError, AssertionError)):
        parse(line)


def test_the_check_takes_the_truth_and_refuses_everything_else(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"Any": Any}
    body = ast.parse(code(_notebooks.LABS / "xla_tpu.py")["check"]).body
    exec(compile(ast.Module([n for n in body if isinstance(n, ast.FunctionDef)], []), "check", "exec"), names)
    steps = [{"step": "qkv", "hbm_bytes": 3.0e6}, {"step": "mlp", "hbm_bytes": 9.0e6}]
    reduce = {"kind": "all-reduce", "bytes": 4096}
    compiled = {"facts": {"hbm_bytes": 17.3e6, "steps": steps}}
    sharded = {"facts": {"collectives": [reduce, reduce, {"kind": "all-gather", "bytes": 8192}]}}
    truth = names["truths"](compiled, sharded)
    assert truth == {"decode_hbm_mb": 17.3, "busiest_step": "mlp", "all_reduces": 2, "all_reduce_bytes": 4096}
    names["check"](truth | {"decode_hbm_mb": 17}, truth)  # within 5 %
    names["check"](dict.fromkeys(truth), truth)
    assert capsys.readouterr().out.count("unanswered") == 4
    wrong = {"decode_hbm_mb": 15.7, "busiest_step": "qkv", "all_reduces": 3, "all_reduce_bytes": 8192}
    for question, answer in wrong.items():
        with pytest.raises(AssertionError, match=f"wrong: {question};"):
            names["check"](truth | {question: answer}, truth)
