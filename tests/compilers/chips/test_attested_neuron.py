"""TVM is asked again what it is said to attest of a Trainium: its target's attributes."""

from __future__ import annotations

import re

from oneblock.compilers.chips.attested import ATTESTED
from tests.helpers import triton_here

triton_here.load("tvm_relax")

import tvm  # noqa: E402


def test_tvm_has_what_it_is_said_to_attest_of_a_trainium() -> None:
    attributes = tvm.target.Target("aws/trn1/trn1.2xlarge").attrs
    for one in ATTESTED["neuron:trn1"]:
        named = re.search(r'attrs\["([\w-]+)"\]', one.how)
        assert named is not None
        assert int(attributes[named[1]]) == one.value
