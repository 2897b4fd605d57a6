"""`oneblock trial`: modelled times of GPUs against silicon that others reported."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from oneblock.bench.commands._command import answer, command, json_option
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import note, say
from oneblock.bench.records.files import write_asked
from oneblock.bench.silicon.launches import OPERATORS
from oneblock.bench.silicon.rows import DTYPES, reported_rows
from oneblock.bench.silicon.trial import Tried, trials
from oneblock.bench.terminal import trials as shown
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu
from oneblock.workloads.ops.nearest import unknown

_LARGEST = 2**24


def _sizes(given: str, operator: str) -> tuple[int, ...]:
    """A launch's sizes: "128x8192x2048" of a product."""
    form = OPERATORS[operator].form
    words = given.split("x")
    if len(words) != len(form.split("x")) or not all(re.fullmatch(r"[0-9]{1,9}", word) for word in words):
        raise Refused(f"--shape: expected whole numbers {form} for {operator}, got {given!r}")
    sizes = tuple(map(int, words))
    least = [0 if name == "W" else 1 for name in form.split("x")]
    if not all(low <= size <= _LARGEST for low, size in zip(least, sizes, strict=True)):
        raise Refused(f"--shape: expected sizes from 1 to {_LARGEST:,} (a window W of 0 is none), got {given!r}")
    return sizes


@command(
    "trial",
    "oneblock trial",
    "oneblock trial --shape 128x8192x2048 --target cuda:sm_90",
    "oneblock trial decode --shape 8x4096x32x8x128x0",
)
@click.argument("operator", type=click.Choice([*OPERATORS]), default="product")
@click.option("--target", "targets", multiple=True, metavar="TARGET", help="Only these.  [default: all that have rows]")
@click.option(
    "--shape", "asked", multiple=True, metavar="SIZES",
    help="What this would take on each chip, and what was reported of it: MxNxK of a product (M, K) x (K, N); "
    "BxTxNxKxDxW of attention over T tokens, W a window or 0.",
)  # fmt: skip
@click.option("--dtype", type=click.Choice([*DTYPES]), default="bfloat16", show_default=True, help="Of the operands.")
@click.option(
    "--framework", default="vllm", show_default=True, help="Whose kernels were timed: vllm, trtllm or sglang."
)
@click.option(
    "--rows", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of such tables of your own.  [default: those of PyPI's aiconfigurator-core]",
)  # fmt: skip
@click.option("--to", "page", type=click.Path(path_type=Path), help="Also a page: each chip's times as a picture.")
@json_option
def COMMAND(
    operator: str, targets: tuple[str, ...], asked: tuple[str, ...], dtype: str, framework: str, folder: Path | None,
    page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Hold the model of a launch against latencies that others reported of real GPUs.

    OPERATOR is product, of two matrices; prefill, causal attention of a prompt; or decode, attention of a new token
    over a cache [default: product]. Each chip's share of its peak and of its bandwidth, and what a launch costs, are
    fitted on half of the groups of shapes and tried on the others, and once more by all other chips alone. What is
    printed of a shape is the median, and the range in which 90 % of the fitted rows lie; how many held-out rows lie in
    it stands beside. Modelled and reported times have columns of their own.

    Exit status: 0 if there was a trial, 2 for a mistake, or where there are no rows.
    """
    sizes = [_sizes(one, operator) for one in asked]
    targets_known = [gpu.target for gpu in chips.every(Gpu)]
    if strange := [one for one in targets if one not in targets_known]:
        raise Refused(unknown("GPU", strange[0], targets_known))
    with going_on("reading what was reported", quiet=as_json) as tell:
        rows = reported_rows(operator, dtype, None if folder else framework, folder)
        tell("fitting the model, and trying it")
        found, left = trials(rows)
    told = [one for one in found if not targets or one.target in targets]
    if not told:
        has = ", ".join(sorted({one.target for one in found}))
        raise Refused(f"no rows of {', '.join(targets)}: there are of {has}" if found else "; ".join(left))
    if page is not None:
        from oneblock.bench.report.trial_page import render  # and with it the report's plots

        write_asked(page, (piece.encode() for piece in render(told, left, f"{dtype} {operator}")), "--to")
    of_shapes = shown.shapes(told, sizes, operator)
    if as_json:
        answer({"trials": [_plain(one) for one in told], "left_out": left, "shapes": of_shapes})
        return
    console().print(shown.table(told))
    for line in (*shown.sentences(told, f"{dtype} {operator}"), *map(shown.shape, of_shapes)):
        say(line)
    for why in left:
        note(f"oneblock: left out: {why}")
    if page is not None:
        say(f"{page}: open it in a browser")


def _plain(one: Tried) -> dict[str, Any]:
    return {
        "target": one.target, "reported": asdict(one.rows.provenance), "sha256": one.rows.sha256,
        "rows": len(one.rows), "groups": one.groups, "shares": asdict(one.shares),
        "of_peak_by_tile_128_128": one.shares.of_peak(128, 128), "held_out": asdict(one.held_out),
        "chip_left_out": None if one.left_out is None else asdict(one.left_out),
        "bare_roofline_median_log": one.bare_median_log, "faster_than_roofline": one.faster,
    }  # fmt: skip
