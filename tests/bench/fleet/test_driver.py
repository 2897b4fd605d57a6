"""A driver believes no node: what comes back is read as a stranger's, taken once, and put where its cell's place is."""

from __future__ import annotations

import zlib
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.cells.probe import PlatformProbe
from oneblock.bench.cells.tiers import TIERS
from oneblock.bench.fleet import messages
from oneblock.bench.fleet.arrivals import Arrivals
from oneblock.bench.fleet.cluster import Heard, Node
from oneblock.bench.fleet.done import Done, one_driver
from oneblock.bench.fleet.fleet import Fleet, Member
from oneblock.bench.fleet.fleet_run import FleetRun
from oneblock.bench.fleet.messages import (
    KNOWN_BY,
    Greeting,
    NodeBounds,
    ProbeAnswer,
    source_sha256,
    with_texts,
    written,
)
from oneblock.bench.fleet.places import Places
from oneblock.bench.format.errors import Refused
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store, read_record, to_json
from oneblock.compilers import Artifact, Stage
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import ENVIRONMENT, record

WITHIN = NodeBounds(None, 10.0, None)


@dataclass
class Line:
    """What a driver says to a cluster, and what it hears of it next."""

    nodes: dict[str, Node]
    heard: deque[Heard] = field(default_factory=deque)
    asked: list[tuple[str, bytes, tuple[str, ...], dict[str, Any]]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    on: str = "here"
    ray: str = "2.60.0"

    def call(self, what: str, request: bytes, nodes: Any, **needs: Any) -> int:
        self.asked.append((what, request, tuple(nodes), needs))
        return len(self.asked)

    def hear(self, within_s: float) -> Heard | None:
        return self.heard.popleft() if self.heard else None

    def drop(self, number: int) -> None:
        self.dropped.append(number)


def greeting(cells: int = 1, **others: Any) -> Greeting:
    """That of a machine as the records of these tests are of."""
    found = Greeting(
        "host", "0.1.0", source_sha256(), 0.0, 2**40, ENVIRONMENT, (dict(ENVIRONMENT.software),), (0,) * cells
    )
    return replace(found, **others)


def fleet(*cores: int, **others: Any) -> tuple[Fleet, Line]:
    """One of nodes of so many cores, of which all take part."""
    line = Line({f"n{n}": Node(f"n{n}", "10.0.0.1", {"CPU": float(count)}) for n, count in enumerate(cores)})
    made = Fleet(line, WITHIN)  # type: ignore[arg-type]
    made.members = {name: Member(node, greeting(**others), 0.0) for name, node in line.nodes.items()}
    return made, line


def good(call: int, answer: bytes, node: str = "n0") -> Heard:
    return Heard(call, node, True, answer, None)


def cell_of(backend: str = "reference", target: str = "cpu") -> Cell:
    return replace(record(backend).cell, target=Target.parse(target))


def came(raw: bytes, texts: dict[str, str] | None = None) -> Heard:
    return good(7, with_texts(raw, texts or {}))


def test_a_record_comes_with_the_texts_that_are_not_known_here(tmp_path: Path) -> None:
    there, here = Store(tmp_path / "there"), Store(tmp_path / "here")
    refs = [there.add_artifact(Artifact(Stage.GRAPH, "jaxpr", text)) for text in ("one", "two")]
    here.add_artifact(Artifact(Stage.GRAPH, "jaxpr", "one"))
    (here.directory / "artifacts" / "no hash.txt").write_text("")
    sent = replace(record(), artifacts=tuple(refs))
    arrivals = Arrivals(fleet(1)[0], here)
    assert arrivals.known == (refs[0].sha256[:KNOWN_BY],)
    got = arrivals.take(came(to_json(sent), {refs[1].sha256: "two"}), sent.cell, "smoke").record
    assert got is not None
    assert here.text(refs[1]) == "two"
    assert {*arrivals.known} == {ref.sha256[:KNOWN_BY] for ref in refs}
    assert got.environment.state["node"] == "host (10.0.0.1, n0)"
    assert got.identity() == sent.identity(), "who made it is no part of what it is"


def test_a_text_that_is_here_by_its_name_alone_is_asked_for_the_next_time(tmp_path: Path) -> None:
    ref, here = Store(tmp_path / "there").add_artifact(Artifact(Stage.GRAPH, "jaxpr", "one")), Store(tmp_path / "here")
    here.write(here.artifact_path(ref.sha256), b"cut off")
    sent, arrivals = replace(record(), artifacts=(ref,)), Arrivals(fleet(1)[0], here)
    assert arrivals.known
    assert "did not come with its record" in arrivals.take(came(to_json(sent)), sent.cell, "smoke").why
    assert not arrivals.known
    assert arrivals.take(came(to_json(sent), {ref.sha256: "one"}), sent.cell, "smoke").record
    assert here.text(ref) == "one"


@pytest.mark.parametrize(
    "texts",
    [b"", b"no zlib", zlib.compress(b"[]"), zlib.compress(b'{"SHA": 1}'), zlib.compress(b'{"SHA": "another"}'),
     zlib.compress(b" " * 2000)],
    ids=["nothing", "no zlib", "no object", "no text", "of another hash", "too much"],
)  # fmt: skip
def test_texts_that_are_none_are_not_kept(tmp_path: Path, texts: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "LARGEST_TEXT_BYTES", 1000)
    ref = Store(tmp_path / "there").add_artifact(Artifact(Stage.GRAPH, "jaxpr", "one"))
    sent = to_json(replace(record(), artifacts=(ref,)))
    if texts[:1] == b"x":
        texts = zlib.compress(zlib.decompress(texts).replace(b"SHA", ref.sha256.encode()))
    answer = good(7, b"%d\n" % len(sent) + sent + texts)
    got = Arrivals(fleet(1)[0], Store(tmp_path / "here")).take(answer, record().cell, "smoke")
    assert got.record is None
    assert got.why
    assert not (tmp_path / "here" / "artifacts").exists()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{}",
        b"999\n{}",
        b"-1\n",
        b"2\n{}",
        with_texts(b'{"schema": 9}', {}),
        with_texts(to_json(record("no")), {}),
    ],
)
def test_a_node_that_answers_with_no_record_of_the_cell_is_left_out(tmp_path: Path, answer: bytes) -> None:
    made, _ = fleet(1, 1)
    got = Arrivals(made, Store(tmp_path)).take(good(7, answer), cell_of(), "smoke")
    assert (got.record, got.refused) == (None, True)
    assert {*made.members} == {"n1"}
    assert "it answered" in made.refused["n0"]


def run_of(tmp_path: Path, made: Fleet, *cells: Cell) -> FleetRun:
    return FleetRun(made, list(cells), TIERS["smoke"], Store(tmp_path / "records"))


def test_a_duplicate_that_comes_late_is_dropped(tmp_path: Path) -> None:
    made, _ = fleet(1)
    run, sent, heard = run_of(tmp_path, made, cell_of()), record(), list[Record]()
    run._finish(sent.cell, sent, heard.append)
    run._finish(sent.cell, replace(sent, created="2026-01-01T01:00:00.000Z"), heard.append)
    run._take(good(99, with_texts(to_json(sent), {})), heard.append)
    assert len(heard) == len(run.store.files()) == 1


def test_a_cell_that_is_lost_each_time_is_a_crash_of_its_own(tmp_path: Path) -> None:
    made, line = fleet(1)
    run, heard = run_of(tmp_path, made, cell_of()), list[Record]()
    run._waiting = [*run.cells]
    for n in range(3):
        run._settle()
        for place, queue in run._queues.items():
            run._ask(place, queue)
        run._take(Heard(n + 1, None, False, b"", "NodeDiedError: power"), heard.append)
    assert [one.status for one in heard] == [Status.CRASHED]
    assert "ended each time: NodeDiedError" in str(heard[0].reason)
    assert [what for what, *_ in line.asked] == ["cell"] * 3


def test_what_is_done_is_of_the_same_cell_software_and_machine_or_fleet(tmp_path: Path) -> None:
    store, one = Store(tmp_path), record()
    store.add(one)
    facts, software = ENVIRONMENT.facts(), dict(ENVIRONMENT.software)

    def found(*makers: Any, cell: Cell = one.cell, tier: str = "smoke") -> bool:
        return Done(store, read_record).of(cell, tier, makers) is not None

    assert found((facts, software))
    assert not found((facts, software | {"numpy": "1.0"}))
    assert not found((facts | {"cpu": "another"}, software)), "made here, and not by a fleet"
    assert not found((facts, software), tier="publish")
    assert not found((facts, software), cell=cell_of("other"))
    by_fleet = replace(one.environment, state=one.environment.state | {"node": "host (10.0.0.1, n0)"})
    store.add(replace(one, environment=by_fleet))
    assert found((facts | {"cpu": "another"}, software)), "on whatever machine a fleet had"


def test_one_driver_at_a_time_adds_to_a_folder(tmp_path: Path) -> None:
    with one_driver(tmp_path), pytest.raises(Refused, match="another run over a fleet"), one_driver(tmp_path):
        pass
    with one_driver(tmp_path):
        pass


def test_a_timed_cell_takes_a_node_and_others_a_core_where_their_packages_are() -> None:
    made, _ = fleet(4, 8)
    timed = cell_of()
    lacks = greeting(software=({"python": "3.12.1", "numpy": None, "torch": None},))
    made.members["n1"] = replace(made.members["n1"], greeting=lacks)
    place = Places(made, [timed]).of(timed, 0)
    assert place is not None
    assert (place.names, place.options(), place.untimed) == (("n0",), {"num_cpus": 4.0}, False)
    made, _ = fleet(4, 8, cells=2)
    compiled = cell_of("xla_tpu", "tpu:v5e")
    places = Places(made, [timed, compiled])
    assert [one.names for n in (0, 1) if (one := places.of(timed, n))] == [("n0",), ("n1",)], "each size by turns"
    row = PlatformProbe("xla_tpu", "tpu", "TPU v5e", Kind.COMPILED, None, None, target="tpu:v5e")
    none = replace(row, device=None, kind=None, reason="libtpu is not here")
    pair = (compiled.backend, compiled.target)
    made.of_pairs = {"n0": {pair: none}, "n1": {pair: row}}
    place = places.of(compiled, 0)
    assert place is not None
    assert (place.names, place.options(), place.elsewhere) == (("n1",), {"num_cpus": 1.0}, True)
    made.of_pairs["n1"][pair] = replace(row, kind=Kind.INTERPRETED)
    place = places.of(compiled, 0)
    assert place is not None
    assert (place.elsewhere, place.untimed, place.options()) == (False, True, {"num_cpus": 1.0})


@pytest.mark.parametrize(
    ("platform", "kind", "resource", "needs"),
    [("cuda:sm_90", Kind.MEASURED, {"GPU": 2.0}, {"num_cpus": 4.0, "num_gpus": 1.0}),
     ("tpu:v5e", Kind.MEASURED, {"TPU": 4.0}, {"num_cpus": 4.0, "resources": {"TPU": 4.0}}),
     ("neuron:trn2", Kind.MEASURED, {"neuron_cores": 8.0}, {"num_cpus": 4.0, "resources": {"neuron_cores": 8.0}})],
)  # fmt: skip
def test_a_device_is_asked_for_with_its_machine(
    platform: str, kind: Kind, resource: dict[str, float], needs: dict[str, Any]
) -> None:
    made, line = fleet(4)
    line.nodes["n0"] = Node("n0", "10.0.0.1", {"CPU": 4.0} | resource)
    made.members["n0"] = replace(made.members["n0"], node=line.nodes["n0"])
    cell = cell_of("any", platform)
    places = Places(made, [cell])
    row = PlatformProbe("any", cell.target.platform, "a device", kind, None, None, target=platform)
    made.of_pairs = {"n0": {(cell.backend, cell.target): row}}
    place = places.of(cell, 0)
    assert place is not None
    assert (place.options(), place.untimed) == (needs, False)


def test_a_node_of_another_oneblock_or_clock_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    made, line = fleet(1, 1, 1, 1)
    made.members.clear()
    answers = [
        written(greeting(0, source_sha256="0" * 64, oneblock="0.0.9")), b'{"name": "a stranger"}',
        written(greeting(0, name="late")),
    ]  # fmt: skip
    line.heard.extend(good(n + 1, answer, f"n{n}") for n, answer in enumerate(answers))
    line.heard.append(Heard(4, "n3", False, b"the disk of /tmp is full (3 MiB free)", None))
    assert made.greet() == ["n2"]
    told = capsys.readouterr().err
    assert "expected the oneblock of this machine" in made.refused["n0"]
    assert "0.0.9" in made.refused["n0"]
    assert "another oneblock is there, or none: expected a Greeting" in made.refused["n1"]
    assert "the disk of /tmp is full" in made.refused["n3"]
    assert "node late (10.0.0.1, n2): its clock is -" in told
    assert all(why in told for why in made.refused.values())


def test_what_nodes_have_for_the_targets_of_a_run_is_asked_once() -> None:
    made, line = fleet(1, 1)
    cell, other = cell_of("waits", "cuda:sm_90"), cell_of("waits", "cuda:sm_100")
    rows = [PlatformProbe("waits", "cuda", None, None, "not here", None, target="cuda:sm_90")]
    rows.append(replace(rows[0], device="a device", kind=Kind.COMPILED, reason=None))
    line.heard.extend(good(n + 1, written(ProbeAnswer((row,))), f"n{n}") for n, row in enumerate(rows))
    assert made.rows(["waits"], [cell.target]) == [rows[1]], "the best that any has"
    places = Places(made, [cell, other])
    places.learn(made.alive, [cell])
    assert [what for what, *_ in line.asked] == ["probe", "probe"], "and not again before its cells"
    line.heard.extend(good(n + 3, written(ProbeAnswer(())), f"n{n}") for n in range(2))
    places.learn(made.alive, [cell, other])
    assert len(line.asked) == 4
    place = places.of(cell, 0)
    assert place is not None
    assert place.names == ("n0", "n1"), "nobody has either by the later answer"


def test_a_device_counts_before_packages() -> None:
    made, _ = fleet(4, 4)
    cell = cell_of("waits", "cuda:sm_90")
    lacks = greeting(software=({"python": "3.12.1", "numpy": None},))
    made.members["n1"] = replace(made.members["n1"], greeting=lacks)
    row = PlatformProbe("waits", "cuda", "a device", Kind.MEASURED, None, None, target="cuda:sm_90")
    made.of_pairs = {"n0": {(cell.backend, cell.target): replace(row, kind=Kind.COMPILED)},
                     "n1": {(cell.backend, cell.target): row}}  # fmt: skip
    place = Places(made, [cell]).of(cell, 0)
    assert place is not None
    assert (place.names, place.elsewhere) == (("n1",), False)


def test_threads_bound_the_cells_of_a_machine_and_memory_is_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    made, line = fleet(16)
    cell = cell_of("waits", "cuda:sm_90")
    monkeypatch.setattr(made, "within", replace(WITHIN, threads=4))
    place = Places(made, [cell]).of(cell, 0)
    assert place is not None
    assert (place.options(), place.most) == ({"num_cpus": 4.0}, 8), "four at a time, and as many wait"
    monkeypatch.setattr(made, "within", replace(WITHIN, memory_bytes=2**33))
    line.nodes["n0"] = Node("n0", "10.0.0.1", {"CPU": 16.0, "memory": 2.0**32})
    made.members["n0"] = replace(made.members["n0"], node=line.nodes["n0"])
    with pytest.raises(Refused, match=r"--memory: expected at most what a node has, 4 GiB, got 8 GiB"):
        Places(made, [cell]).of(cell, 0)


def test_a_node_that_lies_in_due_form_is_left_out() -> None:
    made, line = fleet(1, 1)
    made.members.clear()
    cell = cell_of("waits", "cuda:sm_90")
    line.heard.extend([good(1, written(greeting(of_cells=(5,))), "n0"), good(2, written(greeting()), "n1")])
    assert made.greet([cell]) == ["n1"]
    assert "is left out" in made.refused["n0"]
    row = PlatformProbe("waits", "cuda", "a device", Kind.COMPILED, None, None, target="cuda:nonsense:::")
    line.heard.append(good(3, written(ProbeAnswer((row,))), "n1"))
    assert made.learn(["n1"], [(cell.backend, cell.target)]) == []
    assert "is left out" in made.refused["n1"]


def test_a_clock_is_held_against_the_moment_of_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    made, line = fleet(1, 1)
    made.members.clear()
    now = iter([100.0, 400.0])
    monkeypatch.setattr("oneblock.bench.fleet.fleet.time", lambda: next(now))
    line.heard.extend(good(n + 1, written(greeting(0, clock_s=at)), f"n{n}") for n, at in enumerate((100.0, 400.0)))
    made.greet()
    assert [one.ahead_s for one in made.members.values()] == [0.0, 0.0], "whoever of them took five minutes"
