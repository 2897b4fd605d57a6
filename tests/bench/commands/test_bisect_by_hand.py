"""`oneblock bisect`: what is to be typed by hand says where it is another run; and another cause costs few runs."""

from __future__ import annotations

import pytest

from oneblock.bench.worker.events import Observation
from oneblock.bench.worker.pass_search import Ends
from oneblock.bench.worker.pass_search import search as find
from oneblock.compilers.api.passes import beside

NAMES = tuple("abcdefghijk")


def check(seen: Observation, ends: Ends | None) -> bool | None:
    return not seen.passed


@pytest.mark.parametrize(
    ("off", "covered", "more", "said"),
    [
        ("hijk", "kjih", (), ""),
        ("abk", "k", (), "  (not the same run: it leaves on a, b)"),
        ("c", "cdefghijk", (), "  (not the same run: it also switches off d to k (8 passes))"),
        ("acdef", "agh", (), "  (not the same run: it leaves on c to f (4 passes); it also switches off g, h)"),
        ("ac", ["a", "c", "of no name"], (), "  (not the same run: it also switches off of no name)"),
        ("a", "a", ("another backend",), "  (not the same run: another backend)"),
    ],
)
def test_a_command_that_is_another_run_says_so(off: str, covered: str, more: tuple[str, ...], said: str) -> None:
    assert beside(NAMES, off, covered, *more) == said


def test_another_cause_is_looked_for_by_halves_and_not_one_after_the_other() -> None:
    names = [f"pass_{n}" for n in range(128)]
    for two in ({"pass_10", "pass_90"}, {"pass_0", "pass_127"}):
        asked: list[str] = []

        def measure(what: str, off: tuple[str, ...], two: set[str] = two, asked: list[str] = asked) -> Observation:
            asked.append(what)
            wrong = bool(two - set(off))
            return Observation(True, float(wrong), not wrong)

        found = find(names, measure, check)
        assert found.found == (min(two, key=names.index),)
        assert found.says[0].startswith("not the only one")
        assert len(asked) < 25, "each is a compilation"


def test_what_is_no_cure_is_left_out_while_the_next_is_looked_for() -> None:
    """Two that are wrong for want of a later pass, in front of the planted one; one of them runs only with its like."""

    def measure(what: str, off: tuple[str, ...]) -> Observation:
        on = set(NAMES) - set(off)
        wrong = "h" in on or ("k" not in on and bool(on & {"b", "d"}))
        return Observation(True, float(wrong), not wrong)

    found = find(NAMES, measure, check)
    assert found.found == ("h",)
    assert found.says[1] == "with all but h it is gone"
