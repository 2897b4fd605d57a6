# %% [markdown]
"""# Autotuning as search

A compiler with schedules leaves open how loops are tiled, unrolled and ordered, and searches. What it searches is a
space of choices, what it spends is trials, and what it gets depends on luck. TVM's MetaSchedule proposes schedules of
one product here, y (M, N) = a (M, K) @ b (K, N) in float32. What stands for the clock is a model of cycles, so that
everybody's curves are the same: all costs are modelled. The run writes the model beside this file, `cycles.py`, a
minute to read.

TVM has three **sketches** of it. Each writes M as a product of four factors, N as one of four, and K as one of two; the
order counts, and the last factor is 64 at the most. Each then chooses one of four limits of unrolling. The loops are
i0 j0 i1 j1 k0 i2 j2 k1 i3 j3, innermost last; the sketches differ in where sums are written.

`random` draws schedules. `learned` evolves them: it mutates the best that were tried, and lets a model (xgb, gradient
boosted trees) rank what to try next. The model learns from batches of 16, so that it knows nothing of the first.
"""

# %% tags=["shape"]
SHAPE = {"M": 96, "N": 128, "K": 128, "seed": 0, "trials": 48, "share": 1, "chance": 90, "calls": 1000, "mega": 20}

# %% [markdown]
"""## Predict

Fill in [predict] of answers.toml; count with Python if you like. Then

    oneblock lab predict 6
    oneblock lab run 6

## See

artifact.json has the decisions of each sketch under `space`; under `random_0`, `random_1`, `random_2` and `learned_0`
to `learned_2` the cycles of each schedule in the order of trials, of TVM's seeds `seed`, `seed` + 1 and `seed` + 2 of
SHAPE (not your --seed); and, beside `tvm_relax` and not in it, under `least` those of the best schedule of all: this
model is cheap enough to try every one, which a clock is not. A curve:

    python -c "import json; a = json.load(open('artifact.json')); print(a['tvm_relax']['learned_0'])"

Fill in [observe], [explain] and [apply].

## Make

`search` below gets `cost`, which is what a trial would be; `space`, the choices on five axes: "i" has pairs (i2, i3),
"j" pairs (j2, j3), "k" (k1,), "unroll" (limit,), "apart" (1,) where sums are kept apart and written once or (0,); how
many costs it may ask for; and a seed. It gives the best schedule that it asked for. It starts as a draw of schedules at
random, with luck that is not even repeatable.

Of what you counted, the model sees only these axes: some 10^5 choices, and you have 24 trials. But much need not be
tried: a vector has 8 numbers, so that j3 should be a multiple of 8. A core has 16 vector registers, and sums, i3 * j3 /
8 of them, have to stay there: 12 at the most, and not few, as each load then serves few products. Nobody is harmed by a
high limit of unrolling. The median of what nine seeds find has to cost 1.08 times the least or less, and each seed has
to do the same when it is tried again. Then

    oneblock lab check 6
"""

# %% tags=["kernel"]
import random


# %% tags=["make"]
def search(cost, space, trials, seed):
    """The best of so many schedules."""
    drawn = [{axis: random.choice(ways) for axis, ways in space.items()} for _ in range(trials)]
    return min(drawn, key=cost)


# %% tags=["solution"]
def search(cost, space, trials, seed):  # noqa: F811
    """Draws from what is left when whole vectors, registers filled with sums, and full unrolling are asked for."""
    draw = random.Random(seed)
    tiles = [(i, j) for i in space["i"] for j in space["j"] if j[1] % 8 == 0 and 6 <= i[1] * j[1] // 8 <= 12]
    drawn = []
    for _ in range(trials):
        i, j = draw.choice(tiles)
        drawn.append({"i": i, "j": j, "k": draw.choice(space["k"]), "unroll": max(space["unroll"]), "apart": (1,)})
    return min(drawn, key=cost)


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers: the space by counting, searches off the artifact."""
    from itertools import accumulate
    from math import ceil, log
    from statistics import median

    def ways(extent, many):
        divisors = [n for n in range(1, extent + 1) if extent % n == 0]
        if many == 1:
            return int(extent <= 64)
        return sum(ways(extent // first, many - 1) for first in divisors)

    answers = {
        "draws": ceil(log(1 - shape["chance"] / 100) / log(1 - shape["share"] / 100)),
        "break_even": 1000 * shape["searched"] * shape["trial_s"] / (shape["before"] - shape["after"]),
    }
    if (made := artifact.get("tvm_relax")) is not None:
        best = {name: min(costs) for name, costs in made.items() if name != "space"}
        random_, learned = ([best[f"{how}_{n}"] for n in range(3)] for how in ("random", "learned"))
        spread = max(max(one) - min(one) for one in (random_, learned))
        found_at = made["learned_0"].index(best["learned_0"]) + 1
        costs = [
            n * 1e6 * shape["mega"] + shape["calls"] * one
            for n, one in enumerate(accumulate(made["learned_0"], min), 1)
        ]
        answers |= {
            "space": 3 * ways(shape["M"], 4) * ways(shape["N"], 4) * ways(shape["K"], 2) * 4,
            "winner": "neither"
            if random_[0] == learned[0]
            else min(("random", "learned"), key=lambda how: best[f"{how}_0"]),
            "found_at": found_at,
            "ratio": best["learned_0"] / artifact["least"],
            "spread": max(random_) / min(random_),
            "what_differs": "method" if abs(median(random_) - median(learned)) > spread else "seeds",
            "when_learnt": "before" if found_at <= 16 else "after",
            "stop_at": 1 + costs.index(min(costs)),
        }
    return answers
