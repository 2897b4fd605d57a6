"""A record whose list of HBM traffic does not come to what the record says elsewhere is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oneblock.bench.records.sound import unsound
from oneblock.bench.records.store import Store, read_record, to_json
from oneblock.bench.records.texts import StoreError
from oneblock.compilers.api.calls import NeuronCall
from oneblock.compilers.api.traffic import Traffic
from tests.helpers.traffic_records import END, HEAD, SMALL, STEPS, TRAFFIC, WEIGHT, X, Y, listed

CALL = NeuronCall(
    name="k", shapes=(), instructions={}, dma_runs=1, sbuf_bytes=1, sbuf_limit_bytes=2, psum_banks=0, busy_s={},
    hbm_bytes=float(WEIGHT),
)  # fmt: skip
WRONG: dict[str, dict[str, Any]] = {
    "a total that is larger": {"hbm_bytes": WEIGHT + 3 * SMALL + 1.0},
    "a total of the first call": {"hbm_bytes": float(2 * WEIGHT + 3 * SMALL)},
    "no total": {"hbm_bytes": None},
    "an array that is missing": {"traffic": Traffic("HLO", (HEAD, X, END))},
    "an array that is moved more often": {"traffic": Traffic("HLO", (HEAD, replace(X, times=3), Y, END))},
    "both copies in every call": {"traffic": Traffic("HLO", (replace(HEAD, first_call_only=False), X, Y, END))},
    "an array of another step": {"traffic": Traffic("HLO", (HEAD, replace(X, step="mlp"), Y, END))},
    "a step that is off": {"steps": (STEPS[0], replace(STEPS[1], hbm_bytes=float(WEIGHT)))},
    "bytes that cancel": {
        "traffic": Traffic("HLO", (*TRAFFIC.transfers, replace(Y, bytes=-SMALL), Y)),
    },
    "calls that come to less": {"calls": (CALL,)},
}  # fmt: skip


def test_a_list_that_conserves_is_kept_and_read_again(tmp_path: Path) -> None:
    assert not list(unsound(listed()))
    read = read_record(Store(tmp_path).add(listed()))
    assert read.facts == listed().facts


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
def test_bytes_that_do_not_conserve_are_refused(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "wrong.0123456789abcdef.json"
    path.write_bytes(to_json(listed(**change)))
    with pytest.raises(StoreError, match="expected of"):
        read_record(path)


def test_a_record_without_a_list_is_read_as_one_that_has_none(tmp_path: Path) -> None:
    read = read_record(Store(tmp_path).add(listed(traffic=None)))
    assert read.facts is not None
    assert read.facts.traffic is None
