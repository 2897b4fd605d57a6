"""`--on`: the options of commands that may ask a cluster of Ray's instead of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click

from oneblock.bench.commands._options import finite
from oneblock.bench.fleet.fleet import Fleet, opened
from oneblock.bench.fleet.messages import NodeBounds
from oneblock.bench.format.errors import Refused
from oneblock.bench.terminal.going import going_on


def fleet_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where it is done."""
    for option in (
        click.option(
            "--runtime-env", type=click.Path(path_type=Path), metavar="FILE",
            help="With --on: Ray's runtime environment of what runs there, as JSON.",
        ),
        click.option(
            "--on", metavar="ADDRESS",
            help="On a cluster of Ray's: ray://HOST:PORT, HOST:PORT from one of its nodes, or ray for one of this "
            "machine alone.  [default: here, without Ray]",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def node_bounds(threads: int | None, timeout_s: float, memory_gib: float | None) -> NodeBounds:
    """The bounds on a node, which fills in what was not said."""
    finite(timeout_s, memory_gib)
    return NodeBounds(threads, timeout_s, None if memory_gib is None else int(memory_gib * 2**30))


@contextmanager
def asked(on: str | None, within: NodeBounds, runtime_env: Path | None, *, quiet: bool) -> Iterator[Fleet | None]:
    """The fleet that --on names; None where it names none."""
    if on is None:
        if runtime_env is not None:
            raise Refused(f"--runtime-env {runtime_env} is of nodes: expected --on beside it")
        yield None
        return
    with ExitStack() as stack:
        with going_on(f"connecting to {on}", quiet=quiet):
            fleet = stack.enter_context(opened(on, within, runtime_env))
        yield fleet
