"""A plan as `oneblock plan --json` tells it, small and priced; and records of right answers on its targets."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneblock.backends.api.target import Target
from oneblock.bench.cells.cell import Cell
from oneblock.bench.records.record import Record, Status
from oneblock.bench.records.store import Store
from oneblock.compilers.api.kind import Kind
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.models import preset
from tests.bench.report.test_report import record

FIRST, SECOND, UNPRICED = "cuda:sm_90", "cuda:sm_80", "tpu:v6e"


def around(middle: float) -> dict[str, float]:
    return {"middle": middle, "low": middle * 0.8, "high": middle * 1.3}


def at_ends(middle: float) -> dict[str, float]:
    """Of a rate, which is low where times are high."""
    return {"middle": middle, "low": middle / 1.3, "high": middle / 0.8}


def choice(target: str, of: float, price: float | None = None, kind: str = "on demand") -> dict[str, Any]:
    """One that serves, `of` times as slow as the fastest."""
    times = {name: around(of * s) for name, s in (("prompt_s", 0.011), ("step_s", 0.02), ("ttft_s", 0.031))}
    rates = {"requests_per_s": at_ends(45.25 / of), "tokens_per_s": at_ends(11_500.5 / of)}
    money = ("in", "out", "in_allocated", "out_allocated")
    paid = {f"per_million_{name}": None if price is None else around(of * price / 100) for name in money}
    told = None if price is None else {
        "per_device_hour": price, "provider": "somebody", "region": "somewhere-1", "kind": kind,
    }  # fmt: skip
    return {
        "target": target, "able": True, "why": None, "devices": 1, "batch": 512, "replicas": 2, "utilisation": 0.75,
        "rows_of_this_chip": True, "joules_per_token": 0.125, "price": told, "steps": {"mlp": 0.6, "attention": 0.4},
        **times, "itl_s": around(of * 0.0434), "device_s_per_request": around(of * 0.0217), **rates, **paid,
        "per_request": None if price is None else around(of * price / 1e5),
    }  # fmt: skip


def flip(better: str, other: str, assumption: str, of: str | None, by: float) -> dict[str, Any]:
    sides = {"before": [1.25e-5, 1.5e-5], "beyond": [1.75e-5, 1.5e-5]}
    return {"better": better, "other": other, "assumption": assumption, "of": of, "by": by, **sides}


def plan_data(model: str = "llama-1b") -> dict[str, Any]:
    """Two that serve and have a price, one that has none, and one that does not serve."""
    unable = {"target": "cuda:sm_75", "able": False, "why": "no peak of bfloat16 is stated of 4 chips"}
    priced = [choice(FIRST, 1.0, 3.25), choice(SECOND, 1.5, 2.75, "spot")]
    flips = [flip(FIRST, SECOND, "price", FIRST, 1.4125), flip(FIRST, SECOND, "speed", FIRST, 0.85),
             flip(FIRST, SECOND, "prompt", None, 6.5)]  # fmt: skip
    return {
        "schema": "oneblock plan 1", "model": model, "dtype": "bfloat16", "kind": "modelled",
        "traffic": {"prompt": 1024, "answer": 256, "rate": 4.5}, "objective": {"ttft_s": None, "itl_s": 0.0501},
        "prices_as_of": "2026-11-30", "currency": "USD",
        "choices": [*priced, choice(UNPRICED, 2.0), unable], "flips": flips,
    }  # fmt: skip


def plan_file(folder: Path, **changes: Any) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan_data() | changes, indent=1))
    return path


def of_model(target: str, backend: str = "triton_kernels", model: str = "llama-1b", **changes: Any) -> Record:
    """A record of the model's block, right by an interpreter unless it is said otherwise."""
    case = Case("block", preset(model), Phase.PREFILL, B=1, T=16, S=16)
    cell = Cell(case, "bfloat16", backend, "kernels", Target(*target.split(":")))
    ended = {"status": Status.INTERPRETED, "kind": Kind.INTERPRETED, "launches": (), "reason": "interpreted"}
    return replace(record(backend), cell=cell, **(ended | changes))


def records(folder: Path, *made: Record) -> Path:
    store = Store(folder / "records")
    for one in made or (of_model(FIRST), of_model(SECOND)):
        store.add(one)
    return store.directory
