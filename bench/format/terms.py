"""Words that stand in records, tables and stages, each explained once; columns are explained where they are defined."""

from __future__ import annotations

TERMS = {
    # of the study
    "workload": "a computation with its arrays, its reference and its check: block, attention, mlp, norm",
    "program": "the one text of a workload, over the operations",
    "preset": "a configuration, the dimensions of a model's block, that has a name: gpt2, llama-1b",
    "backend": "one way to compile and run a workload: a file of backends/; `oneblock doctor` lists them",
    "cell": "one point of the study: workload, model's dimensions, phase, sizes, dtype, backend, ops set, target",
    "record": "the outcome of one cell, a JSON file that is never changed; it counts while nothing that its outcome "
    "depends on has changed",
    "subject": "the cells that have one right answer: all but backend, ops set, target and toolchain agree",
    "toolchain": "whose compiler a backend uses, in which versions",
    "ops set": "which operations of the program a backend replaces: plain none, native by its own fused ones, kernels "
    "by kernels of ours, tuned by what a search found",
    "plain": "an ops set: the program as it stands, and what its compiler makes of it",
    "native": "an ops set: the framework's own fused operations where it has them",
    "tuned": "an ops set: schedules that `oneblock tune` found, or that are shipped",
    "phase": "prefill reads a prompt of T tokens; decode reads one more token and attends to S positions of a cache",
    "stage": "one text of the lowering: graph, lowered, optimized, kernel, machine; each toolchain calls its own "
    "otherwise",
    "dialect": "what a toolchain calls the language of a stage: hlo, ttgir, llvm",
    "pass": "one rewriting within a compiler, which `oneblock bisect` switches off",
    "artifact": "a stage as text, for reading and never for loading back",
    "call": "what a program starts as a whole: a launch, a thunk, an NKI kernel",
    "kind": "what sort of evidence a number is; kinds never share a column",
    "step": "a named part of the block (norm1, qkv, rope, attention, proj, norm2, mlp); lines of stages, FLOPs and "
    "bytes are told by it",
    "target": "what is compiled for: cpu, cuda:sm_90, tpu:v5e:2x4@tp8; it need not be here",
    "device": "what is here to run on",
    "tier": "how much is measured: smoke in minutes, standard for comparisons, publish for numbers that others read",
    "smoke": "the shortest tier: one process a cell, and 20 samples at the most",
    "standard": "the tier for comparisons: three processes a cell in each of two rounds",
    "publish": "the longest tier: five processes a cell in each of three rounds",
    "variant": "a compression of the weights, and nothing else",
    "doubt": "a sentence why a number may be wrong though the answer is right: a * in tables, read by `oneblock show "
    "--why`",
    "reference": "the right answer, computed in float64",
    "yardstick": "eager NumPy in the same dtype: three times its error is the error budget of a cell",
    "check": "the comparison of an answer with the reference, and its verdict",
    "sample": "one timed call; a warmup is one before those that count",
    "ceiling": "the best rate that this machine reached, of products or of memory",
    "limit": "the shortest time that the machine's ceilings allow a cell",
    "compulsory": "the bytes that must cross memory at the least, by the shapes alone: every input and weight read "
    "once, every output written once",
    "ridge": "the FLOPs per byte at which peak and bandwidth allow the same time; below it a program is bound by "
    "memory",
    "fresh": "a series of one call a sample, each with an input never seen before, caches as they are",
    "ulps": "units in the last place: how many numbers of the dtype lie between an answer and the right one; p99.9: "
    "so far at most are 99.9 % of the elements. Large where the right value is near 0, and no part of the verdict",
    "canary": "a small product and a read of memory that are timed beside the cell: they tell when the machine is slow",
    # how a cell ended
    "passed": "it ran, was right, and was timed",
    "failed": "it ran, and was wrong",
    "overflow": "it ran, and a value left the range of the dtype, as it does for eager NumPy too",
    "disturbed": "it ran and was right while something else had the machine: its times are no evidence, and not shown",
    "invalid": "faster than the machine can be, or judged by a check that accepts wrong answers",
    "unsupported": "the backend is here and cannot do this",
    "unavailable": "the toolchain or the device is not here; the hint is how to get it",
    "crashed": "its process ended of itself; the log's last lines are in the record",
    "timed_out": "its process took longer than --timeout",
    "out_of_memory": "its process, or the program on its target, needs more memory than there is",
    # TPUs
    "HBM": "the memory beside an accelerator's chip: large, and what most programs wait for",
    "VMEM": "a TPU's memory on the chip, from which its vector and matrix units work",
    "S(1)": "in an HLO layout: the array lies in VMEM; without it in HBM",
    "T(8,128)(2,1)": "in an HLO layout: the array is stored in tiles of 8 by 128, which a shape is padded to; (2,1): "
    "two rows of 16-bit numbers share a word",
    "LLO": "libtpu's last language, of instructions for the TPU's units; `--stage bundles` shows it scheduled",
    "bundle": "one VLIW instruction of a TPU: what each of its units begins in one cycle",
    "MXU": "a TPU's matrix unit, a systolic array",
    "VALU": "a TPU's vector arithmetic, on 8 by 128 numbers at once",
    "XLU": "a TPU's cross-lane unit: transposes, permutations and reductions across lanes",
    "EUP": "a TPU's unit for exp, log, reciprocal and the like",
    "SPILL": "a store of a register to VMEM for want of registers; a FILL reads it back",
    "kLoop": "a fusion in HLO that computes its elements one by one; kInput ends in a reduction, kOutput begins at a "
    "product",
    # GPUs
    "TTIR": "Triton's first language, the same for every GPU; TTGIR, the next, has layouts, and what each generation "
    "can",
    "spill": "registers of a thread that are kept in memory, as there are too few",
    "occupancy": "the share of a multiprocessor's warps that a kernel's registers and shared memory leave room for",
    "wgmma": "the matrix instruction of Hopper (sm_90), issued by four warps; mma.sync is that of earlier GPUs",
    # NeuronCores
    "SBUF": "a NeuronCore's memory on the chip, in 128 partitions, from which its engines work",
    "PSUM": "a NeuronCore's memory in which products are summed: 8 banks of 2 KiB in each of 128 partitions",
    "partition": "one of the 128 rows of SBUF and PSUM, each with a lane of the engines; the first axis of a tile",
    "stationary": "the operand of a NeuronCore's product that is loaded into the array; the other, the moving, runs "
    "through it",
}  # fmt: skip
