"""The driver's end of a cluster: calls to nodes go out, and what comes of them is heard."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, BinaryIO

from oneblock.bench.format.errors import Refused
from oneblock.bench.records.scratch import scratch
from oneblock.compilers.api.process import PYTHON, kill_session, last_words, lead

LOCAL = "ray"  # as --on names the cluster that is started for a run
_REACH_S = 5.0
_CONNECT_S = 90.0
_FAREWELL_S = 10.0
# The last: how long a server for clients keeps the tasks of one that is gone, by default for half a minute.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5",
}  # fmt: skip


@dataclass(frozen=True)
class Node:
    """A machine of the cluster, or one process of Ray's of several on a machine."""

    id: str
    address: str
    resources: dict[str, float]

    def has(self, resource: str) -> float:
        """How much of a resource it has in all."""
        return self.resources.get(resource, 0.0)


@dataclass(frozen=True)
class Heard:
    """What came of a call: an answer, or why there is none."""

    call: int
    node: str | None  # that answered
    good: bool  # whether it did what was asked
    answer: bytes  # or why not, of a node
    lost: str | None  # why nothing came back


class ClusterGone(Refused):
    """There is no cluster there, or none any more."""


class Cluster:
    """One that is connected; `nodes` are those that are alive."""

    def __init__(self, process: subprocess.Popen[bytes], line: Connection, log: BinaryIO, on: str) -> None:
        self.process, self.line, self.log, self.on = process, line, log, on
        self.nodes: dict[str, Node] = {}
        self.ray: str | None = None
        self._numbers = count(1)
        self._came: SimpleQueue[bytes | None] = SimpleQueue()  # None: nothing comes any more
        Thread(target=self._listen, daemon=True).start()  # else both ends could wait for the other to read

    def call(self, what: str, request: bytes, nodes: Sequence[str], **needs: Any) -> int:
        """Ask one of some nodes for something, when it has what that needs; the number of the call."""
        number = next(self._numbers)
        self._send({"call": number, "what": what, "nodes": list(nodes), "needs": {"num_cpus": 0} | needs}, request)
        return number

    def drop(self, number: int) -> None:
        """End what was asked, and hear no more of it."""
        self._send({"drop": number})

    def hear(self, within_s: float) -> Heard | None:
        """What comes next; None where nothing does in time, or what came is of the nodes. ClusterGone at its end."""
        try:
            came = self._came.get(timeout=within_s)
        except Empty:
            return None
        if came is None:
            self._came.put(None)
            self.process.wait()
            raise self._gone(self._last_words())
        head, _, payload = came.partition(b"\n")
        told = json.loads(head)
        if "over" in told:
            raise self._gone(told["over"])
        if "nodes" in told:
            self.nodes, self.ray = {one["id"]: Node(**one) for one in told["nodes"]}, told["ray"]
            return None
        if "answer" in told:
            return Heard(told["answer"], told["node"], told["good"], payload, None)
        return Heard(told["lost"], None, False, b"", told["why"])

    def leave(self) -> None:
        """Ask nothing more of it, and do not wait until it is left."""
        with contextlib.suppress(OSError):
            self.line.send_bytes(b'{"end": 1}\n')

    def close(self) -> None:
        """Leave it: what was asked of it ends, and a cluster of this run's own with it."""
        self.leave()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_FAREWELL_S)
        kill_session(self.process)

    def _listen(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._came.put(self.line.recv_bytes())
        self._came.put(None)

    def _send(self, asked: dict[str, Any], payload: bytes = b"") -> None:
        try:
            self.line.send_bytes(json.dumps(asked).encode() + b"\n" + payload)
        except OSError:
            self.process.wait()
            raise self._gone(self._last_words()) from None

    def _last_words(self) -> str:
        self.log.seek(max(0, os.fstat(self.log.fileno()).st_size - 16384))
        return last_words(self.log.read().decode("utf-8", "replace")) or f"it ended with {self.process.returncode}"

    def _gone(self, why: str) -> ClusterGone:
        if self.nodes:
            return ClusterGone(
                f"--on {self.on}: the cluster is gone: {why}; what came back is kept: the same command goes on from "
                "here when it is there again",
                1,
            )
        return ClusterGone(f"--on {self.on}: expected a cluster of Ray's that takes this driver, got: {why}")


@contextlib.contextmanager
def connected(on: str, runtime_env: Path | None = None) -> Iterator[Cluster]:
    """The cluster that --on names: "ray" for one of this machine alone, "ray://HOST:PORT", "HOST:PORT" from a node."""
    if find_spec("ray") is None:
        raise Refused(f"--on {on}: Ray is not here: pip install 'oneblock[fleet]', of the version that the cluster has")
    address = "local" if on == LOCAL else _reached(on)
    environment = None if runtime_env is None else _json(runtime_env)
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(scratch("ray"))
        log = stack.enter_context((folder / "log").open("w+b"))
        words = [*PYTHON, "-m", "oneblock.bench.fleet.on_ray", str(theirs.fileno()), address]
        if environment is not None:  # by a file: it may be long, and what it sets is nobody else's to see
            (folder / "runtime_env.json").write_text(environment)
            words.append(str(folder / "runtime_env.json"))
        with theirs:
            process = lead(
                lambda: subprocess.Popen(
                    words,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **_ENVIRONMENT},
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            )
        cluster = Cluster(process, Connection(ours.detach()), log, on)
        stack.callback(cluster.line.close)
        stack.callback(cluster.close)
        end = monotonic() + _CONNECT_S
        while not cluster.nodes:
            cluster.hear(1.0)
            if monotonic() > end:
                raise ClusterGone(f"--on {on}: expected a cluster of Ray's there, got no answer in {_CONNECT_S:.0f} s")
        yield cluster


def _reached(on: str) -> str:
    """The address as it is, if something listens there; by itself Ray tries for a minute."""
    host, colon, port = on.removeprefix("ray://").rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise Refused(f"--on {on}: expected ray, ray://HOST:PORT or HOST:PORT, e.g. ray://10.0.0.1:10001")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _REACH_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ClusterGone(
            f"--on {on}: no cluster there: {why}; `ray start --head` starts one, and says its address"
        ) from error
    return on


def _json(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"--runtime-env {path}: expected Ray's runtime environment as JSON, got: {error}") from error
    if not isinstance(found, dict):
        raise Refused(f"--runtime-env {path}: expected an object of JSON, got {type(found).__name__}")
    return json.dumps(found)
