"""`oneblock reproduce`: a record's cell again, from the record alone."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from oneblock import workloads
from oneblock.backends.api.own_kernels import OwnKernelError
from oneblock.bench.cells.tiers import tier
from oneblock.bench.commands._choose import one as choose
from oneblock.bench.commands._command import answer, command, explain_option, index_option, json_option, records_option
from oneblock.bench.commands._completion import RECORD
from oneblock.bench.commands._options import bounds, bounds_options
from oneblock.bench.commands._progress import go
from oneblock.bench.format.errors import Refused
from oneblock.bench.format.out import say
from oneblock.bench.judge.compare import compare, disagreements, software
from oneblock.bench.judge.stats import Verdict
from oneblock.bench.records.certificate import Certificate, find_certificate
from oneblock.bench.records.environment import default_threads
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.records.store import Store
from oneblock.bench.runs.run import Run
from oneblock.bench.terminal.certificates import tell
from oneblock.bench.terminal.records import remarks, results
from oneblock.bench.terminal.screen import console
from oneblock.compilers import Detail
from oneblock.workloads.answers.checkpoint import fingerprint
from oneblock.workloads.answers.checkpoint_files import CheckpointError
from oneblock.workloads.answers.inputs import InputError


@command(
    "reproduce",
    'oneblock reproduce "block-tiny prefill torch_eager plain"',
    'oneblock reproduce "certify jax_xla bfloat16"',
)
@click.argument("record", type=RECORD)
@click.option(
    "--run", "files", multiple=True, metavar="FILE", help="A file of RECORD's own kernels (--replace), to be run."
)
@bounds_options
@records_option
@index_option
@explain_option
@json_option
def COMMAND(
    record: str, files: tuple[str, ...], directory: Path, threads: int | None, timeout_s: float,
    memory_gib: float | None, indexed: bool, as_json: bool,
) -> None:  # fmt: skip
    """Run the cell of RECORD again and say whether it agrees, and what in the environment differs.

    RECORD is a file, or words that its file name contains. Exit status: 0 if status and time agree (within noise), 1 if
    they do not, 2 if the times cannot be compared. Of a certificate of tokens, whose name begins with certify: 0 if the
    same tokens differ with the same verdicts, 1 if not; the options of a cell's process say nothing of it.
    """
    if (certificate := find_certificate(record, directory)) is not None:
        raise SystemExit(_certify_again(certificate, as_json=as_json))
    _, old = choose(record, directory, indexed=indexed, ask=not as_json)
    _check_weights(old)
    _check_inputs(old)
    _check_replaced(old, files)
    used = old.environment.machine.get("threads")
    within = bounds(threads or _same_threads(used), timeout_s, memory_gib)
    with scratch("reproduce") as folder:
        detail = old.detail or Detail.DEFAULT
        run = Run([old.cell], tier(old.tier), Store(folder), within, seed=old.order_seed, detail=detail)
        (new,) = go(run, quiet=as_json)
    verdict = _verdict(old, new)
    if as_json:
        answer(verdict)
    else:
        _print(old, new, verdict)
    raise SystemExit(verdict["exit_code"])


def _certify_again(old: Certificate, *, as_json: bool) -> int:
    """The exit status; in-process, as `oneblock certify` is."""
    from oneblock.bench.runs.certified import Question, changed  # with all that decodes

    (new,) = Question.of(old).answers([old.backend])
    differs, versions = changed(old, new), software(old, new)
    if as_json:
        answer({"agrees": not differs, "differs": differs, "software": versions, "new": new})
        return int(bool(differs))
    tell(new)
    say(f"{'does NOT agree' if differs else 'agrees'} with the certificate of {old.created}")
    for line in [*differs, *(f"software differs: {what}" for what in versions)]:
        say(line)
    return int(bool(differs))


def _same_threads(used: Any) -> int | None:
    return used if isinstance(used, int) and used <= default_threads() else None


def _check_weights(old: Record) -> None:
    weights = old.cell.weights
    if weights is None:
        return
    try:
        found = fingerprint(Path(weights.path), weights.layer)
    except CheckpointError as error:
        raise Refused(f"{error}; the record's checkpoint lay there: put it there again") from error
    if found != weights.sha256:
        expected = f"expected SHA-256 {weights.sha256[:16]}..., got {found[:16]}..."
        raise Refused(f"{weights.path}: another checkpoint than the record's: {expected}; put that one back")


def _check_inputs(old: Record) -> None:
    try:
        if old.cell.inputs is not None:
            old.cell.input_arrays(workloads.load(old.cell.case.workload))
    except InputError as error:
        raise Refused(f"{error}; the record's inputs lay there: put them there again") from error


def _check_replaced(old: Record, named: Sequence[str]) -> None:
    """A record may be a stranger's: a file that it names is run where whoever reproduces it names that, too."""
    paths = [*dict.fromkeys(one.path for one in old.cell.replaced)]
    if strange := [path for path in named if path not in paths]:
        raise Refused(f"--run {strange[0]}: expected a file of the record's own kernels, {', '.join(paths) or 'none'}")
    for one in old.cell.replaced:
        try:
            one.text()
        except OwnKernelError as error:
            raise Refused(str(error)) from error
    if left := [path for path in paths if path not in named]:
        words = " ".join(f"--run {shlex.quote(path)}" for path in left)
        raise Refused(f"the record was made with kernels of a file, which would be run: add {words} if you trust it")


def _verdict(old: Record, new: Record) -> dict[str, Any]:
    result: dict[str, Any] = {
        "old_status": old.status,
        "new_status": new.status,
        "differs": {key: list(pair) for key, pair in disagreements(old, new).items()},
        "software": software(old, new),
        "comparison": None,
        "stages_differ": [],
        "new": new,
    }
    if old.status is not new.status:
        return result | {"agrees": False, "exit_code": 1}
    if old.status is Status.COMPILED:
        differ = _stages_that_differ(old, new)
        return result | {"stages_differ": differ, "agrees": not differ, "exit_code": 1 if differ else 0}
    if old.status is Status.DISTURBED:
        return result | {"agrees": None, "exit_code": 2}  # neither has a time that is evidence
    if old.status is not Status.PASSED:
        return result | {"agrees": True, "exit_code": 0}
    comparison = compare(old, new)
    result["comparison"] = comparison
    if comparison.difference is None:
        return result | {"agrees": None, "exit_code": 2}
    agrees = comparison.difference.verdict in (Verdict.SAME, Verdict.AMBIGUOUS)
    return result | {"agrees": agrees, "exit_code": 0 if agrees else 1}


def _stages_that_differ(old: Record, new: Record) -> list[str]:
    """The stages that both records kept and whose texts are not the same: compiling again changes none."""
    then, now = ({ref.dialect: ref.sha256 for ref in record.artifacts} for record in (old, new))
    return [dialect for dialect in then if dialect in now and then[dialect] != now[dialect]]


def _print(old: Record, new: Record, verdict: dict[str, Any]) -> None:
    out = console()
    for part in (*results([old]), *results([new]), *remarks([new])):
        out.print(part)
    words = {
        True: "agrees with the record",
        False: "does NOT agree with the record",
        None: "cannot be compared in time",
    }
    line = f"status {verdict['new_status']} (the record: {verdict['old_status']}): {words[verdict['agrees']]}"
    comparison = verdict["comparison"]
    if comparison is not None and comparison.difference is not None:
        d = comparison.difference
        line += f": {d.verdict}, {d.ratio:.3f} of its time (99 % interval {d.low:.3f} to {d.high:.3f}); {d.why}"
    if verdict.get("stages_differ"):
        line += f": the texts of {', '.join(verdict['stages_differ'])} differ"
    say(line)
    for key, (was, now_is) in verdict["differs"].items():
        say(f"identity differs: {key}: {was!r} then, {now_is!r} now")
    for what in verdict["software"]:
        say(f"software differs: {what}")
