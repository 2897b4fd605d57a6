"""Who is comparable: one machine has verdicts, two have a ratio when it is asked for, and programs have counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oneblock.bench.judge.compare import Comparison, compare_all, exit_code
from oneblock.bench.judge.stats import Verdict
from oneblock.bench.records.machine import MachineIdentity
from oneblock.bench.records.record import Record, Status
from oneblock.compilers.api.facts import Facts
from oneblock.compilers.api.kind import Kind
from tests.bench.report.test_report import record

X86 = ("avx", "avx2", "f16c", "fma", "sse", "sse2", "sse4_1", "sse4_2", "ssse3")
HERE = MachineIdentity(25, 17, 1, (*X86, "avx512f"), {}, {"L2": 2**20}, "none", 2.0)


def timed(seconds: float = 1e-3, identity: MachineIdentity | None = HERE, **machine: Any) -> Record:
    """A record of times about so many seconds, on a machine of that identity."""
    one = record()
    (first, *_) = one.launches
    launch = replace(first, cold_s=tuple(seconds * (1 + 0.001 * n) for n in range(20)), device_s=())
    here = replace(one.environment, machine=one.environment.machine | machine, machine_identity=identity)
    return replace(one, launches=(launch,), environment=here)


def compiled(**facts: Any) -> Record:
    """A record of what was only compiled."""
    one = timed()
    counted = Facts(**({"operations": {"fusion": 3}, "hbm_bytes": 1000.0} | facts))
    return replace(one, status=Status.COMPILED, kind=Kind.COMPILED, launches=(), facts=counted)


def one_of(a: Record, b: Record, **how: bool) -> Comparison:
    (found,) = compare_all([(a, b)], **how)
    return found


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"identity": replace(HERE, cpu_model=1)}, "machine.cpu_model: 17 in A, 1 in B"),
        ({"identity": replace(HERE, cpu_stepping=2)}, "machine.cpu_stepping"),
        ({"identity": replace(HERE, instruction_sets=X86)}, "machine.instruction_sets: avx512f in A alone;"),
        ({"identity": replace(HERE, caches={"L2": 2**21})}, "machine.caches: 'L2 1024 KiB' in A, 'L2 2048 KiB' in B"),
        ({"identity": replace(HERE, hypervisor="QEMU")}, "machine.hypervisor: 'none' in A, 'QEMU' in B"),
        ({"identity": replace(HERE, cores_usable=1.5)}, "machine.cores_usable: 2.0 in A, 1.5 in B"),
        ({"identity": replace(HERE, restricted_by={"XLA_FLAGS": "--x"})}, "variables: '' in A, 'XLA_FLAGS=--x' in B"),
        ({"cpu": "AMD EPYC 9R14"}, "'AMD EPYC 9R14' in B"),
    ],
)  # fmt: skip
def test_of_another_machine_there_is_no_verdict_and_with_across_the_ratio_and_what_differs(
    other: dict[str, Any], says: str
) -> None:
    a, b = timed(cpu="AMD EPYC"), timed(0.7e-3, **({"cpu": "AMD EPYC"} | other))
    refused = one_of(a, b)
    assert refused.difference is None
    assert says in str(refused.refused)
    assert "--across" in str(refused.refused)
    assert exit_code([refused]) == 2
    ratio = one_of(a, b, across=True)
    assert ratio.difference is not None
    assert ratio.difference.verdict is Verdict.ACROSS
    assert ratio.difference.low <= ratio.difference.ratio <= ratio.difference.high
    assert ratio.difference.ratio == pytest.approx(0.7, abs=0.01)
    assert says.rstrip(";") in "; ".join(ratio.across)
    assert exit_code([ratio]) == 0
    slower = one_of(b, a, across=True)
    assert (slower.verdict, exit_code([slower])) == ("ACROSS", 0), "a machine that is slower is no change for the worse"


def test_across_compares_no_two_sizes() -> None:
    a = timed()
    b = replace(a, cell=replace(a.cell, input_seed=9))
    found = one_of(a, b, across=True)
    assert found.difference is None
    assert "--across" not in str(found.refused)


def test_what_one_of_two_does_not_know_of_its_machine_is_no_difference() -> None:
    unknown = MachineIdentity(None, None, None, (), {}, None, None, None)
    for other in (timed(identity=None, cpu="AMD EPYC"), timed(identity=unknown, cpu=None)):
        for pair in ((timed(cpu="AMD EPYC"), other), (other, timed(cpu="AMD EPYC"))):
            assert one_of(*pair).difference is not None
    restricted = timed(identity=replace(unknown, restricted_by={"XLA_FLAGS": "--x"}), cpu="AMD EPYC")
    assert one_of(timed(cpu="AMD EPYC"), restricted).difference is None, "that none is set is known"


@pytest.mark.parametrize(
    ("facts", "verdict", "code"),
    [
        ({}, "SAME", 0),
        ({"hbm_bytes": 900.0}, "LESS", 0),
        ({"hbm_bytes": 1100.0}, "MORE", 1),
        ({"hbm_bytes": 900.0, "operations": {"fusion": 4}}, "MORE", 1),
    ],
)
def test_what_was_compiled_is_compared_by_its_counts_wherever_it_was(
    facts: dict[str, Any], verdict: str, code: int
) -> None:
    a, b = compiled(), compiled(**facts)
    elsewhere = replace(b.environment, machine=b.environment.machine | {"cpu": "Another"})
    found = one_of(a, replace(b, environment=elsewhere))
    assert (found.verdict, found.refused, exit_code([found])) == (verdict, None, code)


def test_a_time_is_not_compared_with_a_count() -> None:
    found = one_of(timed(), compiled())
    assert found.verdict == "not compared"
    assert "B is compiled" in str(found.refused)


def test_two_machines_of_one_processor_have_two_places_and_are_told_apart() -> None:
    whole, held = (
        timed(cpu="AMD EPYC"),
        timed(identity=replace(HERE, restricted_by={"XLA_FLAGS": "--x"}), cpu="AMD EPYC"),
    )
    assert whole.place() != held.place()
    assert whole.identity() != held.identity()
    assert (whole.where, held.where) == ("smoke on AMD EPYC", "smoke on AMD EPYC with XLA_FLAGS=--x")
