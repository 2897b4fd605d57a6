"""A cluster of Ray's on this machine: each node a `ray start` with folders, cores and an environment of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

RAY = Path(sys.executable).with_name("ray")
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}  # of these clusters and their drivers
_UP_S = 60.0


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class RayNode:
    """One `ray start`, and all that it started."""

    process: subprocess.Popen[bytes]
    folder: Path

    def below(self) -> list[psutil.Process]:
        """Its processes, all of one session: Ray's overwrite their environment by their titles."""
        found = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(one.pid) == self.process.pid:
                    found.append(one)
        return found

    def kill(self) -> None:
        """As a machine that loses its power."""
        for _ in range(5):
            for one in self.below():
                with contextlib.suppress(psutil.Error):
                    one.kill()
        self.process.wait()


@dataclass
class RayCluster:
    """A head, which has a server for clients, and other nodes; each has as many cores as it is given."""

    folder: Path
    port: int = field(default_factory=free_port)
    client: int = field(default_factory=free_port)
    nodes: list[RayNode] = field(default_factory=list)

    @property
    def address(self) -> str:
        """For a driver on one of its nodes."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """For a driver anywhere."""
        return f"ray://127.0.0.1:{self.client}"

    def start(
        self,
        env: Mapping[str, str],
        cpus: int = 1,
        cores: set[int] | None = None,
        ray: Path = RAY,
        tmp: Path | None = None,
    ) -> RayNode:
        """One more node, of those cores of the machine; the first is the head."""
        name = f"n{len(self.nodes)}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        own = {
            **env, "TMPDIR": str(tmp or folder), "XDG_CACHE_HOME": str(folder / "cache"),
            "RAY_USAGE_STATS_ENABLED": "0", **TOKEN,
        }  # fmt: skip
        words = [
            str(ray),
            "start",
            "--block",
            f"--num-cpus={cpus}",
            "--disable-usage-stats",
            "--node-ip-address=127.0.0.1",
        ]
        words += ["--object-store-memory=100000000", "--memory=4000000000"]
        if not self.nodes:
            words += ["--head", f"--port={self.port}", f"--ray-client-server-port={self.client}"]
            words += ["--include-dashboard=false", f"--temp-dir={self.folder / 'ray'}"]
        else:
            words += [f"--address={self.address}"]

        def pinned() -> None:
            os.setsid()
            if cores is not None:
                os.sched_setaffinity(0, cores)

        with (folder / "ray.log").open("wb") as log:
            process = subprocess.Popen(words, env=own, stdout=log, stderr=subprocess.STDOUT, preexec_fn=pinned)
        node = RayNode(process, folder)
        self.nodes.append(node)
        end = time.monotonic() + _UP_S
        while b"Ray runtime started" not in (folder / "ray.log").read_bytes():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((folder / "ray.log").read_text()[-2000:])
            time.sleep(0.1)
        return node


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[RayCluster]:
    """One without nodes yet, that is gone at the end."""
    made = RayCluster(folder)
    try:
        yield made
    finally:
        for node in made.nodes:
            node.kill()
