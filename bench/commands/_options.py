"""Options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import psutil

from oneblock import backends
from oneblock.backends.api.target import known_targets
from oneblock.bench.cells.fetched import FETCHED, meant
from oneblock.bench.commands._completion import DTYPE, PHASE, PRESET, WORKLOAD, Name
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.environment import default_threads
from oneblock.bench.runs.probes import declared, having
from oneblock.bench.worker.watch import Bounds
from oneblock.workloads import models
from oneblock.workloads.models import Model, read_model
from oneblock.workloads.ops.nearest import unknown

PRESETS = ", ".join(models.PRESETS)  # for the help; those that others registered are looked up when they are named

FORM_HELP = (
    "layers: one program, called for each. pages: so, with caches in pages of a pool that a batch shares. "
    "whole: all layers of a token and the head are one program."
)


class TargetOption(click.Option):
    """`--target`: its help, as it is shown, lists the targets there are; with a platform, that platform's chips."""

    def __init__(self, *declarations: Any, platform: str | None = None, help: str = "", **attributes: Any) -> None:
        attributes["type"] = Name("target", lambda: known_targets(platform))
        super().__init__(*declarations, **attributes)
        self.platform, self.more = platform, help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """What click prints of it."""
        listed = ", ".join(known_targets(self.platform))
        topology = "" if self.platform else "; of a TPU with a topology, as in tpu:v5e:2x4"
        self.help = f"{listed}{topology}.  {self.more}"
        return super().get_help_record(ctx)


class BackendOption(click.Option):
    """`--backend`: its help, as it is shown, lists the backends that declare what a command asks of one."""

    def __init__(self, *declarations: Any, having: type, help: str = "", **attributes: Any) -> None:
        attributes["type"] = Name("backend", lambda: backends.having(having))
        super().__init__(*declarations, **attributes)
        self.having, self.more = having, help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """What click prints of it."""
        self.help = f"{', '.join(having(self.having))}.  {self.more}".rstrip()
        return super().get_help_record(ctx)


def capable(capability: type, does: str, name: str | None = None, those: Sequence[str] | None = None) -> str:
    """That name, or else of the first backend that declares a capability; Refused where it does not, or none.

    Of `those` alone, where they are said.
    """
    offered = having(capability) if those is None else those
    if name is None and not offered:
        raise Refused(f"there is no backend that {does}")
    if name is None:
        return offered[0]
    if name not in backends.names():
        raise LookupError(unknown("backend", name, backends.names()))
    if name not in offered:
        refused = None if name in backends.own() else declared(name)
        if refused is not None and refused.reason is not None:
            raise Refused(f"{refused.reason}; {refused.hint}")
        raise Refused(f"backend {name}: expected one that {does}: {', '.join(offered) or 'there is none'}")
    return name


def bounds_options(command: Callable[..., Any], timeout_s: float = 600.0) -> Callable[..., Any]:
    """What a cell's process may use."""
    for option in (
        click.option("--threads", type=click.IntRange(1), help="Threads a process is pinned to.  [default: all cores]"),
        click.option("--timeout", "timeout_s", type=click.FloatRange(1), default=timeout_s, show_default=True,
                     help="Seconds one process may take."),
        click.option("--memory", "memory_gib", type=click.FloatRange(0.1),
                     help="GiB one process may use.  [default: 90 % of what is free]"),
    ):  # fmt: skip
        command = option(command)
    return command


def cases_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that say which workloads, of what size; those of `cells.query.CellQuery`."""
    for option in (
        click.option(
            "--dtype",
            "dtypes",
            multiple=True,
            type=DTYPE,
            help="float32, bfloat16, float16.  [default: float32]",
        ),
        _sizes("-S", "--cache", "S", 512, "Positions a decode attends to."),
        _sizes("-T", "--tokens", "T", 128, "Tokens a prefill reads."),
        _sizes("-B", "--batch", "B", 1, "Sequences."),
        click.option(
            "--phase",
            "phases",
            multiple=True,
            type=PHASE,
            help="prefill, decode.  [default: those the workload has]",
        ),
        MODEL(multiple=True, name="models"),
        click.option("--preset", "presets", multiple=True, type=PRESET, help=f"{PRESETS}.  [default: gpt2]"),
        click.argument("workload", nargs=-1, type=WORKLOAD),
    ):
        command = option(command)
    return command


LAYER = click.option(
    "--layer", type=int, default=0, show_default=True, help="The layer to take from --model or --weights."
)


def MODEL(name: str, multiple: bool = False, required: bool = False) -> Callable[..., Any]:
    """`--model`, in place of `--preset`."""
    return click.option(
        "--model", name, multiple=multiple, type=click.Path(path_type=Path), required=required,
        help=f"A model's folder, with its weights if they are there, or its config.json or .gguf file"
        f"{'' if required else ': no preset'}; or what was fetched, by its name: {', '.join(FETCHED)}.",
    )  # fmt: skip


def case_options(preset: str, T: int, S: int) -> Callable[..., Any]:
    """The argument and options of a command that takes one case, with what they are where nothing is said."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in (
            click.option(
                "--dtype", default="float32", type=DTYPE, show_default=True, help="float32, bfloat16, float16."
            ),
            _size("-S", "--cache", "S", S, "Positions a decode attends to."),
            _size("-T", "--tokens", "T", T, "Tokens a prefill reads."),
            _size("-B", "--batch", "B", 1, "Sequences."),
            click.option("--phase", default="prefill", type=PHASE, show_default=True, help="prefill or decode."),
            LAYER,
            MODEL(name="model"),
            click.option("--preset", default=preset, type=PRESET, show_default=True, help=f"{PRESETS}."),
            click.argument("workload", default="block", type=WORKLOAD),
        ):
            command = option(command)
        return command

    return decorated


def _size(short: str, long: str, axis: str, default: int, help: str) -> Callable[..., Any]:
    return click.option(short, long, axis, type=int, default=default, show_default=True, help=help)


def _sizes(short: str, long: str, axis: str, default: int, help: str) -> Callable[..., Any]:
    return click.option(short, long, axis, type=int, multiple=True, default=(default,), show_default=True, help=help)


def finite(timeout_s: float, memory_gib: float | None) -> None:
    """Refused where a bound is none."""
    for option, value in (("--timeout", timeout_s), ("--memory", memory_gib)):
        if value is not None and not math.isfinite(value):  # not-a-number passes every comparison of a range
            raise Refused(f"{option} {value:g}: expected a finite number")


def bounds(threads: int | None, timeout_s: float, memory_gib: float | None) -> Bounds:
    """The bounds, with what was not said filled in from the machine."""
    finite(timeout_s, memory_gib)
    most = default_threads()
    if threads is not None and threads > most:
        raise Refused(
            f"--threads {threads}: this process may run on {most} cores; more threads than cores time nothing"
        )
    free = psutil.virtual_memory().available
    memory = int(memory_gib * 2**30) if memory_gib is not None else int(free * 0.9)
    return Bounds(threads or most, timeout_s, memory)


def model_asked(path: Path | None, preset: str | None) -> Model:
    """The whole model that --model or --preset names; Refused where it is none, or both are given."""
    if path is not None and preset is not None:
        raise Refused("--model is in place of --preset: give one of them")
    name = preset or "llama-1b"
    found = read_model(meant(path)) if path is not None else models.preset_model(name)
    if found is None:
        raise Refused(f"{name} is the configuration of a block, of no model: give a --model")
    if found.vocabulary is None:
        raise Refused(f"{found.name}: no vocab_size: expected a model that says how large its embedding is")
    return found
