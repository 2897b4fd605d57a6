"""The sections of a dossier that records alone tell: times, errors, coverage, operations, security, exit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

from oneblock.bench.judge.estimates import METHODS, Method
from oneblock.bench.judge.figures import Figure, whole
from oneblock.bench.judge.measured import measured
from oneblock.bench.judge.stats import centre
from oneblock.bench.judge.troubles import troubles
from oneblock.bench.report.dossier.evidence import PLAN, Evidence, right
from oneblock.bench.report.dossier.sourced import (
    Command,
    Line,
    Numbers,
    Section,
    Sentence,
    Sourced,
    listed,
    ranged,
    table,
)  # fmt: skip
from oneblock.bench.report.rows.rows import Row, groups_of
from oneblock.compilers.api.kind import Kind

_COUNTED = ("operations", "fusions", "custom calls", "kernels")
_MEMORY = ("HBM traffic", "scratch", "code")


def place(evidence: Evidence, row: Row) -> Sentence:
    """Where a cell ran or was compiled for: backend, ops set, target."""
    return (evidence.named(row, " ".join(row.labels), "cell"),)


def cell(evidence: Evidence, row: Row) -> Sentence:
    """A cell by its name."""
    return (evidence.named(row, row.record.cell.name, "cell"),)


def status(evidence: Evidence, row: Row) -> Sentence:
    """How a cell ended."""
    return (evidence.named(row, row.record.status.value, "status"),)


def sourced(figures: Mapping[str, Figure], link: str) -> Numbers:
    """Figures of a record, which stand at one place of it."""
    return {name: (Sourced(one.value, one.unit, one.kind, link),) for name, one in figures.items()}


def _run(evidence: Evidence) -> Command:
    return Command(f"oneblock run block --preset {quote(evidence.model)}")


def performance(evidence: Evidence) -> Section:
    """Times of each subject on each machine: measured, estimated and reported ones in columns of their own."""
    ours = [row for row in evidence.rows if row.record.reported is None]
    told = [(those, {row.number: _times(evidence, row) for row in those}) for those in groups_of(ours)]
    tables = [
        one
        for those, times in told
        if any(times.values())
        for one in table(
            ("where",),
            [([place(evidence, row)], times[row.number]) for row in those if times[row.number]],
            (evidence.named(those[0], those[0].record.cell.subject, "cell", "case"),),
        )
    ]
    others = [row for row in evidence.rows if row.record.reported is not None]
    tables += table(("where", "by"), [([place(evidence, row), _by(evidence, row)], _reported(evidence, row))
                                      for row in others], ("Measured elsewhere by others",))  # fmt: skip
    absent: Sentence = ("No record has a time. ", _run(evidence))
    return Section("performance", "Performance", tuple(tables), absent=() if tables else (absent,))


def _times(evidence: Evidence, row: Row) -> Numbers:
    record, source = row.record, evidence.of(row)
    found: dict[str, Sentence] = {}
    if row.times is not None:
        at, times = source.at("launches"), (row.times.cold_s, *row.times.interval_s)
        found["cold, and its interval"] = ranged(*(Sourced(value, "s", Kind.MEASURED, at) for value in times))
        if row.times.warm_s is not None:
            found["warm"] = (Sourced(row.times.warm_s, "s", Kind.MEASURED, at),)
    for number, one in enumerate(record.facts.estimates if record.facts else ()):
        if one.seconds is not None:
            link = source.at("facts", "estimates", number, "seconds")
            name = one.name if Method(one.name, one.kind) in METHODS else "by a method of the record's own"
            before = found.get(f"estimate, {name}", ())
            found[f"estimate, {name}"] = (*before, *("; ",)[: len(before)], Sourced(one.seconds, "s", one.kind, link))
    return found


def _reported(evidence: Evidence, row: Row) -> Numbers:
    samples = [one for one in row.record.samples() if one]
    link = evidence.of(row).at("launches")
    return {"cold": (Sourced(centre(samples), "s", Kind.REPORTED, link),)} if samples else {}


def _by(evidence: Evidence, row: Row) -> Sentence:
    of = row.record.reported
    assert of is not None
    said = f"{of.device}, {of.software} {of.version}: {of.source}"
    return (evidence.named(row, said, "reported"),)


def accuracy(evidence: Evidence) -> Section:
    """The verdict on each answer, and how far it is from float64; of a wrong one the reason and no number."""
    judged = [row for row in evidence.rows if row.record.check is not None or row.record.reason is not None]
    rows: list[Line] = [
        ([cell(evidence, row), status(evidence, row), _verdict(evidence, row)],
         sourced(measured(row.record)["errors"], evidence.of(row).at("check", "outputs")) if right(row) else {})
        for row in judged
    ]  # fmt: skip
    absent: Sentence = ("No record has a verdict. ", _run(evidence))
    return Section("accuracy", "Accuracy", table(("cell", "ended", "answer"), rows), absent=() if rows else (absent,))


def _verdict(evidence: Evidence, row: Row) -> Sentence:
    if right(row):
        return (evidence.named(row, "right", "check"),)
    reason = row.record.reason or "not judged"
    return (evidence.named(row, reason, "reason"),)


def coverage(evidence: Evidence) -> Section:
    """What each compiler made of the operations, and which cells it does not take."""
    rows: list[Line] = []
    for row in evidence.rows:
        facts = row.record.facts
        link = evidence.of(row).at("facts")
        counted = {name: one for name, one in whole(row.record).items() if name in _COUNTED}
        if facts is not None and facts.attributed is not None:
            counted["attributed to steps"] = Figure("attributed", facts.attributed, "", "%", facts.kind)
        rows.append(([cell(evidence, row), status(evidence, row)], sourced(counted, link)))
    absent: Sentence = ("No record counts operations. ", _run(evidence))
    told = any(numbers for _, numbers in rows)
    return Section("coverage", "Operator coverage", table(("cell", "ended"), rows), absent=() if told else (absent,))


def memory(evidence: Evidence) -> list[Line]:
    """What cells took, or would need, of memory: rows of the section on capacity."""
    found: list[Line] = []
    for row in evidence.rows:
        source = evidence.of(row)
        numbers = dict(sourced(measured(row.record)["memory"], source.at("launches")))
        counted = {name: one for name, one in whole(row.record).items() if name in _MEMORY}
        numbers |= sourced(counted, source.at("facts"))
        refused = row.record.memory
        if refused is not None:
            told = {"needed": refused.needed_bytes, "available": refused.available_bytes}
            at = {name: source.at("memory", f"{name}_bytes") for name in told}
            numbers |= {
                name: (Sourced(nbytes, "B", Kind.COMPILED, at[name]),) for name, nbytes in told.items() if nbytes
            }
        if numbers:
            found.append(([cell(evidence, row), status(evidence, row)], numbers))
    return found


def operations(evidence: Evidence) -> Section:
    """How cells ended that did not end well, why a number may be wrong, and which toolchains made the records."""
    rows: list[Line] = [
        ([cell(evidence, row), (trouble.cause,), (evidence.named(row, trouble.words, "doubts"),)], {})
        for row in evidence.rows
        for trouble in troubles(row.record)
    ]  # fmt: skip
    tables = table(("cell", "cause", "in its record's words"), rows)
    made: list[Line] = [
        ([cell(evidence, row), (evidence.named(row, ", ".join(_software(row)), "environment", "software"),)], {})
        for row in evidence.rows
    ]
    none: Sequence[Sentence] = () if rows else (("Every cell ended well, and no record has a doubt.",),)
    return Section("operations", "Operations", (*tables, *table(("cell", "toolchain"), made)), tuple(none))


def _software(row: Row) -> Iterator[str]:
    for name, version in row.record.environment.software.items():
        if version is not None and name != "source_sha256":
            yield f"{name} {version}"


def security(evidence: Evidence) -> Section:
    """Which files this rests upon, by their hash, and whose weights and kernels took part."""
    rows: list[Line] = [
        ([cell(evidence, row), (evidence.named(row, evidence.of(row).sha256),), _foreign(evidence, row)], {})
        for row in evidence.rows
    ]
    if evidence.plan is not None:
        rows.append(([("the plan",), (evidence.of_plan(evidence.sources[PLAN].sha256),), ()], {}))
    said: Sentence = ("Records and plan were read as data and validated like a stranger's; nothing in them was run.",)
    return Section("security", "Security", table(("file of", "SHA-256", "not ours in it"), rows), (said,))


def _foreign(evidence: Evidence, row: Row) -> Sentence:
    of = row.record.cell
    told = [] if of.weights is None else [f"weights {of.weights.sha256}"]
    told += [] if of.inputs is None else [f"inputs {of.inputs.sha256}"]
    told += [f"kernel {one.label}" for one in of.replaced]
    return (evidence.named(row, ", ".join(told), "cell"),) if told else ()


def exit_plan(evidence: Evidence) -> Section:
    """Of each subject the ways that give a right answer, so that one can stand in for another, and the texts kept."""
    subjects: dict[tuple[str, str], list[Row]] = {}
    for row in evidence.rows:
        subjects.setdefault((row.record.cell.subject, row.record.cell.reference_key), []).append(row)
    rows: list[Line] = []
    for those in subjects.values():
        ways = list({row.labels: row for row in those if right(row)}.values())
        subject = evidence.named(those[0], those[0].record.cell.subject, "cell", "case")
        texts = [evidence.named(row, ref.dialect, "artifacts", number)
                 for row in ways for number, ref in enumerate(row.record.artifacts)]  # fmt: skip
        kept = list({one.text: one for one in texts if ":" not in one.text}.values())  # passes and kernels have one
        backends = {row.record.cell.backend for row in ways}
        lacks: Sentence = () if len(backends) > 1 else ("no other backend is recorded",)
        rows.append(
            ([(subject,), listed([one for row in ways for one in place(evidence, row)]), lacks, listed(kept)], {})
        )
    tables = table(("subject", "right answers by", "lacks", "stages whose texts these keep"), rows)
    return Section("exit", "Exit plan", tables)
