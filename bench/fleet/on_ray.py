"""The process that speaks with Ray, and the one file that imports it.

python -P -m oneblock.bench.fleet.on_ray DESCRIPTOR ADDRESS [FILE of a runtime environment, as JSON]

It is apart from the driver, as a toolchain is: Ray ends a process whose cluster is gone, starts threads, and takes a
second to import. It passes on what is asked and what comes back, and decides nothing: which node does a task is Ray's.
A message is a line of JSON and bytes behind it. Asked: {"call": n, "what", "nodes", "needs"}, {"drop": n}, {"end"}.
Told: {"nodes"}, {"answer": n, "node", "good"}, {"lost": n, "why"}, and last {"over": why}.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

import ray

from oneblock.compilers.api.process import die_with_parent

_POLL_S = 0.02
_LOOK_S = 1.0  # between looks at the nodes
_WORDS = 500  # characters of why


def work(what: str, request: bytes) -> tuple[str, bool, bytes]:
    """On a node: (its name in the cluster, whether it was done, the answer or why not)."""
    here = ray.get_runtime_context().get_node_id()
    good, answer = import_module("oneblock.bench.fleet.node").perform(what, request)
    return here, good, answer


class Bridge:
    """Between a driver and a cluster."""

    def __init__(self, line: Connection) -> None:
        self.line = line
        self.calls: dict[Any, int] = {}  # by the reference of what will be the answer
        self.task: Any = ray.remote(max_retries=0)(work)  # what is lost is asked again by who knows what was asked
        self.nodes: list[dict[str, Any]] = []
        self.looked_s = -_LOOK_S

    def say(self, payload: bytes = b"", **told: Any) -> None:
        """One message to the driver."""
        self.line.send_bytes(json.dumps(told).encode() + b"\n" + payload)

    def serve(self) -> None:
        """Until the driver has enough, or is gone."""
        while True:
            self.look()
            while self.line.poll(0 if self.calls else _POLL_S):
                head, _, payload = self.line.recv_bytes().partition(b"\n")
                asked = json.loads(head)
                if "end" in asked:
                    return
                self.drop(asked["drop"]) if "drop" in asked else self.call(asked, payload)
            self.hear()

    def look(self) -> None:
        """At the nodes that are there; told where they are others than before."""
        if monotonic() - self.looked_s < _LOOK_S:
            return
        self.looked_s = monotonic()
        alive = [
            {"id": one["NodeID"], "address": one["NodeManagerAddress"], "resources": one["Resources"]}
            for one in ray.nodes()
            if one["Alive"]
        ]
        if sorted(one["id"] for one in alive) != sorted(one["id"] for one in self.nodes):
            self.nodes = alive
            self.say(nodes=alive, ray=ray.__version__)

    def call(self, asked: dict[str, Any], payload: bytes) -> None:
        """A task on one of some nodes."""
        among = {"ray.io/node-id": f"in({','.join(asked['nodes'])})"}
        task = self.task.options(label_selector=among, name=f"oneblock {asked['what']}", **asked["needs"])
        self.calls[task.remote(asked["what"], payload)] = asked["call"]

    def drop(self, number: int) -> None:
        """End a task, wherever it is, and hear no more of it."""
        for ref in [ref for ref, one in self.calls.items() if one == number]:
            del self.calls[ref]
            ray.cancel(ref, force=True)

    def hear(self) -> None:
        """Pass on what is done by now."""
        if not self.calls:
            return
        ready, _ = ray.wait([*self.calls], num_returns=1, timeout=_POLL_S)
        if ready and len(self.calls) > 1:
            ready, _ = ray.wait([*self.calls], num_returns=len(self.calls), timeout=0)
        for ref in ready:
            number = self.calls.pop(ref)
            try:
                node, good, answer = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                self.say(lost=number, why=_why(error.cause))
            except ray.exceptions.RayError as error:
                self.say(lost=number, why=_why(error))
            else:
                self.say(answer, answer=number, node=node, good=good)


def _why(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:_WORDS]


def _connect(address: str, runtime_env: dict[str, Any] | None) -> None:
    """To a cluster that is there, or one of this machine alone that ends with this process."""
    own: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    ray.init(address, log_to_driver=False, logging_level="ERROR", runtime_env=runtime_env, **own)


def _leave(address: str) -> None:
    """End this driver's job; a cluster sees by itself that a driver on one of its nodes is gone.

    Ray's own farewell takes half a second. A cluster of this driver's own needs it, and a server for clients.
    """
    if address == "local" or address.startswith("ray://"):
        ray.shutdown()
    else:
        os._exit(0)


def main() -> None:
    """Serve one driver."""
    die_with_parent()
    line = Connection(int(sys.argv[1]))
    bridge = Bridge(line)
    try:
        _connect(sys.argv[2], json.loads(Path(sys.argv[3]).read_bytes()) if sys.argv[3:] else None)
        bridge.serve()
        _leave(sys.argv[2])
    except (EOFError, ConnectionError):  # the driver is gone, and with it all that was asked
        ray.shutdown()
    except Exception as error:  # noqa: BLE001  whatever it is: it is Ray's, and the driver has the sentence
        bridge.say(over=_why(error))


if __name__ == "__main__":
    main()
