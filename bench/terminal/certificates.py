"""Certificates of tokens in words."""

from __future__ import annotations

from oneblock.bench.format.out import say
from oneblock.bench.records.certificate import Certificate


def verdict(found: Certificate) -> str:
    """Whether the tokens are float64's, in a line."""
    many, whose = len(found.divergences), f"{found.who}, {found.dtype}"
    what = f"{found.positions} positions behind {found.prompts.count} prompts"
    if not many:
        return f"{whose}: the same tokens as float64, at {what}"
    unexplained = len(found.unexplained)
    return f"{whose}: {many} of {what} differ, {many - unexplained} of them by rounding, {unexplained} unexplained"


def tell(found: Certificate) -> None:
    """The verdict, and each divergence."""
    say(verdict(found))
    for one in found.divergences:
        where = "" if one.layer is None else f", {_WHERE[one.step is None]} layer {one.layer}"
        where += "" if one.step is None else f": {one.step}"
        say(
            f"  prompt {one.prompt}, token {one.position}: {one.got} for {one.expected}; in float64 they lie "
            f"{one.margin:.3g} apart, and rounding may part them by {one.budget:.3g}: "
            f"{'explained' if one.explained else 'NOT explained'}{where}"
        )


_WHERE = {True: "most by", False: "wrong from"}
