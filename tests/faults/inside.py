"""Commands in a fork of this process, by their own entry: a hundred bad inputs in the time of a few starts."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pickle
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import BinaryIO

import click

from oneblock import backends
from oneblock.bench.commands._app import cli, main
from oneblock.bench.report import page, page_assets, sections
from oneblock.compilers import dialects
from oneblock.compilers.chips import makers
from tests.faults.scene import Ended

Words = tuple[str, ...]


@cache
def _load() -> None:
    """Import every command before the forks, which would each do it again, and let none of them visit old garbage."""
    context = click.Context(cli)
    for name in cli.list_commands(context):
        assert cli.get_command(context, name) is not None
    for package in (dialects, makers, sections):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in backends.names():
        backends.load(name)
    importlib.import_module("scipy.stats")
    page_assets.vega()
    templates = page._environment()
    for name in templates.list_templates(extensions=["html"]):
        templates.get_template(name)
    gc.freeze()


def ask_in_turn(lines: Sequence[Words], cwd: Path) -> list[Ended]:
    """What each of these commands answers there, all in one fork; one that ends it has no answer, nor what follows."""
    _load()
    with tempfile.TemporaryFile() as answers:
        sys.stdout.flush()
        sys.stderr.flush()
        if (child := os.fork()) == 0:
            _answer(lines, cwd, answers)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        answers.seek(0)
        found: list[Ended] = []
        with contextlib.suppress(EOFError):
            while True:
                found.append(pickle.load(answers))
    assert (status, len(found)) == (0, len(lines)), f"{lines[len(found) :][:1]} ended its process with {status}"
    return found


def _answer(lines: Sequence[Words], cwd: Path, answers: BinaryIO) -> None:
    """In the child: the commands, and its end."""
    status = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for words in lines:
            os.chdir(cwd)
            pickle.dump(_one(words), answers)
        answers.flush()
        status = 0
    finally:
        os._exit(status)


def _one(words: Words) -> Ended:
    """One command, to its end; pytest has put streams of its own in the place of the standard ones."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdin, sys.stdout, sys.stderr = (
            open(fd, mode, closefd=False)  # noqa: SIM115
            for fd, mode in ((0, "r"), (1, "w"), (2, "w"))
        )
        sys.argv = ["oneblock", *words]
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 71
        sys.stdout.flush()
        sys.stderr.flush()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="surrogateescape"))
    return Ended(status, *texts)
