"""Tab in a shell: names of records, backends, targets, presets, and no toolchain imported for them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from oneblock.bench.commands._app import cli
from tests.bench.report.test_report import record
from tests.helpers.stage_records import store
from tests.layout.test_layout import TOOLCHAINS


def completed(*words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    *before, begun = words
    return [item.value for item in ShellComplete(cli, {}, "oneblock", "_X").get_completions(before, begun)]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("ru",), ["run"]),
        (("run", "--preset", "lla"), ["llama-1b", "llama-8b"]),
        (("run", "--backend", "torch_i"), ["torch_inductor"]),
        (("run", "--target", "tpu:v5"), ["tpu:v5e", "tpu:v5p"]),
        (("export", "--target", "neuron:i"), ["neuron:inf2"]),
        (("run", "--dtype", "float32", "--dtype", "b"), ["bfloat16"]),
        (("run", "at"), ["attention"]),
        (("tune", "--phase", ""), ["prefill", "decode"]),
        (("show", "--step", "nor"), ["norm1", "norm2"]),
        (("bisect", "--backend", "ref"), []),  # which has no passes
    ],
)
def test_names_are_offered_where_they_are_asked_for(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


@pytest.mark.parametrize("command", ["show", "reproduce", "diff"])
def test_records_of_the_folder_are_offered_by_their_cells(tmp_path: Path, command: str) -> None:
    for backend in ("jax_xla", "reference"):
        store(tmp_path, record(backend))
    (tmp_path / "not-a-record.txt").write_text("")
    jax, numpy = (f"block-tiny-prefill-B1-T16-float32-{backend}-plain-cpu" for backend in ("jax_xla", "reference"))
    assert completed(command, "-o", str(tmp_path), "block") == [jax, numpy]
    assert completed(command, "-o", str(tmp_path), "jax") == [jax], "what has the word, where none begins so"
    assert completed(command, "-o", str(tmp_path / "nowhere"), "b") == []


def test_a_shell_gets_them_and_imports_no_toolchain(tmp_path: Path) -> None:
    store(tmp_path / "records")
    code = (
        "import sys, atexit; from oneblock.bench.__main__ import main;"
        "atexit.register(lambda: print(*{m.split('.')[0] for m in sys.modules}, file=sys.stderr)); main()"
    )
    env = {**os.environ, "_ONEBLOCK_COMPLETE": "bash_complete", "COMP_WORDS": "oneblock show blo", "COMP_CWORD": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "plain,block-tiny-prefill-B1-T16-float32-jax_xla-plain-cpu\n", done.stderr
    assert set(done.stderr.split()).isdisjoint(TOOLCHAINS)
