"""Cells in environments of releases: one `oneblock run` in each, whose records are as any others."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from oneblock.bench.cells.toolchain import told
from oneblock.bench.records.reading import adapter
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.scratch import scratch
from oneblock.bench.toolchains.environment import Environment, Plan, made, planned, stage
from oneblock.bench.toolchains.index import NoRelease
from oneblock.bench.toolchains.release import Release, Versions
from oneblock.bench.toolchains.shelf import Say
from oneblock.compilers.api.process import kill_session, last_words, lead

Count = Annotated[float, Field(allow_inf_nan=False)]


@dataclass
class ReleaseRuns:
    """Cells, as the words of `oneblock run`, in one environment after another; each is made and run once."""

    words: Sequence[str]
    directory: Path
    beside: Versions  # what another Python must have as well
    pythons: Sequence[Path] = ()
    script: Path | None = None  # in place of cells: a program that prints its counts
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
        with scratch("releases") as folder, (folder / "log").open("w+b") as log:
            env = {**environment.environ(stage(folder)), "TRITON_CACHE_DIR": str(folder / "triton")}
            command = [str(environment.python), "-P", str(script.absolute())]
            code, answer = _run(command, env, folder, log.fileno())
            told_last = last_words((folder / "log").read_text(errors="replace"))
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        if code:
            return Release(environment.versions, (), Status.CRASHED, f"{script.name}: {how}: {told_last}", None)
        try:
            last = (answer.splitlines() or [b""])[-1]
            counts = adapter(dict[str, dict[str, Count]]).validate_json(last)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            why = ": ".join((*map(str, first["loc"]), first["msg"]))
            reason = f"{script.name}: expected JSON as the last line, {{case: {{figure: number}}}}: {why}"
            return Release(environment.versions, (), Status.INVALID, reason, None)
        return Release(environment.versions, counts=counts)

    def run(self, environment: Environment, *more: str) -> Release:
        """The cells in one environment, with more words where there are any."""
        asked = [word for name, of in environment.versions.items() for word in ("--toolchain", f"{name}={of}")]
        words = ["run", *self.words, *asked, *more, "-o", str(self.directory.absolute()), "--json"]
        with scratch("releases") as folder, (folder / "log").open("w+b") as log:
            code, answer = _run(environment.command(*words), environment.environ(stage(folder)), folder, log.fileno())
            told_last = last_words((folder / "log").read_text(errors="replace"))
        if code < 0:
            how = f"killed by {signal.Signals(-code).name}"
            return Release(environment.versions, (), Status.CRASHED, f"{how}: {told_last}", "its log ends so")
        try:
            records = tuple(adapter(list[Record]).validate_json(answer))
        except ValidationError:
            reason = told_last or f"exit status {code}, and no records"
            return Release(environment.versions, (), Status.UNAVAILABLE, reason.removeprefix("oneblock: "), None)
        return Release(environment.versions, records)


def _run(command: Sequence[str], env: Mapping[str, str], folder: Path, log: int) -> tuple[int, bytes]:
    """(exit status, standard output) of a process, which ends with this one."""
    process = lead(
        lambda: subprocess.Popen(
            command, env=env, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            start_new_session=True,
        )
    )  # fmt: skip
    try:
        answer, _ = process.communicate()
        return process.returncode, answer
    finally:
        kill_session(process)
