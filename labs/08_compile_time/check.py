"""Truth of compile time: compilations that JAX and PyTorch report of one day's requests, and what padding costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from oneblock.bench.lessons.commands import run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.bench.lessons.lab import module
from oneblock.bench.records.scratch import scratch

SCRIPT = Path(__file__).with_name("served.py")
of = module(Path(__file__).with_name("buckets.py"))


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """Today's requests served in several ways by JAX and by PyTorch, and tomorrow's with what today left on disk."""
    days = {day: ",".join(map(str, shape[day])) for day in of.DAYS}
    made: dict[str, Any] = run_script(SCRIPT, "ways", days["today"], str(shape["C"]), str(shape["pair"]))
    if "jax_xla" in made:
        with scratch("compiled") as kept:
            for day, lengths in days.items():
                made["jax_xla"][day] = run_script(SCRIPT, "disk", lengths, str(shape["C"]), str(kept))
    told = [
        f"jax_xla {name:<8} {one['traces']:>2} traces, {one['compiled']:>2} compiled, {one['from_disk']:>2} from disk, "
        f"{one['padded']:>4} positions padded (counted)"
        for name, one in made.get("jax_xla", {}).items()
    ] + [
        f"torch   {name:<8} {one['graphs']:>2} graphs, {one['eager']:>2} calls without one (counted)"
        for name, one in made.get("torch_eager", {}).items()
    ]  # fmt: skip
    return {**made, "told": told}


def counted(way: str, what: str, shape: Shape, artifact: Artifact) -> Answer:
    """A count of one way to serve."""
    return int(artifact["jax_xla"][way][what])


def graphs(way: str, shape: Shape, artifact: Artifact) -> Answer:
    """Graphs that torch.compile made."""
    return int(artifact["torch_eager"][way]["graphs"])


def stops(shape: Shape, artifact: Artifact) -> Answer:
    """What decides how many graphs there are without dynamic shapes."""
    one = artifact["torch_eager"]["fixed"]
    if one["graphs"] == len({*shape["today"]}):
        return "each"
    return "limit" if one["eager"] else "symbol"


def why_again(shape: Shape, artifact: Artifact) -> Answer:
    """What in the key of JAX's cache differs between the two calls."""
    before, after = (artifact["jax_xla"]["again"][call] for call in ("before", "after"))
    words = {"types": "type", "function": "function", "static": "value"}
    return next(word for name, word in words.items() if before[name] != after[name])


def lengths(day: str, shape: Shape, artifact: Artifact) -> Answer:
    """How many a day has."""
    return len({*shape[day]})


def new(shape: Shape, artifact: Artifact) -> Answer:
    """Those of tomorrow that today had not."""
    return len({*shape["tomorrow"]} - {*shape["today"]})


def used(shape: Shape, artifact: Artifact) -> Answer:
    """Powers of two that today's requests are padded to."""
    return len({*map(of.powers, shape["today"])})


def ladder(shape: Shape, artifact: Artifact) -> Answer:
    """Powers of two up to the longest, used or not."""
    return int((of.powers(max(shape["today"])) // of.LEAST).bit_length())


def by_powers(what: Callable[[list[int]], Iterable[int]], shape: Shape, artifact: Artifact) -> Answer:
    """Positions that powers of two add to some lengths."""
    return int(sum(of.powers(length) - length for length in what(shape["today"])))


def computed(shape: Shape, artifact: Artifact) -> Answer:
    """All positions of the padded requests."""
    return int(sum(map(of.powers, shape["today"])))


def by(way: Callable[[Sequence[int], int], Sequence[int]], day: str, shape: Shape, artifact: Artifact) -> Answer:
    """Padded positions of a day by a way to choose buckets."""
    return int(of.padded(shape[day], way(shape[day], shape["most"])))


def fewest(day: str, shape: Shape, artifact: Artifact) -> Answer:
    """Those of the best buckets."""
    return int(of.best(tuple(shape[day]), shape["most"]))


def worth(shape: Shape, artifact: Artifact) -> Answer:
    """The number of buckets at which padding and compilations together are least."""
    found: list[int] = of.sums(shape["tomorrow"], shape["worth"])
    return 1 + found.index(min(found))


def measure(script: Path, shape: Shape) -> Answer:
    """Positions that a learner's `buckets` pads today; "differs" and "many" where answers or compilations are wrong."""
    words = (",".join(map(str, shape["today"])), str(shape["C"]), str(shape["most"]), str(script.resolve()))
    told = run_script(SCRIPT, "learners", *words)
    if not told["right"]:
        return "differs"
    return "many" if told["compiled"] > shape["most"] else int(told["padded"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


def _ways(day: str) -> tuple[Misconception, ...]:
    return (
        Misconception("equal_steps", partial(by, of.steps, day),
                      "equal steps serve lengths that nobody sends: let the lengths choose"),
        Misconception("equal_shares", partial(by, of.shares, day),
                      "as many requests in each bucket is not as little padding: how far apart they are counts, too"),
        Misconception("one_bucket", partial(by, of.longest, day), "{most} buckets are allowed, and this is one"),
    )  # fmt: skip


PREDICTED = (
    Item("exact_compiled", Part.PREDICT, "Today's requests have the lengths {today}. A jitted function of x (T, {C}) "
         "serves each at its own T. How many programs does XLA compile?", partial(counted, "exact", "compiled"),
         "a length that was there before is not compiled again", (
             Misconception("every_call", lambda s, a: len(s["today"]), "a shape that was seen is found in the cache"),
             Misconception("once", _said(1), "XLA's programs have static shapes: another T is another program"),
         ), needs="jax_xla"),
    Item("powers_compiled", Part.PREDICT, "And padded to the next power of two, 16 at the least?",
         partial(counted, "powers", "compiled"), "count the powers of two that these lengths need", (
             Misconception("whole_ladder", ladder, "a bucket that no request falls into is not compiled"),
             Misconception("as_before", partial(lengths, "today"), "lengths that share a bucket share its program"),
         ), needs="jax_xla"),
    Item("powers_padded", Part.PREDICT, "How many positions do these powers of two add, over all of today's requests?",
         partial(by_powers, list), "next power of two (16 at the least) less T, summed", (
             Misconception("distinct", partial(by_powers, set), "a length that comes twice is padded twice"),
             Misconception("computed", computed, "those are all positions: take away what was asked for"),
         )),
    Item("torch_graphs", Part.PREDICT, "torch.compile, as it is by default, gets today's requests at their own T. How "
         "many graphs does it make?", partial(graphs, "default"), "the first length, others, and a 1 after it", (
             Misconception("each", partial(lengths, "today"), "the second length makes T a symbol: one graph for more"),
             Misconception("one", _said(1), "the first T is taken for a constant, until another one comes"),
             Misconception("two", _said(2), "a size of 1 broadcasts, so it is never a symbol: it has its own graph"),
         ), needs="torch_eager"),
)  # fmt: skip
OBSERVED = (
    Item("tomorrow_traces", Part.OBSERVE, "Tomorrow another process serves {tomorrow}, each at its own T, with the "
         "cache that today's left on disk. How often is the function traced?", partial(counted, "tomorrow", "traces"),
         "traces of `tomorrow`", (
             Misconception("new_ones", new, "what is on disk is found by the lowered program: so it was traced first"),
             Misconception("none", _said(0), "a cache on disk holds what XLA compiled, not what Python traced"),
         ), needs="jax_xla"),
    Item("tomorrow_compiled", Part.OBSERVE, "And how many programs does XLA compile tomorrow?",
         partial(counted, "tomorrow", "compiled"), "compiled of `tomorrow`", (
             Misconception("all_again", partial(lengths, "tomorrow"), "those of today are on disk"),
             Misconception("none", _said(0), "today had not all of tomorrow's lengths"),
         ), needs="jax_xla"),
    Item("symbolic_compiled", Part.OBSERVE, "jax.export writes the function once, with a symbol for T. The one text "
         "then serves today's requests padded to powers of two. How many programs does XLA compile?",
         partial(counted, "symbolic", "compiled"), "compiled of `symbolic`", (
             Misconception("one", _said(1), "one text was traced, but XLA compiles it for each T that is called"),
             Misconception("each_length", partial(lengths, "today"), "it is called with the padded lengths"),
         ), needs="jax_xla"),
    Item("fixed_graphs", Part.OBSERVE, "How many graphs does torch.compile make of today with dynamic=False?",
         partial(graphs, "fixed"), "graphs of `fixed`", (
             Misconception("each", partial(lengths, "today"), "look at the calls without a graph"),
             Misconception("by_default", partial(graphs, "default"), "that is with symbols"),
         ), needs="torch_eager"),
)  # fmt: skip
EXPLAINED = (
    Item("why_again", Part.EXPLAIN, "A jitted function is called twice with x of one shape, and compiles twice. "
         "Compare `before` and `after` of `again`. Why?", why_again, "one thing in them differs", (
             Misconception("type", _said("type"), "the types are the same in before and after"),
             Misconception("value", _said("value"), "`static` is the same in both: compare the others"),
             Misconception("function", _said("function"), "it is the same function object"),
             Misconception("shape", _said("shape"), "all shapes are as before"),
         ),
         {"type": "an argument has another dtype, or is a scalar whose dtype is weak",
          "value": "a value is part of the key, and is another one", "function": "the function is another object",
          "shape": "an array has another shape"}, needs="jax_xla"),
    Item("what_limits", Part.EXPLAIN, "What decides the number of graphs with dynamic=False today?", stops,
         "hold the graphs against the lengths, and look at `eager`", (
             Misconception("each", _said("each"), "there are fewer graphs than lengths"),
             Misconception("symbol", _said("symbol"), "it was told to have none: what of the calls without a graph?"),
             Misconception("limit", _said("limit"), "no call went without a graph: the limit was not reached"),
         ),
         {"each": "a graph for each length", "symbol": "a symbol serves the later ones",
          "limit": "a limit of recompilations: what comes after it is not compiled at all"}, needs="torch_eager"),
)  # fmt: skip
APPLIED = (
    Item("best_padded", Part.APPLY, "Choose {most} lengths to pad tomorrow's requests to. How many positions do the "
         "best add?", partial(fewest, "tomorrow"),
         "the longest request is one; try each set of {most} lengths that occur", _ways("tomorrow")),
    Item("how_many", Part.APPLY, "A compilation costs as much as {worth} positions. With how many lengths, the best of "
         "their number, is the sum of padding and compilations tomorrow the least?", worth,
         "one more bucket has to save more than {worth} positions", (
             Misconception("no_padding", partial(lengths, "tomorrow"), "the last buckets save less than they cost"),
             Misconception("one", _said(1), "the second bucket saves more than {worth} positions"),
         )),
)  # fmt: skip
MADE = (
    Item("served", Part.MAKE, "Write `attention`, which takes padding, and `buckets`, which adds the least.",
         partial(fewest, "today"), "other lengths to pad to add less", (
             Misconception("differs", _said("differs"),
                           "rows that are no request's change the answer: what of their part in the softmax's sum?"),
             Misconception("many", _said("many"), "more than {most} programs were compiled"), *_ways("today"),
         ), needs="jax_xla", measure=measure),
)  # fmt: skip

LESSON = Lesson(
    of.shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MADE),
    "Rule: count your shapes before you choose a compiler; pad to few lengths, mask, and keep what was compiled.",
    demonstration=of.shapes(of.MANY + 1)[-1],
)  # fmt: skip
