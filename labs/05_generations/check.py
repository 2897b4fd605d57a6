"""Truth of the generations: what Triton's compilers say of one kernel for five GPUs, and how many blocks fit."""

from __future__ import annotations

import itertools
import shlex
from functools import partial
from pathlib import Path
from typing import Any

from oneblock.bench.format.out import note
from oneblock.bench.lessons.commands import run_script
from oneblock.bench.lessons.item import Answer, Artifact, Item, Lesson, Misconception, Part, Shape
from oneblock.bench.records.files import write_whole
from oneblock.compilers import chips
from oneblock.compilers.chips.occupancy import occupancy

SCRIPT, PRODUCT = (Path(__file__).with_name(name) for name in ("generations.py", "product.py"))
MADE = "triton_kernels"
TILES = ((128, 128, 64), (128, 256, 64), (64, 128, 64), (64, 256, 32), (128, 64, 32))
ITEMSIZE = 2


def _shapes() -> list[Shape]:
    found: list[Shape] = []
    axes = ((64, 128), (64, 128), (32, 64), (2, 3, 4, 5), (4, 8), ("sm_80", "sm_90"))
    for n, (BM, BN, BK, stages, warps, chip) in enumerate(itertools.product(*axes)):
        # What the compiler for sm_75 takes long for, what MI300X has too little LDS for, and where the answer takes so
        # much shared memory on sm_80 that a stage less is not seen.
        slow = (BM, BN, BK, warps) == (128, 128, 64, 4)
        if slow or (stages - 1) * (BM + BN) * BK * ITEMSIZE > 2**16 or (BM, BN, BK, stages) == (128, 128, 32, 2):
            continue
        BM2, BN2, BK2 = TILES[(n + n // 32) % 5]
        found.append({
            "BM": BM, "BN": BN, "BK": BK, "stages": stages, "warps": warps, "chip": chip, "BM2": BM2, "BN2": BN2,
            "BK2": BK2, "small": 16 if BN > BM else 32, "blocks": (3, 5, 6, 7)[n // 5 % 4], "M": 136 + 8 * (n % 13),
            "N": 512, "K": 256,
        })  # fmt: skip
    return found


def run(shape: Shape, folder: Path) -> dict[str, Any]:
    """The kernel compiled for five generations; the texts of each stage are left in the folder `texts`."""
    (folder / "texts").mkdir(exist_ok=True)
    write_whole(folder / PRODUCT.name, PRODUCT.read_bytes())
    made: dict[str, Any] = run_script(SCRIPT, str((folder / "texts").resolve()), *_words(shape))
    told = [
        f"{name:<7} {one['multiplies']:>5} {one['unit']:<8} {one['registers']:>3} registers a thread, "
        f"{one['spill_bytes']:>5} bytes of them spilled, {one['shared_bytes']:>6} bytes shared a block (compiled)"
        for name, one in made.get(MADE, {}).items() if "unit" in one
    ]  # fmt: skip
    if told:
        texts = [str(folder / "texts" / f"{name}.ttgir") for name in ("sm_80", "sm_90")]
        told += [
            f"read {folder / PRODUCT.name} and what became of it, {folder / 'texts'}; for one",
            shlex.join(["diff", *texts]),
        ]
    return {**made, "told": told}


def _words(shape: Shape) -> list[str]:
    return [f"{name}={value}" for name, value in shape.items()]


def of(name: str, what: str, shape: Shape, artifact: Artifact) -> Any:
    """What one generation's compiler says."""
    return artifact[MADE][name][what]


def stage_bytes(stages: int, shape: Shape, artifact: Artifact) -> Answer:
    """Bytes of x's and w's tiles in so many stages more than the shape's."""
    return int((shape["stages"] + stages) * (shape["BM"] + shape["BN"]) * shape["BK"] * ITEMSIZE)


def in_float32(shape: Shape, artifact: Artifact) -> Answer:
    """As if the operands were."""
    return 2 * int(stage_bytes(0, shape, artifact))


def products(times: int, shape: Shape, artifact: Artifact) -> Answer:
    """m16n8k16 products of a tile, or of several."""
    return int(times * shape["BM"] * shape["BN"] * shape["BK"] // (16 * 8 * 16))


def each_warps(shape: Shape, artifact: Artifact) -> Answer:
    """mma.sync as written: a warp's share of a tile."""
    return int(artifact[MADE]["sm_80"]["multiplies"])


def multiprocessor(name: str) -> Any:
    """The SM of an architecture."""
    found = chips.find(f"cuda:{name}")
    assert isinstance(found, chips.chip.Gpu)
    return found.multiprocessor


def living(shape: Shape, artifact: Artifact, *, registers: bool = True, shared: bool = True) -> Any:
    """How many blocks live on an SM of the shape's chip, by all limits or by some."""
    one = artifact[MADE][shape["chip"]]
    needs = (one["registers"] if registers else 1, one["shared_bytes"] if shared else 0)
    return occupancy(multiprocessor(shape["chip"]), shape["warps"], *needs)


def blocks(shape: Shape, artifact: Artifact, **limits: bool) -> Answer:
    """Their number."""
    return int(living(shape, artifact, **limits).blocks)


def limit(shape: Shape, artifact: Artifact) -> Answer:
    """What limits it."""
    return str(living(shape, artifact).limited_by).split()[0]


def why_shared(shape: Shape, artifact: Artifact) -> Answer:
    """What sets the shared memory of sm_80 and sm_90 apart: a stage that has gone into registers, or nothing."""
    ampere, hopper = (artifact[MADE][name] for name in ("sm_80", "sm_90"))
    if hopper["shared_bytes"] == ampere["shared_bytes"]:
        return "nothing"
    return "operands" if "ldmatrix" in ampere["instructions"] and hopper["unit"] == "wgmma" else "alignment"


def most_stages(kib: int, more: int, shape: Shape, artifact: Artifact) -> Answer:
    """Stages of the other tile that so much memory holds."""
    return int(kib * 1024 // ((shape["BM2"] + shape["BN2"]) * shape["BK2"] * ITEMSIZE) + more)


def most_registers(shape: Shape, artifact: Artifact, granule: int = 8) -> Answer:
    """Registers of a thread with which so many blocks live on an SM of sm_80."""
    warps_of_scheduler = -(-shape["blocks"] * shape["warps"] // 4)
    return int(65536 // 4 // 32 // warps_of_scheduler // granule * granule)


def tried(shape: Shape, artifact: Artifact) -> Answer:
    """The same, by trying the calculator."""
    fits = (n for n in range(255, 0, -1)
            if occupancy(multiprocessor("sm_80"), shape["warps"], n, 0).blocks >= shape["blocks"])  # fmt: skip
    return next(fits)


def measure(script: Path, shape: Shape) -> Answer:
    """What holds of a learner's kernel, as a word."""
    told = run_script(SCRIPT, str(script.resolve()), *_words(shape))
    for line in told["said"]:
        note(f"product_relu: {line}")
    return str(told["word"])


def _said(answer: Answer) -> Any:
    return lambda shape, artifact: answer


UNITS = {"fma": "fma.rn.f32, a multiply-add of each thread", "mma": "mma.sync, of a warp, from registers",
         "wgmma": "wgmma.mma_async, of four warps, from shared memory",
         "tcgen05": "tcgen05.mma, into tensor memory", "mfma": "mfma, of a wave"}  # fmt: skip
KERNEL = "With tiles BM {BM}, BN {BN}, BK {BK}, {stages} stages and {warps} warps:"
PREDICTED = (
    Item("unit_sm_75", Part.PREDICT, "A T4 (sm_75) has tensor cores. By which instruction does Triton multiply there?",
         partial(of, "sm_75", "unit"), "look for products in the PTX", (
             Misconception("mma", _said("mma"), "the chip has them, and this Triton does not use them: see its PTX"),
             Misconception("wgmma", _said("wgmma"), "that is Hopper's"),
         ), UNITS, needs=MADE),
    Item("shared_sm_90", Part.PREDICT, f"{KERNEL} how many bytes of shared memory has a block on sm_90?",
         partial(of, "sm_90", "shared_bytes"), "a stage holds a tile of x and one of w in float16", (
             Misconception("one_less", partial(stage_bytes, -1), "wgmma reads a stage where it lies: all are held"),
             Misconception("in_float32", in_float32, "the sums are float32, the operands float16: 2 bytes"),
         ), needs=MADE, unit="bytes"),
    Item("shared_sm_80", Part.PREDICT, "And on sm_80?", partial(of, "sm_80", "shared_bytes"),
         "a stage that is in registers needs no room; what is left serves the answer, which may need more", (
             Misconception("as_hopper", partial(stage_bytes, 0), "mma.sync reads registers: one stage is there"),
             Misconception("stages_alone", partial(stage_bytes, -1), "the answer passes through shared memory, too"),
         ), needs=MADE, unit="bytes"),
    Item("mma_sm_80", Part.PREDICT, "How many mma.sync m16n8k16 stand in its loop on sm_80?", each_warps,
         "BM BN BK / (16 8 16), dealt out to the warps", (
             Misconception("whole_tile", partial(products, 1), "code is a warp's, and a warp has its share"),
             Misconception("whole_product", partial(products, 1024), "a loop's body is written once"),
         ), needs=MADE),
    Item("first_text", Part.PREDICT, "Which text is the first that differs between sm_80 and sm_90?",
         lambda s, a: str(a[MADE]["first_to_differ"]), "compare them in texts/", (
             Misconception("machine_code", _said("ptx"), "layouts of products are chosen long before instructions"),
             Misconception("the_source", _said("ttir"), "Triton IR knows no GPU: one text for all"),
         ),
         {"ttir": "Triton IR", "ttgir": "Triton's GPU IR, with a layout for each tile", "llir": "LLVM IR",
          "ptx": "PTX"}, needs=MADE),
)  # fmt: skip
OBSERVED = (
    Item("threads_gfx942", Part.OBSERVE, "How many threads has a block of {warps} warps on gfx942?",
         partial(of, "gfx942", "threads"), "threads of the artifact",
         (Misconception("as_nvidia", lambda s, a: 32 * s["warps"], "a warp of AMD's is a wave of 64"),), needs=MADE),
    Item("blocks", Part.OBSERVE, "How many blocks of the kernel live on one SM of {chip} at once?", blocks,
         "the least of what registers, shared memory and warps allow, rounded down; lab.py says how each is given", (
             Misconception("shared_alone", partial(blocks, registers=False), "registers are given out as well"),
             Misconception("registers_alone", partial(blocks, shared=False), "shared memory is given out as well"),
             Misconception("warps", lambda s, a: int(living(s, a).warps), "those are warps: a block has {warps}"),
         ), needs=MADE),
)  # fmt: skip
EXPLAINED = (
    Item("why_shared", Part.EXPLAIN, "Compare shared_bytes of sm_90 and sm_80: why?", why_shared,
         "look at ldmatrix and at the instruction that multiplies", (
             Misconception("alignment", _said("alignment"), "the difference is near a whole stage: no padding is"),
             Misconception("nothing", _said("nothing"), "look at shared_bytes of both"),
         ),
         {"operands": "wgmma reads its operands there; for mma.sync a stage is loaded into registers first",
          "alignment": "its tiles are padded to a larger alignment", "nothing": "it does not"}, needs=MADE),
    Item("limit", Part.EXPLAIN, "What limits the number of blocks on an SM of {chip}?", limit,
         "compute each limit: the least one it is", (
             Misconception("shared", _said("shared"), "its room by a block's share: is that the least of the three?"),
             Misconception("registers", _said("registers"), "512 by a block's, in granules: the least of the three?"),
             Misconception("warps", _said("warps"), "64 by those of a block: is that the least of the three?"),
         ),
         {"registers": "registers", "shared": "shared memory", "warps": "warps"}, needs=MADE),
)  # fmt: skip
APPLIED = (
    Item("most_stages", Part.APPLY, "With tiles BM {BM2}, BN {BN2}, BK {BK2}: how many stages fit on sm_90, where a "
         "block has 227 KiB at the most?", partial(most_stages, 227, 0),
         "a stage is (BM BK + BK BN) numbers of 2 bytes: how many whole ones are in 227 KiB?", (
             Misconception("one_in_registers", partial(most_stages, 227, 1), "none is in registers on sm_90"),
             Misconception("as_ampere", partial(most_stages, 163, 0), "those are 163 KiB, of sm_80"),
         ), needs=MADE),
    Item("unit_small", Part.APPLY, "By which instruction does the kernel multiply on sm_90 with BM {small}?",
         _said("mma"), "wgmma takes 64 rows",
         (Misconception("wgmma", _said("wgmma"), "it takes 64 rows, and this tile has {small}: no error says so"),),
         UNITS, needs=MADE),
    Item("most_registers", Part.APPLY, "How many registers may a thread use at the most so that {blocks} blocks of "
         "{warps} warps live on an SM of sm_80?", tried, "512 for a lane of each of the four schedulers, in granules", (
             Misconception("no_granule", partial(most_registers, granule=1), "they are given out in granules of 8"),
             Misconception("one_block", lambda s, a: 65536 // (32 * s["warps"]), "that is for one block"),
         )),
)  # fmt: skip
_WORDS = {
    "outside": "it reads or writes beyond M rows, as said above: mask them, for loads and for stores",
    "differs": "the answer differs from max(x @ w, 0)",
    "narrow_sums": "the sums are float16, of which a long K leaves few digits; wgmma sums in float32 at the same rate",
    "one_at_a_time": "nothing is on its way while a tile is multiplied: num_stages 2 or more",
    "no_wgmma": "sm_90 has no wgmma of float16: what type have the operands at tl.dot, and has the tile 64 rows?",
    "spills": "registers are spilled, as said above by chip: more warps, or a smaller tile",
    "narrow": "operands are read more often than with a tile of 128 x 128: 1/BM + 1/BN is more than 1/64",
    "one_block": "one block alone lives on an SM of sm_80: compute its limits; what do fewer warps with more of the "
                 "tile each need?",
}  # fmt: skip
MAKING = (
    Item("product_relu", Part.MAKE, "Make it right, and fit for two generations.", _said("good"), "see lab.py",
         tuple(Misconception(word, _said(word), hint) for word, hint in _WORDS.items()), needs=MADE, measure=measure),
)  # fmt: skip

LESSON = Lesson(
    _shapes(), run, (*PREDICTED, *OBSERVED, *EXPLAINED, *APPLIED, *MAKING),
    "Rule: a kernel is portable in its source and not in its resources: choose a configuration for each generation.",
    demonstration={**_shapes()[0], "BM": 64, "BN": 32, "BK": 64, "stages": 3},
)  # fmt: skip
