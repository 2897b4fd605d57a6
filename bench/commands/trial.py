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
from oneblock.bench.silicon.rows import DTYPES, product_rows
from oneblock.bench.silicon.trial import Tried, trials
from oneblock.bench.terminal import trials as shown
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu
from oneblock.workloads.ops.nearest import unknown

_LARGEST = 2**24


def _sides(given: str) -> tuple[int, int, int]:
    """M, N and K of a product: "128x8192x2048"."""
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})x(\d{1,9})", given, re.ASCII)
    if found is None or not all(1 <= int(side) <= _LARGEST for side in found.groups()):
        raise click.BadParameter(f"expected three sides from 1 to {_LARGEST:,}, as 128x8192x2048, got {given!r}")
    M, N, K = map(int, found.groups())
    return M, N, K


@command(
    "trial",
    "oneblock trial",
    "oneblock trial --product 128x8192x2048 --target cuda:sm_90",
)
@click.option("--target", "targets", multiple=True, metavar="TARGET", help="Only these.  [default: all that have rows]")
@click.option(
    "--product", "products", multiple=True, metavar="MxNxK", callback=lambda *of: tuple(map(_sides, of[-1])),
    help="(M, K) x (K, N): also what this would take on each chip, and what was reported of it.",
)  # fmt: skip
@click.option("--dtype", type=click.Choice([*DTYPES]), default="bfloat16", show_default=True, help="Of the operands.")
@click.option(
    "--framework", default="vllm", show_default=True, help="Whose kernels were timed: vllm, trtllm or sglang."
)
@click.option(
    "--rows", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of such tables of your own.  [default: those of PyPI's aiconfigurator-core]",
)  # fmt: skip
@json_option
def COMMAND(
    targets: tuple[str, ...], products: tuple[tuple[int, int, int], ...], dtype: str, framework: str,
    folder: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Hold the model of a matrix product against latencies that others reported of real GPUs.

    Each chip's share of its peak and of its bandwidth, and what a launch costs, are fitted on half of the groups of
    shapes and tried on the others, and once more by all other chips alone. What is printed of a product is the median,
    and the range in which 90 % of the fitted rows lie; how many held-out rows lie in it stands beside. Modelled and
    reported times have columns of their own.

    Exit status: 0 if there was a trial, 2 for a mistake, or where there are no rows.
    """
    targets_known = [gpu.target for gpu in chips.every(Gpu)]
    if strange := [one for one in targets if one not in targets_known]:
        raise Refused(unknown("GPU", strange[0], targets_known))
    with going_on("reading what was reported", quiet=as_json) as tell:
        rows = product_rows(dtype, None if folder else framework, folder)
        tell("fitting the model, and trying it")
        found, left = trials(rows)
    told = [one for one in found if not targets or one.target in targets]
    if not told:
        has = ", ".join(sorted({one.target for one in found}))
        raise Refused(f"no rows of {', '.join(targets)}: there are of {has}" if found else "; ".join(left))
    of_products = shown.products(told, products, dtype)
    if as_json:
        answer({"trials": [_plain(one) for one in told], "left_out": left, "products": of_products})
        return
    console().print(shown.table(told))
    for line in (*shown.sentences(told, dtype), *map(shown.product, of_products)):
        say(line)
    for why in left:
        note(f"oneblock: left out: {why}")


def _plain(one: Tried) -> dict[str, Any]:
    return {
        "target": one.target, "reported": asdict(one.rows.provenance), "sha256": one.rows.sha256,
        "rows": len(one.rows), "groups": one.groups, "shares": asdict(one.shares),
        "of_peak_by_tile_128_128": one.shares.of_peak(128, 128), "held_out": asdict(one.held_out),
        "chip_left_out": None if one.left_out is None else asdict(one.left_out),
        "bare_roofline_median_log": one.bare_median_log, "faster_than_roofline": one.faster,
    }  # fmt: skip
