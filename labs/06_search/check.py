"""Truth of the search: the space that TVM spans for a product, and how far searches of it come with so many trials."""

from __future__ import annotations

import itertools
import math
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from oneblock.bench.lessons.commands import run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.bench.lessons.lab import module
from oneblock.bench.records.files import write_whole

SCRIPT, CYCLES = (Path(__file__).with_name(name) for name in ("searched.py", "cycles.py"))
of = module(CYCLES)
MADE = "tvm_relax"
TRIALS, BATCH = 48, 16

SIZES = itertools.product((96, 128, 144, 160, 192), (96, 128, 160, 192, 256), (96, 128, 192, 240))
SHAPES: list[Shape] = [
    {"M": M, "N": N, "K": K, "seed": n % 7, "trials": TRIALS, "share": (1, 2, 5)[n % 3],
     "chance": (90, 95, 99)[n // 3 % 3], "searched": 32 * (3 + n % 5), "trial_s": 1 + n % 4, "before": 12 + n % 9,
     "after": 3 + n % 5, "calls": (1000, 2000, 5000, 10000)[n % 4], "mega": (20, 40, 80)[n // 4 % 3]}
    for n, (M, N, K) in enumerate(SIZES)
]  # fmt: skip


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The space, and three seeds of two searches."""
    write_whole(folder / CYCLES.name, CYCLES.read_bytes())
    words = [str(shape[name]) for name in ("M", "N", "K", "seed", "trials")]
    made: dict[str, Any] = run_script(SCRIPT, *words)
    told = [
        f"{name:<9} best of the first 1, {BATCH}, {2 * BATCH} and {TRIALS}: "
        + ", ".join(f"{min(costs[:n]):,.0f}" for n in (1, BATCH, 2 * BATCH, TRIALS)) + " cycles (modelled)"
        for name, costs in made.get(MADE, {}).items() if name != "space"
    ]  # fmt: skip
    least = f"the least of all schedules: {made['least']:,.0f} cycles (modelled, by {folder / CYCLES.name})"
    return {**made, "told": [*told, least]}


def sketches(artifact: Artifact, *, limited: bool = True) -> list[list[int]]:
    """How many choices each decision of each sketch has."""
    return [
        [one["choices"] if "choices" in one else len(of.tilings(one["extent"], one["factors"])) if limited
         else sum(1 for _ in of.factors(one["extent"], one["factors"])) for one in sketch]
        for sketch in artifact[MADE]["space"]
    ]  # fmt: skip


def space(shape: Shape, artifact: Artifact, *, limited: bool = True) -> Answer:
    """Schedules of all sketches."""
    return sum(math.prod(sketch) for sketch in sketches(artifact, limited=limited))


def one_sketch(shape: Shape, artifact: Artifact) -> Answer:
    """Of one."""
    return math.prod(sketches(artifact)[0])


def added(shape: Shape, artifact: Artifact) -> Answer:
    """As if decisions were alternatives."""
    return sum(sum(sketch) for sketch in sketches(artifact))


def draws(shape: Shape, artifact: Artifact) -> Answer:
    """Of which one is among the best, by that chance."""
    return math.ceil(math.log(1 - shape["chance"] / 100) / math.log(1 - shape["share"] / 100))


def best(name: str, artifact: Artifact) -> float:
    """What a search found."""
    return float(min(artifact[MADE][name]))


def winner(shape: Shape, artifact: Artifact) -> Answer:
    """Which of the two found the better one with the shape's seed."""
    random, learned = (best(f"{how}_0", artifact) for how in ("random", "learned"))
    return "neither" if random == learned else "random" if random < learned else "learned"


def found_at(shape: Shape, artifact: Artifact) -> Answer:
    """Which schedule was the best, the first of them."""
    costs = artifact[MADE]["learned_0"]
    return int(costs.index(min(costs)) + 1)


def ratio(shape: Shape, artifact: Artifact) -> float:
    """How many times the least the best of learned_0 costs."""
    return best("learned_0", artifact) / float(artifact["least"])


def ends(how: str, artifact: Artifact) -> list[float]:
    """What the three seeds of a search found."""
    return [best(f"{how}_{n}", artifact) for n in range(3)]


def spread(shape: Shape, artifact: Artifact) -> Answer:
    """The worst of three random ones over the best."""
    found = ends("random", artifact)
    return max(found) / min(found)


def worst(shape: Shape, artifact: Artifact) -> Answer:
    """The worst over the least of all."""
    return max(ends("random", artifact)) / float(artifact["least"])


def what_differs(shape: Shape, artifact: Artifact) -> Answer:
    """Whether the two searches lie farther apart than the seeds of one."""
    random, learned = ends("random", artifact), ends("learned", artifact)
    apart = abs(median(random) - median(learned))
    return "method" if apart > max(max(one) - min(one) for one in (random, learned)) else "seeds"


def learnt(shape: Shape, artifact: Artifact) -> Answer:
    """Whether its best is of the first batch."""
    return "before" if int(found_at(shape, artifact)) <= BATCH else "after"


def break_even(shape: Shape, artifact: Artifact) -> float:
    """Calls until a search has paid."""
    return float(1000 * shape["searched"] * shape["trial_s"] / (shape["before"] - shape["after"]))


def over(name: str, shape: Shape, artifact: Artifact) -> Answer:
    """As if a call saved all that it took."""
    return float(1000 * shape["searched"] * shape["trial_s"] / shape[name])


def stop_at(shape: Shape, artifact: Artifact) -> Answer:
    """After how many trials search and calls together cost the least."""
    bests = itertools.accumulate(artifact[MADE]["learned_0"], min)
    costs = [n * 1e6 * shape["mega"] + shape["calls"] * one for n, one in enumerate(bests, 1)]
    return 1 + costs.index(min(costs))


def measure(script: Path, shape: Shape) -> Answer:
    """What holds of a learner's `search`, as a word."""
    return str(run_script(SCRIPT, str(script.resolve()), *(str(shape[name]) for name in ("M", "N", "K")))["word"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


PREDICTED = (
    Item("space", Part.PREDICT, "How many schedules has TVM for a product ({M}, {K}) by ({K}, {N})? lab.py says "
         "what it chooses.", space, "choices of each decision multiplied, and the three sketches added", (
             Misconception("one_sketch", one_sketch, "there are three sketches with these choices each"),
             Misconception("no_limit", partial(space, limited=False), "the innermost factor is 64 at the most"),
             Misconception("added", added, "each tiling of M goes with each of N, and so on: multiply"),
         ), needs=MADE),
    Item("draws", Part.PREDICT, "How many schedules must be drawn at random so that with a chance of {chance} % one of "
         "the best {share} % is among them?", draws, "(1 - share)^n is the chance that none is", (
             Misconception("expected", lambda s, a: 100 / s["share"], "with so many the chance is 63 %"),
             Misconception("linear", lambda s, a: s["chance"] / s["share"], "chances of draws do not add up"),
         ), within=0.005),
    Item("winner", Part.PREDICT, "{trials} schedules each: which finds the better one with TVM's seed {seed}?", winner,
         "random_0 and learned_0", (
             Misconception("learned", _said("learned"), "48 schedules teach a model little, and seeds have luck"),
             Misconception("random", _said("random"), "drawing forgets what was seen; here the other came farther"),
             Misconception("neither", _said("neither"), "their best schedules differ"),
         ),
         {"random": "drawn at random", "learned": "evolved, ranked by a model that learns (xgb)",
          "neither": "both find as good a one"}, needs=MADE),
)  # fmt: skip
OBSERVED = (
    Item("found_at", Part.OBSERVE, "Which schedule of learned_0 was its best, counted from 1?", found_at,
         "the first of its lowest numbers", (
             Misconception("from_zero", lambda s, a: int(found_at(s, a)) - 1, "counted from 1"),
             Misconception("the_last", lambda s, a: s["trials"], "a curve is flat at its end: when did it get there?"),
         ), needs=MADE),
    Item("ratio", Part.OBSERVE, "How many times the least of all schedules does the best of learned_0 cost?", ratio,
         "over `least`", (
             Misconception("upside_down", lambda s, a: 1 / ratio(s, a), "its cost over the least, not the reverse"),
             Misconception("first", lambda s, a: a[MADE]["learned_0"][0] / a["least"], "that is its first schedule"),
         ), within=0.002, needs=MADE),
    Item("spread", Part.OBSERVE, "Each of the three random searches has a best schedule. How many times the cheapest "
         "of these does the dearest cost?", spread, "the lowest of each; then the highest of these over the lowest", (
             Misconception("over_the_least", worst, "that is over the least of the space: take the best of the three"),
             Misconception("none", _said(1), "they have other seeds, and find other schedules"),
         ), within=0.002, needs=MADE),
)  # fmt: skip
EXPLAINED = (
    Item("what_differs", Part.EXPLAIN, "Each search has three seeds. What do they say of drawing against learning?",
         what_differs, "compare medians of the finds with the spread of each", (
             Misconception("method", _said("method"), "seeds of one method lie farther apart than the two medians"),
             Misconception("seeds", _said("seeds"), "the medians lie farther apart than any seeds of one method"),
         ),
         {"method": "they differ: their medians are farther apart than the cheapest and the dearest seed of "
                    "each method",
          "seeds": "nothing: seeds of one method are as far apart as the methods' medians"}, needs=MADE),
    Item("when_learnt", Part.EXPLAIN, "Its model learns from batches of 16. To what does learned_0 owe its best "
         "schedule?", learnt, "hold found_at against 16", (
             Misconception("learning", _said("after"), "it is of the first batch: nothing had been learned"),
             Misconception("luck", _said("before"), "it came after the first batch"),
         ),
         {"before": "to chance: it was proposed before anything was learned",
          "after": "to a batch that was chosen after something was learned"}, needs=MADE),
)  # fmt: skip
APPLIED = (
    Item("break_even", Part.APPLY, "A search tries {searched} schedules, {trial_s} s each. A call took {before} ms and "
         "then takes {after} ms. After how many calls has it paid?", break_even, "seconds of search over those saved", (
             Misconception("saves_all", partial(over, "before"), "a call still takes {after} ms"),
             Misconception("new_time", partial(over, "after"), "what a call saves counts, not what it takes"),
             Misconception("seconds", lambda s, a: break_even(s, a) / 1000, "milliseconds are a thousandth of seconds"),
         ), within=0.005),
    Item("stop_at", Part.APPLY, "A trial costs {mega} million cycles, and {calls} calls of the product are to come. "
         "After how many trials of learned_0 should it have stopped?", stop_at,
         "for each n: n trials, and all calls at the best of the first n", (
             Misconception("never", lambda s, a: s["trials"], "the last trials found nothing that paid for them"),
             Misconception("at_its_best", found_at, "its last finds save less than the trials before them cost"),
             Misconception("at_once", _said(1), "with so many calls a few trials pay"),
         ), needs=MADE),
)  # fmt: skip
_WORDS = {
    "not_again": "the same seed asked for other schedules, or found another: draw by random.Random(seed) alone",
    "too_many": "it asked for the cost of more schedules than it was allowed",
    "never_asked": "it gives a schedule whose cost it never asked for",
    "not_the_best": "it asked for a better one than it gives",
    "far": "the median of nine seeds costs more than 1.08 times the least: do not try what cannot be good",
}  # fmt: skip
MAKING = (
    Item("search", Part.MAKE, "Write a search that needs 24 schedules.", _said("good"), "see lab.py",
         tuple(Misconception(word, _said(word), hint) for word, hint in _WORDS.items()), measure=measure),
)  # fmt: skip

LESSON = Lesson(
    SHAPES, run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MAKING),
    "Rule: prune by what you know before you search; compare searches by several seeds; tune what is hot and keep it.",
    demonstration={**SHAPES[0], "M": 64, "N": 224, "K": 160},
)  # fmt: skip
