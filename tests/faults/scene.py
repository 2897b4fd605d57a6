"""Where a fault happens: a home, a working folder with good records, and what must hold whatever went wrong there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oneblock.bench.records.store import read_record
from oneblock.bench.records.texts import StoreError
from tests.helpers.oneblock_process import COMMAND, MARK, orphans

NORM = ("run", "norm", "--preset", "tiny", "--phase", "prefill", "-T", "8", "--ops", "plain")
GOOD = (*NORM, "--backend", "reference", "--dtype", "float32", "--dtype", "bfloat16", "-o", "records")
LIMITS = (*NORM, "--backend", "reference", "--backend", "slow", "--dtype", "float16", "-o", "scratch")
HANG_S = 90  # a command that has not ended by then hangs, on a busy machine too
# What a terminal would obey: control characters, and what turns the direction of text.
_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MODULE = Path(__file__).with_name("hostile.py")


# What no fault and no bad input may cost. The campaign counts each, whether or not it came about.
OUTCOMES = (
    "records lost", "records wrong", "orphans", "lasting folders", "hangs", "tracebacks", '"unexpected"', "raw escapes",
    "good records hidden", "files written outside", "code run", "no sentence, or no JSON under --json", "wrong status",
)  # fmt: skip


class Cost(AssertionError):
    """One of OUTCOMES came about."""

    def __init__(self, outcome: str, shown: object) -> None:
        super().__init__(f"{outcome}: {shown}")
        assert outcome in OUTCOMES
        self.outcome = outcome


def hold(condition: object, outcome: str, shown: object) -> None:
    """Fail by one of OUTCOMES unless the condition holds."""
    if not condition:
        raise Cost(outcome, shown)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def stage(folder: Path) -> Path:
    """Make the template: `home`, `tmp`, `package`, `outside` and `work` with two good records.

    What each fault would find out again is found out here: the machine's limits by what is not hostile.
    """
    for name in ("home", "tmp", "work", "outside", "package"):
        (folder / name).mkdir()
    (folder / "outside" / "canary").write_text("as it was\n")
    shutil.copy(_MODULE, folder / "package" / "hostile.py")
    info = folder / "package" / "hostile-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1.0\n")
    names = "".join(f"{name} = hostile:{name}\n" for name in ("hostile", "slow", "elsewhere"))
    (info / "entry_points.txt").write_text(f"[oneblock.backends]\n{names}")
    for words in (GOOD, LIMITS):
        done = subprocess.run([*COMMAND, *words], cwd=folder / "work", env=_environment(folder), capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
    shutil.rmtree(folder / "work" / "scratch")
    return folder


def _environment(folder: Path) -> dict[str, str]:
    own = {name: str(folder / "home" / where) for name, where in
           (("HOME", ""), ("XDG_CACHE_HOME", ".cache"), ("XDG_DATA_HOME", ".local/share"))}  # fmt: skip
    path = os.pathsep.join([str(folder / "package"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    own |= {
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": path,
        MARK: str(folder),
        "XDG_RUNTIME_DIR": str(folder / "tmp"),
    }
    return {**os.environ, **own}


class Scene:
    """One copy of the template, the commands run in it, and the verdict on what they left."""

    def __init__(self, template: Path, folder: Path) -> None:
        shutil.copytree(template, folder, dirs_exist_ok=True, symlinks=True)
        self.folder = folder
        self.work, self.tmp, self.home, self.outside = (folder / n for n in ("work", "tmp", "home", "outside"))
        self.records = self.work / "records"
        self.env = _environment(folder)
        self.good = {path.name: path.read_bytes() for path in self.records.glob("*.json")}
        assert len(self.good) == 2
        self.planted: set[Path] = set()  # what the fault put there itself: it need be no record

    def end(self) -> None:
        """Kill what is left."""
        for process in orphans(self.env, 0):
            process.kill()

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command, which listens to Ctrl-C as one at a terminal does."""
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        env = self.env | options.pop("env", {})
        before: Callable[[], Any] = options.pop("preexec_fn", lambda: None)

        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before()

        command = options.pop("command", [*COMMAND, *words])
        return subprocess.Popen(command, cwd=self.work, env=env, preexec_fn=prepare, **(pipes | options))

    def finish(self, process: subprocess.Popen[bytes], within_s: float = HANG_S) -> Ended:
        """Wait for its end; a hang is the fault that no other excuses."""
        try:
            out, err = process.communicate(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            self.end()  # what it left may hold its streams
            process.communicate()
            raise Cost("hangs", f"no end after {within_s} s") from None
        return Ended(process.returncode, (out or b"").decode(errors="surrogateescape"),
                     (err or b"").decode(errors="surrogateescape"))  # fmt: skip

    def run(self, *words: str, within_s: float = HANG_S, **options: Any) -> Ended:
        """Run a command to its end."""
        return self.finish(self.start(*words, **options), within_s)

    def holds(self, ended: Ended, statuses: Collection[int] = (0, 1, 2), lost: Collection[str] = ()) -> None:
        """What no fault may cost: `statuses` are those that it may end with, `lost` the records it took away itself."""
        hold(ended.status in statuses, "wrong status", ended)
        self.holds_text(ended)
        self.kept(lost)
        left = [process.cmdline() for process in orphans(self.env)]
        hold(not left, "orphans", left)

    @staticmethod
    def holds_text(ended: Ended) -> None:
        """It says what went wrong in a sentence, and nothing that a terminal would obey."""
        said = f"status {ended.status}\n{ended.out[-2000:]}\n{ended.err[-2000:]}"
        hold("Traceback" not in ended.out + ended.err, "tracebacks", said)
        hold("fault of oneblock" not in ended.err, '"unexpected"', said)
        raw = _RAW.search(ended.out + ended.err)
        hold(raw is None, "raw escapes", f"{raw}: {said!r}")
        hold(ended.status <= 0 or ended.out + ended.err, "no sentence, or no JSON under --json", said)

    @staticmethod
    def holds_json(ended: Ended) -> Any:
        """What standard output says as one JSON value, in ASCII, and not null."""
        try:
            value = json.loads(ended.out)
        except ValueError:
            value = None
        hold(value is not None and ended.out.isascii(), "no sentence, or no JSON under --json", ended)
        return value

    def kept(self, lost: Collection[str] = ()) -> None:
        """No record is lost or changed, each new one can be read, and nothing was written elsewhere."""
        self.untouched(lost)
        for path in self.records.glob("*.json") if self.records.is_dir() else ():
            if path not in self.planted and path.name not in self.good and path.name != "report.json":
                try:
                    read_record(path)
                except StoreError as error:
                    raise Cost("records wrong", error) from error
        stray = {path.name for path in self.work.iterdir()} - {"records"} - {path.name for path in self.planted}
        hold(not stray, "files written outside", f"beside the records: {stray}")

    def untouched(self, lost: Collection[str] = ()) -> None:
        """What was there before is as it was."""
        for name, data in self.good.items():
            if name not in lost:
                path = self.records / name
                hold(path.is_file(), "records lost", name)
                hold(path.read_bytes() == data, "records wrong", f"{name} is not what it was")
        hold(not (self.outside / "executed").exists(), "code run", "by a worker or the command")
        found = {path.name: path.read_text() for path in self.outside.iterdir()}
        hold(found == {"canary": "as it was\n"}, "files written outside", found)

    def swept(self) -> None:
        """Nothing of ours lasts in the temporary folder, but for that of the lock."""
        left = {path.name for path in self.tmp.iterdir() if path.name.startswith("oneblock-")}
        scraps = left - {f"oneblock-{os.getuid()}"}
        hold(not scraps, "lasting folders", scraps)

    def statuses(self) -> dict[str, list[str]]:
        """Of the records that are new: the statuses by backend; the reasons are printed."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.records.glob("*.json")):
            if path not in self.planted and path.name not in self.good:
                raw = json.loads(path.read_bytes())
                found.setdefault(raw["cell"]["backend"], []).append(raw["status"])
                print(raw["cell"]["backend"], raw["status"], raw["reason"])
        return found

    def plant(self, path: Path) -> Path:
        """A path that the fault makes something of."""
        self.planted.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def wait_for(what: Callable[[], Any], within_s: float = 40.0) -> bool:
    """Whether something became true in time."""
    end = time.monotonic() + within_s
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def python(code: str, words: Sequence[str]) -> list[str]:
    """A command line that does something, then becomes the command with these words in the same process."""
    become = f"import os, sys\n{code}\nos.execv(sys.executable, {[*COMMAND, *words]!r})"
    return [sys.executable, "-c", become]
