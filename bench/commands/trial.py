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
from oneblock.bench.records.find import load
from oneblock.bench.records.order import newest
from oneblock.bench.records.store import Store
from oneblock.bench.silicon.covers import OPERATORS as OF_A_BLOCK
from oneblock.bench.silicon.covers import covered
from oneblock.bench.silicon.formats import FORMATS
from oneblock.bench.silicon.here import keep
from oneblock.bench.silicon.operators import OPERATORS
from oneblock.bench.silicon.own import own_trials
from oneblock.bench.silicon.rows import reported_rows
from oneblock.bench.silicon.static import ranked
from oneblock.bench.silicon.trial import Tried, trials
from oneblock.bench.terminal import trials as shown
from oneblock.bench.terminal.going import going_on
from oneblock.bench.terminal.screen import console
from oneblock.compilers import chips
from oneblock.compilers.chips.chip import Gpu
from oneblock.workloads import models
from oneblock.workloads.models._config import Config
from oneblock.workloads.ops.nearest import unknown

_LARGEST = 2**30
_MAY_BE_0 = ("W", "S")  # a window of 0 is none, and a skew of 0 gives every expert as many tokens


def _sizes(given: str, operator: str) -> tuple[int, ...]:
    """A launch's sizes: "128x8192x2048" of a product."""
    form = OPERATORS[operator].form
    words = given.split("x")
    if len(words) != len(form.split("x")) or not all(re.fullmatch(r"[0-9]{1,9}", word) for word in words):
        raise Refused(f"--shape: expected whole numbers {form} for {operator}, got {given!r}")
    sizes = tuple(map(int, words))
    least = [0 if name in _MAY_BE_0 else 1 for name in form.split("x")]
    if not all(low <= size <= _LARGEST for low, size in zip(least, sizes, strict=True)):
        raise Refused(
            f"--shape: expected sizes from 1 to {_LARGEST:,} ({' and '.join(_MAY_BE_0)} from 0), got {given!r}"
        )
    return sizes


@command(
    "trial",
    "oneblock trial",
    "oneblock trial --shape 128x8192x2048 --target cuda:sm_90",
    "oneblock trial decode --shape 8x4096x32x8x128x0",
    "oneblock trial --covers llama-8b",
    "oneblock trial --cpu records",
)
@click.argument("operator", type=click.Choice([*OPERATORS]), default="product")
@click.option("--target", "targets", multiple=True, metavar="TARGET", help="Only these.  [default: all that have rows]")
@click.option(
    "--shape", "asked", multiple=True, metavar="SIZES",
    help="What this would take on each chip, and what was reported of it: MxNxK of a product (M, K) x (K, N); "
    "BxTxNxKxDxW of attention over T tokens, W a window or 0; GxE of E elements summed over G GPUs; TxHxIxKxExPxRxS "
    "of T tokens, K of E experts each, on one of P GPUs for each expert's width and R for the experts, S the skew of "
    "their choices in hundredths, 0 if even.",
)  # fmt: skip
@click.option("--dtype", type=click.Choice([*FORMATS]), default="bfloat16", show_default=True, help="Of the operands.")
@click.option(
    "--framework",
    default="vllm",
    show_default=True,
    help="Whose kernels were timed: vllm, trtllm or sglang; of an all_reduce also nccl.",
)
@click.option(
    "--rows", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of such tables of your own.  [default: those of PyPI's aiconfigurator-core]",
)  # fmt: skip
@click.option(
    "--covers", "model", metavar="PRESET",
    help="How much of the time of this model's block lies on launches that were reported, or between such; also a "
    "folder with a config.json.",
)  # fmt: skip
@click.option(
    "--cpu", "records", type=click.Path(path_type=Path),
    help="In place of GPUs this machine's processor: the same trial of the calls in a records directory.",
)  # fmt: skip
@click.option("--to", "page", type=click.Path(path_type=Path), help="Also a page: each chip's times as a picture.")
@json_option
def COMMAND(
    operator: str, targets: tuple[str, ...], asked: tuple[str, ...], dtype: str, framework: str, folder: Path | None,
    model: str | None, records: Path | None, page: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Hold the model of a launch against latencies that others reported of real GPUs.

    OPERATOR is product, of two matrices; prefill, causal attention of a prompt; decode, attention of a new token over
    a cache; all_reduce, a sum over GPUs; or experts, of a mixture [default: product]. Each chip's shares of its limits,
    and what a launch costs, are fitted on half of the groups of shapes and tried on the other half, the other way
    about, and once more by all other chips alone. What is printed of a shape is the median and the range that is to
    hold 90 % of unseen rows; how many lie in it stands beside. Where the form of the model is wrong, it says "no
    model", and why. Modelled and reported times have columns of their own.

    Exit status: 0 if there was a trial, 2 for a mistake, or where there are no rows.
    """
    if ((records or model) and (asked or page)) or (records and model):
        raise Refused("--covers and --cpu are trials of their own: ask for one, without --shape and --to")
    if records is not None:
        _of_the_processor(records, as_json=as_json)
        return
    sizes = [_sizes(one, operator) for one in asked]
    targets_known = [gpu.target for gpu in chips.every(Gpu)]
    if strange := [one for one in targets if one not in targets_known]:
        raise Refused(unknown("GPU", strange[0], targets_known))
    whose = None if folder else framework
    if model is not None:
        _covers(_config(model), targets, dtype, whose, folder, as_json=as_json)
        return
    with going_on("reading what was reported", quiet=as_json) as tell:
        rows = reported_rows(operator, dtype, whose, folder)
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
    by_rank = [(one, rank) for one in told if (rank := ranked(one, chips.load(one.target, Gpu))) is not None]
    if as_json:
        plain = [_plain(one) | {"static_model": asdict(rank)} for one, rank in by_rank] or [_plain(one) for one in told]
        answer({"trials": plain, "left_out": left, "shapes": of_shapes})
        return
    console().print(shown.table(told))
    answers = (*shown.sentences(told, f"{dtype} {operator}"), *shown.static([rank for _, rank in by_rank]))
    for line in (*answers, *map(shown.shape, of_shapes)):
        say(line)
    for why in left:
        note(f"oneblock: left out: {why}")
    if page is not None:
        say(f"{page}: open it in a browser")


def _of_the_processor(directory: Path, *, as_json: bool) -> None:
    told, left = own_trials(record for _, record in newest(load(Store(directory), whole=True)))
    keep(told)
    if as_json:
        answer({"trials": [asdict(one) for one in told], "left_out": left})
        return
    console().print(shown.own(told))
    for line in shown.own_sentences(told):
        say(line)
    say("kept: from now on tables, pages and `oneblock plan` model this processor's calls by it")
    for why in left:
        note(f"oneblock: left out: {why}")


def _config(model: str) -> Config:
    """A preset's, or of a folder's config.json the first layer's."""
    if Path(model).exists():
        return models.read_model(Path(model)).layers[0]
    try:
        return models.preset(model)
    except LookupError as error:
        raise Refused(f"--covers: {error}") from error


def _covers(
    config: Config, targets: tuple[str, ...], dtype: str, framework: str | None, folder: Path | None, *, as_json: bool
) -> None:
    with going_on("reading what was reported", quiet=as_json) as tell:
        rows = {name: reported_rows(name, dtype, framework, folder) for name in OF_A_BLOCK}
        asked = {chips.load(target, Gpu).name for target in targets}
        rows = {
            name: [one for one in files if not asked or one.provenance.device in asked] for name, files in rows.items()
        }
        tell("fitting the model, and trying it")
        found = covered(config, {name: trials(files, elsewhere=False)[0] for name, files in rows.items()})
    told = [one for one in found if not targets or one.target in targets]
    if not told:
        raise Refused(
            f"--covers: no chip of {', '.join(targets) or 'these rows'} has a model of {', '.join(OF_A_BLOCK)}"
        )
    if as_json:
        answer({"covers": config.name, "phases": [asdict(one) for one in told]})
        return
    console().print(shown.covers(told))
    for line in shown.covers_sentences(told, config.name):
        say(line)


def _plain(one: Tried) -> dict[str, Any]:
    return {
        "target": one.target, "reported": asdict(one.rows.provenance), "sha256": one.rows.sha256,
        "rows": len(one.rows), "groups": one.groups, "shares": asdict(one.shares),
        "told": one.shares.told(one.limits), "held_out": asdict(one.held_out),
        "chip_left_out": None if one.left_out is None else asdict(one.left_out),
        "bare_roofline_median_log": one.bare_median_log, "faster_than_roofline": asdict(one.faster),
        "kernel": one.rows.kernel, "at_bound": one.bound, "no_model": one.wrong,
    }  # fmt: skip
