# jupyter: {"accelerator": "TPU", "colab": {"gpuType": "V5E1"}}

# %% [markdown]
"""# One transformer block through XLA's TPU compiler

The compiler that Google's TPUs use runs on any machine; only a measurement takes a TPU. You will

1. predict what a decode must move through HBM, and let the compiler's own output correct you;
2. follow one block down: StableHLO, scheduled HLO with its memory spaces, VLIW bundles;
3. set three estimates of its time against the roofline, and on a TPU against a measurement;
4. compile it for five generations, and for eight chips, and read what the chips exchange.

The same cells run on a Colab TPU runtime, on a TPU VM, and without a TPU, where only the CPU is measured. The next cell
has the settings; your predictions go into the cells that say **predict**.
"""

# %% tags=["parameters"]
import html
import json
import os
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from IPython.display import HTML, Markdown, display

SOURCE = os.environ.get("ONEBLOCK_SOURCE", "")  # file:///... of a checkout or wheel, or git+https://...
PRESET = os.environ.get("ONEBLOCK_PRESET", "gpt2")  # any that `oneblock run --help` lists
CACHE = 512  # S, the positions that a decode attends to
STUDY = "oneblock-study"  # where records go; what is in it already is not run again

# By what JAX calls the device. A topology says "compile for this", also where that very TPU is here to be measured.
GENERATIONS = {
    "TPU v4": "tpu:v4:2x2x1",
    "TPU v5 lite": "tpu:v5e:2x2",
    "TPU v5": "tpu:v5p:2x2x1",
    "TPU v6 lite": "tpu:v6e:2x2",
    "TPU7x": "tpu:v7x:2x2x1",
}
MEASURE = {"tpu": "--backend xla_tpu --target tpu", "cpu": "--backend jax_xla --target cpu"}
ANSWERS: dict[str, Any] = {}

# %% [markdown]
"""## Install

oneblock goes into a virtual environment of its own. A Colab TPU runtime has a JAX and a libtpu of its own that fit each
other; installed over them, another JAX would break that pair and whatever else relies on it. In its own environment
oneblock gets the one libtpu that its JAX names. This notebook never imports JAX: a TPU serves one process at a time,
and it must be free for oneblock's. libtpu comes under the Google Cloud Platform Terms of Service.
"""


# %% tags=["install"]
def install() -> str:
    """Install oneblock into a virtual environment, without touching this one; the path of its Python."""
    folders = (folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "bench" / "lessons").is_dir())
    source = SOURCE or next((folder.as_uri() for folder in folders), "")  # else the checkout that this lies in
    if not source:
        raise RuntimeError(
            "oneblock is not installed here, and SOURCE names nothing to install it from: "
            "expected file:///..., of a checkout or a wheel, or git+https://..., of a repository"
        )
    python = str(Path("oneblock-env", "bin", "python").absolute())
    # Without pip, which Debian and Colab split off: this environment's pip installs into the other.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "oneblock-env"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q"]
    subprocess.run([*pip, f"oneblock[xla-tpu] @ {source}"], check=True)  # pip 23 finds no extra under xla_tpu
    return python


def oneblock(line: str, *, show: bool = True, accept: tuple[int, ...] = (0,)) -> str:
    """Run a command of oneblock, as one would in a terminal; what it printed."""
    command = [PYTHON, "-m", "oneblock.bench", *shlex.split(line)]
    plain = {**os.environ, "FORCE_COLOR": "", "COLUMNS": "180"}  # a kernel asks for colours, in 80 columns
    done = subprocess.run(command, capture_output=True, text=True, env=plain)
    if done.returncode not in accept:
        raise RuntimeError(f"oneblock {line}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    if show:
        print(f"$ oneblock {line}\n{done.stdout}")
    return done.stdout


PYTHON = sys.executable if find_spec("oneblock") else install()

# %% tags=["doctor"]
# What is here, as `oneblock doctor` finds it.
found = json.loads(oneblock("doctor --json --backend xla_tpu --backend jax_xla", show=False))
compiler = next(row for row in found["backends"] if row["backend"] == "xla_tpu")
device = compiler["device"]  # None: no TPU
if device is None and not compiler["compiles_for"]:
    raise RuntimeError(f"the TPU's compiler does not work here: {compiler['reason']}; {compiler['hint']}")
HERE = "cpu" if device is None else "tpu"
TARGET = GENERATIONS["TPU v5 lite" if device is None else device]
print(f"To be compiled for {TARGET}, and measured on the {device or 'CPU: ' + compiler['reason']}.")
print({name: found["environment"]["software"][name] for name in ("python", "jax", "libtpu")})

# %% [markdown]
"""## Predict

A decode reads every weight once for one new token, and the whole KV cache. With width C, feed-forward width F, S cached
positions, K key/value heads of width D and two bytes a number, GPT-2's block has 4C² + 2CF weights and a cache of 2SKD
numbers. How many **MB (10⁶ bytes)** does its decode move through HBM, and which **step** moves most of them?
"""

# %% tags=["answer"]
ANSWERS["decode_hbm_mb"] = None  # predict: a number
ANSWERS["busiest_step"] = None  # predict: norm1, qkv, rope, attention, proj, norm2 or mlp

# %% [markdown]
"""## Compile the block, and measure where it can be

The first command compiles and runs nothing. The second runs on the device here, its answer checked against float64.
"""

# %% tags=["run"]
DECODE = f"run block --preset {PRESET} --phase decode -S {CACHE} --dtype bfloat16 --ops plain -o {STUDY}"
oneblock(f"{DECODE} --backend xla_tpu --target {TARGET}")
# Exit status 1 is an answer too: that a check or a limit refused the measurement, which the table then says.
oneblock(f"{DECODE} {MEASURE[HERE]}", accept=(0, 1))


def records() -> Any:
    """Every record of this study, the newest of each cell."""
    return json.loads(oneblock(f"show --json -o {STUDY}", show=False))


COMPILED = next(r for r in records() if r["cell"]["target"] == TARGET)

# %% [markdown]
"""## Read the stages

The program as JAX hands it over (StableHLO), as XLA:TPU schedules it (HLO: `S(1)` is VMEM, `copy-start` a prefetch from
HBM, `op_name` the step that an operation came from), and what the chip issues: VLIW bundles, one a cycle.
"""

# %% tags=["stages"]
BUNDLES = next(stage["dialect"] for stage in COMPILED["artifacts"] if stage["dialect"].startswith("bundles:"))
NAME = f"{PRESET}-decode xla_tpu {TARGET.replace(':', '_')}"
for stage, word in (("stablehlo", "dot_general"), ("hlo", "S(1)"), (BUNDLES, "vmul")):
    text = oneblock(f"show '{NAME}' --stage {stage} -o {STUDY}", show=False)
    lines = [line.strip()[:150] for line in text.splitlines() if word in line]
    print(f"{stage}: {len(text.splitlines())} lines, {len(lines)} with {word}", *lines[:4], sep="\n  ")

# %% [markdown]
"""## Three estimates against the roofline, and a measurement

`roofline` is a formula over the maker's figures (modelled). `xla`, `hlo` and `llo` are three models inside the compiler
(compiled): operations by FLOPs and bytes, its scheduler's cycles, and simulated cycles against HBM time. They differ by
what they leave out. A measurement is only of the device that is here.
"""

# %% tags=["estimates"]
oneblock(f"show '{NAME}' -o {STUDY}")
for record in (r for r in records() if r["kind"] == "measured" and r["launches"]):
    launch = record["launches"][0]
    clock = "device_s" if launch["device_s"] else "warm_s"  # the device's own, where it has one
    middle = sorted(launch[clock])[len(launch[clock]) // 2]
    print(f"measured on {record['device']}: {middle * 1e6:.1f} µs (median of {clock}; {record['status']})")
print("" if HERE == "tpu" else "Not measured on a TPU: none is here, and the CPU's time says nothing of a TPU's.")

# %% [markdown]
"""## Five generations side by side

The same block, compiled for each. With `--stages brief` nothing is simulated, so `llo` is only there where it was made
before; v7x has no known clock, and so neither `hlo` nor `llo`.
"""

# %% tags=["generations"]
TARGETS = " ".join(f"--target {target}" for target in GENERATIONS.values())
oneblock(f"{DECODE} --backend xla_tpu {TARGETS} --stages brief", show=False)
rows = ["compiled, none measured:\n\n| target | HBM | xla | hlo | llo |\n|--|--|--|--|--|"]
chosen = {record["cell"]["target"]: record["facts"] for record in records()}
for target in GENERATIONS.values():
    times = [one["seconds"] for one in chosen[target]["estimates"]]
    cells = [f"{chosen[target]['hbm_bytes'] / 1e6:.2f} MB", *(f"{t * 1e6:.1f} µs" if t else "none" for t in times)]
    rows.append(f"| {target} | {' | '.join(cells)} |")
display(Markdown("\n".join(rows)))

# %% [markdown]
"""## Eight chips

A llama-1b block, tensor-parallel over the eight chips of a v5e host. Each half of the block ends in a sum over the
chips. Predict **how many all-reduces** the compiler makes, and **how many bytes** each carries (C = 2048, one token).
"""

# %% tags=["answer"]
ANSWERS["all_reduces"] = None  # predict: a number
ANSWERS["all_reduce_bytes"] = None  # predict: a number

# %% tags=["sharding"]
EIGHT = "--preset llama-1b --phase decode -S 512 --dtype bfloat16 --ops plain --backend xla_tpu --stages brief"
oneblock(f"run block {EIGHT} --target tpu:v5e:2x4@tp8 -o {STUDY}")
SHARDED = next(r for r in records() if r["cell"]["target"] == "tpu:v5e:2x4@tp8")

# %% [markdown]
"""## The report

One HTML file that needs no network, with everything above. Next: `PRESET = "llama-1b"`; `--ops kernels`, a hand-written
attention; `--stages all`, HLO after each pass; `--fit context`, the longest context that the chip's memory holds.
"""

# %% tags=["report"]
oneblock(f"report -o {STUDY}")
page = html.escape(Path(STUDY, "report.html").read_text(encoding="utf-8"))
display(HTML(f'<div><iframe srcdoc="{page}" sandbox="allow-scripts" width="100%" height="700"></iframe></div>'))

# %% [markdown]
"""## Check your predictions

The truth is computed from the records above, not stored. An answer that is wrong fails this cell; `None` is unanswered.
"""


# %% tags=["check"]
def truths(compiled: dict[str, Any], sharded: dict[str, Any]) -> dict[str, Any]:
    """What the compiler's output says to each question."""
    busiest = max(compiled["facts"]["steps"], key=lambda step: step["hbm_bytes"])
    reduces = [one for one in sharded["facts"]["collectives"] if one["kind"] == "all-reduce"]
    return {
        "decode_hbm_mb": compiled["facts"]["hbm_bytes"] / 1e6,
        "busiest_step": busiest["step"],
        "all_reduces": len(reduces),
        "all_reduce_bytes": max(one["bytes"] for one in reduces),
    }


def check(answers: dict[str, Any], truth: dict[str, Any]) -> None:
    """AssertionError names the answers that are wrong; a traffic within 5 % is right."""
    wrong = []
    for question, right in truth.items():
        answer = answers[question]
        near = isinstance(right, float) and isinstance(answer, int | float) and abs(answer - right) <= right * 0.05
        if answer is not None and not near and answer != right:
            wrong.append(question)
        print(f"{question}: {'unanswered' if answer is None else 'wrong' if question in wrong else 'right'}")
    assert not wrong, f"wrong: {', '.join(wrong)}; read the tables above again, or `oneblock show`, then answer anew"


check(ANSWERS, truths(COMPILED, SHARDED))
