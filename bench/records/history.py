"""Older schemas: how a record that an earlier oneblock wrote becomes one of the schema of today.

What a schema added is absent in those before it, and its default says so. What a schema changed is converted here.
The schemas, newest first:
9  of a decode, caches are written in place, a token of each, and compulsory bytes count that: before it they were given
   back whole, which a doubt of such a record says; they were (B, S, K, D), and are (B, K, S, D).
   FLOPs of a step of facts, and of all, are absent where a kernel declares none: in the first of 9 it was left out.
8  detail; of a machine's identity: caches, hypervisor, cores_usable. Absent in 7; before it no machine had an identity.
   disturbance of a launch and of a record, spread of limits. Absent in 7.
   of a configuration: norms, qk_norm, parallel, rotary_width, window, soft_cap, score_scale, and of its scaling the
   kind. Absent in the first of 8, where each is its default: no model had others. model of a cell: absent likewise.
   latent, expert_scale, expert_groups, groups_per_token and shared_width of a configuration: absent likewise.
   stored of a cell's weights. Absent in the first of 8.
   inputs of a cell: absent in the first of 8, where all were drawn.
   replaced of a cell: absent likewise, where every kernel was ours.
   number of a record. Absent in the first of 8, where order was by times that were moved behind those before them.
7  a doubt has its cause; in 6 it is its sentence alone.
   in_hand of a launch: what lay around its calls. Absent in the first of 7, of which cold_s was of one input.
6  of a cell: toolchain, variant, sharding; of a record: model, family, reported; of an environment: identity of its
   machine; the statuses "overflow" and "disturbed"; the kind "reported". Absent in 5, where nothing was known of them.
   calls of facts, of whatever toolchain, in place of gpu_kernels, tir_calls, neuron_calls and kernels of 2 to 5.
   traffic of facts, absent in the first of 6: there `hbm_bytes` of a TPU holds both copies of a prefetch.
5  neuron_calls of facts: NKI kernels; the status "simulated". Absent in 4.
4  tir_calls of facts: the functions of TVM. Absent in 3.
3  gpu_kernels of facts: how each was built, its occupancy and more; of a launch: a GPU's evidence. All absent in 2.
2  facts: what a compiler's output says; memory: what a program that does not fit needs. Both absent in 1.
1  the first.
"""

from __future__ import annotations

from typing import Any

from oneblock.bench.records.doubt import Cause
from oneblock.bench.records.old_facts import with_calls
from oneblock.bench.records.record import SCHEMA

# What a family stood for before a configuration said it by itself.
_LLAMA = {"norm": "rms_norm", "activation": "silu", "gated": True}
_GPT2 = {"norm": "layer_norm", "activation": "gelu", "gated": False}
_KEPT = ("block", "attention")  # the workloads of ours whose decode has caches
_BIASES = ("qkv_bias", "proj_bias", "mlp_bias")
_FORMS = {"llama": _LLAMA | dict.fromkeys(_BIASES, False), "gpt2": _GPT2 | dict.fromkeys(_BIASES, True)}


def upgraded(record: dict[str, Any]) -> dict[str, Any]:
    """A record of any schema up to today's, as it stands in JSON, as one of today's."""
    if record["schema"] < 6:
        record = _six(record)
    if record["schema"] < 7:
        record = record | {"doubts": [{"cause": Cause.UNTOLD, "words": words} for words in record["doubts"]]}
    if (
        record["schema"] < 9
        and record["cell"]["case"]["phase"] == "decode"
        and record["cell"]["case"]["workload"] in _KEPT
    ):
        copied = {"cause": Cause.CACHES_COPIED, "words": f"of schema {record['schema']}: {Cause.CACHES_COPIED.words}"}
        record = record | {"doubts": [*record["doubts"], copied]}
    return record | {"schema": SCHEMA}


def _six(record: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 5 or older as one of 6."""
    cell, facts, environment = record["cell"], record.get("facts"), record["environment"]
    config = cell["case"]["config"]
    config = config | _FORMS.get(config.get("family"), {})
    software = dict(environment["software"])
    if cell["ops_set"] != "tuned":
        software.pop("tuned_sha256", None)  # of all schedules on the machine, none of which it was given
    return record | {
        "family": config.get("family"),
        "cell": cell | {"case": cell["case"] | {"config": config}},
        "facts": with_calls(facts) if facts is not None else None,
        "environment": environment | {"software": software},
    }
