"""What an instructor asks: many folders, each held against an artifact that is made here anew."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from oneblock.bench.format.errors import Refused
from oneblock.bench.lessons.attempt import SCRIPT, Attempt, passed, verdicts, versions, written
from oneblock.bench.lessons.item import Artifact, Standing, Verdict
from oneblock.bench.records.scratch import scratch

_HEADINGS = (
    "folder",
    "lab",
    "seed",
    "passed",
    "item",
    "part",
    "standing",
    "answer",
    "misconception",
    "remark",
    "artifact",
)


@dataclass(frozen=True)
class Graded:
    """One folder: its verdicts, or why it cannot be graded."""

    folder: Path
    lab: str | None = None
    seed: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    refused: str | None = None
    artifact: str = ""  #: how the learner's own compares with the one that was made here

    @property
    def passed(self) -> bool:
        """Whether the lab is."""
        return passed([*self.verdicts])

    @property
    def word(self) -> str:
        """Whether it is passed, where "partly" is passed but for what nobody could grade."""
        if not self.passed:
            return "no"
        return "partly" if any(one.standing is Standing.UNGRADED for one in self.verdicts) else "yes"


def grade_all(folders: Sequence[Path], *, run_code: bool) -> list[Graded]:
    """Each folder, or each lab within it, graded; of a lab and seed the artifact is made once."""
    made: dict[tuple[str, int], Artifact] = {}
    return [_grade(one, made, run_code=run_code) for folder in folders for one in attempts(folder)]


def attempts(folder: Path) -> list[Path]:
    """The attempts that a folder is or holds."""
    if (folder / "state.json").exists() or not folder.is_dir():
        return [folder]
    within = sorted(path.parent for path in folder.glob("*/state.json"))
    return within or [folder]


def _grade(folder: Path, made: dict[tuple[str, int], Artifact], *, run_code: bool) -> Graded:
    try:
        attempt = Attempt.open(folder)
        key = (attempt.lab.name, attempt.seed)
        if attempt.state.last("predict") is None:
            raise Refused(f"{folder}: nothing was predicted")
        given = attempt.answers()
        if key not in made:
            with scratch("lab") as apart:
                made[key] = attempt.lab.lesson.run(attempt.shape, apart)
        script = attempt.folder / SCRIPT if run_code else None
        found = verdicts(attempt.lab, given, attempt.shape, made[key], script)
        return Graded(folder, *key, tuple(found), artifact=_compared(attempt, made[key]))
    except Refused as refused:
        return Graded(folder, refused=str(refused))
    except OSError as error:  # a link or a pipe in the place of a file, say: the other folders are graded
        return Graded(folder, refused=f"{error.filename}: {error.strerror}")


def _compared(attempt: Attempt, made: Artifact) -> str:
    """Whether the learner's run made what is made here; of another toolchain truth moves, and answers with it."""
    ran = attempt.state.last("run")
    if ran is None:
        return "not run"
    if ran["sha256"] == sha256(written(made)).hexdigest():
        return "same"
    here, there = versions(), ran["software"]
    moved = [
        f"{name} {there.get(name)}, here {here.get(name)}" for name in here | there if there.get(name) != here.get(name)
    ]
    return f"other: {'; '.join(moved) or 'of the same versions'}"


def to_csv(graded: Iterable[Graded]) -> str:
    """A line for each item, and one for each folder that is refused."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(_HEADINGS)
    for one in graded:
        name = str(one.folder)
        # A table calculator takes what begins so for a formula, and somebody else has named the folder.
        name = f"'{name}" if name[:1] in "=+-@" else name
        about = [name, one.lab or "", "" if one.seed is None else one.seed, one.word]
        for v in one.verdicts:
            lines.writerow(
                [*about, v.item, v.part, v.standing, v.answer, v.misconception or "", v.hint or "", one.artifact]
            )
        if one.refused is not None:
            lines.writerow([*about, "", "", "refused", "", "", one.refused, ""])
    return out.getvalue()
