"""Cells in environments of releases: one `oneblock run` in each, whose records are as any others."""

from __future__ import annotations

import contextlib
import math
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Annotated

from pydantic import Field, ValidationError

from oneblock.bench.cells.toolchain import told
from oneblock.bench.records.environment import default_threads
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.toolchains.environment import Environment, Plan, made, planned, stage
from oneblock.bench.toolchains.index import NoRelease
from oneblock.bench.toolchains.release import Release, Versions
from oneblock.bench.toolchains.shelf import Say
from oneblock.bench.worker.launch import own_variables
from oneblock.compilers.api.process import kill_session, last_words, lead

_BEAT_S = 1.0
Count = Annotated[float, Field(allow_inf_nan=False)]


@dataclass
class ReleaseRuns:
    """Cells, as the words of `oneblock run`, in one environment after another; each is made and run once."""

    words: Sequence[str]
    directory: Path
    beside: Versions  # what another Python must have as well
    pythons: Sequence[Path] = ()
    script: Path | None = None  # in place of cells: a program that prints its counts
    timeout_s: float = 600.0  # of a script in one release, and of a compilation that is timed; cells have it in words
    say: Say = lambda _: None
    tell: Callable[[str], None] = lambda _: None
    planned: dict[str, Plan | NoRelease] = field(default_factory=dict)
    done: dict[str, Release] = field(default_factory=dict)

    def plan(self, versions: Versions) -> Plan | NoRelease:
        """What its environment would be made of, or why there is none."""
        key = told(versions) or ""
        if key not in self.planned:
            self.tell(f"asking the index for {key}")
            try:
                self.planned[key] = planned(versions, self.beside, self.pythons)
            except NoRelease as refused:
                self.planned[key] = refused
        return self.planned[key]

    def release(self, versions: Versions) -> Release:
        """Its records; whatever goes wrong is a status, and the next has its turn."""
        key = told(versions) or ""
        if key not in self.done:
            self.done[key] = self._release(versions, key)
        return self.done[key]

    def walked(self, ways: Sequence[Sequence[Versions]]) -> list[list[Release]]:
        """Of each way those releases that had their turn, in its order."""
        return [[self.done[key] for point in way if (key := told(point) or "") in self.done] for way in ways]

    def _release(self, versions: Versions, key: str) -> Release:
        of = self.plan(versions)
        if isinstance(of, NoRelease):
            return Release(versions, (), of.status, of.reason, of.hint)
        try:
            self.tell(f"{key}: fetching, or proving what is kept")
            environment = made(of, self.say)
        except NoRelease as refused:
            return Release(versions, (), refused.status, refused.reason, refused.hint)
        self.tell(f"{key}: compiling")
        return self.run(environment) if self.script is None else self.counted(environment, self.script)

    def counted(self, environment: Environment, script: Path) -> Release:
        """What a script prints last in one environment: JSON, {case: {figure: number}}."""
        command = [str(environment.python), "-P", str(script.absolute())]
        try:
            done = ended(environment, command, within_s=self.timeout_s)
            return Release(environment.versions, counts=done.counts(script.name))
        except NoRelease as refused:
            return Release(environment.versions, (), refused.status, refused.reason, refused.hint)

    def run(self, environment: Environment, *more: str) -> Release:
        """The cells in one environment, with more words where there are any."""
        asked = [word for name, of in environment.versions.items() for word in ("--toolchain", f"{name}={of}")]
        words = ["run", *self.words, *asked, *more, "-o", str(self.directory.absolute()), "--json"]
        before, key = self._cells(), environment.toolchain

        def beat() -> None:
            self.tell(f"{key}: compiling, {len(self._cells() - before)} cells are done")

        done = ended(environment, environment.command(*words), cold=False, beat=beat)
        if done.code < 0:
            reason = f"{done.how}: {done.told_last}"
            return Release(environment.versions, (), Status.CRASHED, reason, "its log ends so")
        try:
            records = tuple(adapter(list[Record]).validate_json(done.answer))
        except ValidationError:
            reason = done.told_last or f"exit status {done.code}, and no records"
            return Release(environment.versions, (), Status.UNAVAILABLE, reason.removeprefix("oneblock: "), None)
        return Release(environment.versions, records)

    def _cells(self) -> set[Path]:
        """What stands for records in the folder by now."""
        return {*self.directory.glob("*.json")}


@dataclass(frozen=True)
class Ended:
    """How a process in an environment ended, and what it printed."""

    code: int
    answer: bytes
    told_last: str  # of its log

    @property
    def how(self) -> str:
        """For people."""
        return f"killed by {signal.Signals(-self.code).name}" if self.code < 0 else f"exit status {self.code}"

    def counts(self, name: str) -> dict[str, dict[str, float]]:
        """What stands in its last line; NoRelease says why that is nothing."""
        if self.code:
            raise NoRelease(Status.CRASHED, f"{name}: {self.how}: {self.told_last}", "its log ends so")
        try:
            last = (self.answer.splitlines() or [b""])[-1]
            counts: dict[str, dict[str, float]] = adapter(dict[str, dict[str, Count]]).validate_json(last)
            return counts
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = ": ".join((*map(str, first["loc"]), first["msg"]))
            reason = f"{name}: expected JSON as the last line, {{case: {{figure: number}}}}: {why}"
            raise NoRelease(Status.INVALID, reason, "print it last") from None


def ended(
    environment: Environment, command: Sequence[str], *, cold: bool = True, beat: Callable[[], None] = lambda: None,
    within_s: float = math.inf,
) -> Ended:  # fmt: skip
    """A process in an environment, in a folder of its own; `cold`: what toolchains keep of it goes with that.

    `beat` is called now and then meanwhile. NoRelease where it is not at its end in time, and is ended.
    """
    with scratch("releases") as folder, (folder / "log").open("w+b") as log:
        own = own_variables(default_threads(), folder, folder) if cold else {}
        env = {**environment.environ(stage(folder)), **own}
        code, answer = _run(command, env, folder, log.fileno(), beat, within_s)
        return Ended(code, answer, last_words((folder / "log").read_text(errors="replace")))


def _run(
    command: Sequence[str], env: Mapping[str, str], folder: Path, log: int, beat: Callable[[], None], within_s: float
) -> tuple[int, bytes]:
    """(exit status, standard output) of a process, which ends with this one."""
    process = lead(
        lambda: subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            start_new_session=True,
        )
    )  # fmt: skip
    until = monotonic() + within_s
    try:
        while (left_s := until - monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                answer, _ = process.communicate(timeout=min(left_s, _BEAT_S))
                return process.returncode, answer
            beat()
        raise NoRelease(Status.TIMED_OUT, f"was still at it after {within_s:g} s", "give more with --timeout")
    finally:
        kill_session(process)
