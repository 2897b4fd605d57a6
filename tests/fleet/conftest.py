"""A cluster for all tests of a fleet, and the command as a driver of it gives it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oneblock.bench.records.record import Record
from oneblock.bench.records.store import Store
from tests.helpers.oneblock_process import COMMAND, publish, start
from tests.helpers.ray_cluster import TOKEN, RayCluster, cluster


@dataclass
class Here:
    """A cluster of Ray's, a plug-in that waits, and a folder for records."""

    ray: RayCluster
    env: dict[str, str]
    folder: Path
    log: Path

    def words(self, *batches: int, on: str | None = None, records: str = "records") -> list[str]:
        """The command that compiles a norm of each batch by the plug-in."""
        where = [] if on == "" else ["--on", on or self.ray.address]
        sizes = [word for batch in batches for word in ("-B", str(batch))]
        what = ["norm", "--preset=tiny", "-T16", "--phase=prefill", "--backend=waits", "--target=cuda:sm_90"]
        return [*COMMAND, "run", *what, *sizes, *where, "-o", str(self.folder / records)]

    def run(self, *batches: int, more: tuple[str, ...] = (), timeout: float = 240, **env: str) -> Ended:
        """Run it to its end."""
        words = [*self.words(*batches), *more]
        return subprocess.run(words, env=self.env | env, capture_output=True, text=True, timeout=timeout)

    def start(self, *batches: int, more: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
        """Start it, to do something to it meanwhile."""
        return start(self.env | env, [*self.words(*batches), *more], self.folder, command=())

    def records(self, name: str = "records") -> list[Record]:
        """All that are there."""
        found, problems = Store(self.folder / name).records()
        assert problems == []
        return [record for _, record in found]

    def compiled(self) -> list[str]:
        """What the plug-in did, a line each time."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def until(self, holds: Callable[[], bool], within_s: float = 120) -> None:
        """Wait for something."""
        end = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < end, self.compiled()
            time.sleep(0.05)


Ended = subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def plug_in() -> Iterator[dict[str, str]]:
    """An environment in which the backend that waits is installed, of nodes and drivers alike."""
    folder = Path(tempfile.mkdtemp(prefix="ob-"))  # short: Ray's sockets are within
    code = (Path(__file__).parents[1] / "helpers" / "waits.py").read_text()
    env = publish(folder, "oneblock_waits", code, {"oneblock.backends": {"waits": "BACKEND"}})
    yield env | TOKEN | {"ONEBLOCK_WAITS_LOG": str(folder / "log")}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def fresh(plug_in: dict[str, str], tmp_path: Path) -> Iterator[Here]:
    """A cluster of one's own, without nodes yet."""
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as short, cluster(Path(short)) as ray:
        log = Path(plug_in["ONEBLOCK_WAITS_LOG"])
        log.unlink(missing_ok=True)
        yield Here(ray, plug_in, tmp_path, log)


@pytest.fixture(scope="session")
def three(plug_in: dict[str, str]) -> Iterator[RayCluster]:
    """Three nodes of a core each, that tests leave as they are."""
    with tempfile.TemporaryDirectory(prefix="ob-", ignore_cleanup_errors=True) as short, cluster(Path(short)) as ray:
        cores = sorted(os.sched_getaffinity(0))
        for n in range(3):
            ray.start(plug_in, cores={cores[n % len(cores)]})
        yield ray


@pytest.fixture
def here(three: RayCluster, plug_in: dict[str, str], tmp_path: Path) -> Here:
    """The three nodes."""
    log = Path(plug_in["ONEBLOCK_WAITS_LOG"])
    log.unlink(missing_ok=True)
    return Here(three, plug_in, tmp_path, log)
