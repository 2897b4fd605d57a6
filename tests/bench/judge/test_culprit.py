from __future__ import annotations

from collections.abc import Mapping
from math import ceil, log2

import pytest

from oneblock.bench.judge.culprit import culprit, first_moved

POINTS = [{"libtpu": str(n)} for n in range(17)]


@pytest.mark.parametrize("count", range(2, 18))
def test_the_release_is_found_in_as_many_builds_as_halves_take(count: int) -> None:
    for bad in range(1, count):
        asked: list[int] = []

        def value(versions: Mapping[str, str], bad: int = bad, asked: list[int] = asked) -> float:
            asked.append(n := int(versions["libtpu"]))
            return 1074.0 + n if n >= bad else 538.0 - n  # which drifts a little besides

        found = first_moved(POINTS[:count], value)
        assert found is not None
        assert (found.before, found.after) == (POINTS[bad - 1], POINTS[bad])
        assert found.builds == len(asked) - 2 <= ceil(log2(count - 1))
        assert found.silent == ()


def test_eight_releases_take_three_builds() -> None:
    found = first_moved(POINTS[:8], lambda versions: float(int(versions["libtpu"]) >= 5))
    assert found is not None
    assert found.builds == 3


def test_a_release_that_tells_nothing_is_passed_over_and_named_where_it_may_have_been_it() -> None:
    def value(versions: Mapping[str, str]) -> float | None:
        n = int(versions["libtpu"])
        return None if n in (3, 4) else float(n > 4)

    found = first_moved(POINTS[:8], value)
    assert found is not None
    assert (found.before, found.after) == (POINTS[2], POINTS[5])
    assert found.silent == (POINTS[3], POINTS[4])


def test_where_the_ends_are_equal_or_silent_there_is_nothing_to_find() -> None:
    assert first_moved(POINTS[:8], lambda _: 5.0) is None
    assert first_moved(POINTS[:8], lambda versions: None if versions["libtpu"] == "0" else 5.0) is None


OLD, NEW = {"jax": "1", "libtpu": "1", "triton": "1"}, {"jax": "2", "libtpu": "2", "triton": "1"}


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        (lambda jax, libtpu: libtpu, "libtpu"),
        (lambda jax, libtpu: jax, "jax"),
        (lambda jax, libtpu: jax and libtpu, "jax and libtpu together: none of them alone"),
        (lambda jax, libtpu: jax or libtpu, "jax and libtpu, each alone"),
    ],
)
def test_the_mixed_matrix_names_the_package_or_says_together(moves: object, said: str) -> None:
    def value(versions: Mapping[str, str]) -> float:
        return 676.0 if moves(versions["jax"] == "2", versions["libtpu"] == "2") else 344.0  # type: ignore[operator]

    found = culprit(OLD, NEW, value)
    assert found is not None
    assert str(found).replace("jax, libtpu", "jax and libtpu") == said
    assert len(found.corners) == 4


def test_a_mixture_that_tells_nothing_is_no_proof_that_it_takes_both() -> None:
    known = {("1", "1"): 0.0, ("2", "1"): 0.0, ("2", "2"): 3.0}
    found = culprit(OLD, NEW, lambda versions: known.get((versions["jax"], versions["libtpu"])))
    assert str(found) == "jax and libtpu together, or by fewer: new libtpu without the rest tells nothing"


def test_what_did_not_move_has_no_culprit() -> None:
    assert culprit(OLD, NEW, lambda _: 344.0) is None


def test_packages_that_multiply_each_moved_it_in_part() -> None:
    def scratch(of: Mapping[str, str]) -> float:
        return 64.0 * (2 if of["jax"] == "2" else 1) * (3 if of["libtpu"] == "2" else 1)

    found = culprit({"jax": "1", "libtpu": "1"}, {"jax": "2", "libtpu": "2"}, scratch)
    assert found is not None
    assert str(found) == "jax and libtpu together: each in part", "and not that none alone moves it"
    assert found.largest_part == "libtpu", "whose releases are searched"
