# %% [markdown]
"""# Will it even compile there? Operators, types and targets

A stack that lacks one operator of your model runs none of it. There are four answers besides "yes", and they cost
differently:

* **taken apart**: the operator is not known, but those that it is made of are. XLA does this to almost everything;
* **handed on**: a routine of somebody else's does it, LAPACK's, say. It is taken, but not compiled;
* **unsupported**: the backend has no such operator or type, on any machine;
* **unavailable**: this machine lacks a package or a device.

Here eight operators go to four compilers. XLA takes JAX's programs as StableHLO, once for a CPU and once for a TPU. TVM
imports the same mathematics from PyTorch. Of the Neuron compiler there is a list of operators: the compiler's own if
it is installed, else one that AWS published in 2022. A name in a list is no promise, and a missing one no verdict.
"""

# %% tags=["shape"]
SHAPE = {"operators": "softmax sort fft det gelu top_k erf round", "chip": "v5e", "narrow": "int8", "one": "fft",
         "need": "softmax sort erf", "backend": "xla_tpu"}  # fmt: skip

# %% [markdown]
"""## Predict

Your operators are in SHAPE, each of x (64, 64) in float32, by the names that jax.numpy, jax.nn or jax.lax and torch
have for them. But: erf_inv is torch.erfinv; fft gives the real part; histogram is torch.histc, of 100 bins; kth_value
is jnp.sort(x, -1)[..., 2] and torch.kthvalue(x, 3); logcumsumexp is lax.cumlogsumexp; rms_norm is written out in JAX;
top_k takes 8. The run writes them all beside this file, `operators.py`. Fill in [predict] of answers.toml. Then

    oneblock lab predict 9
    oneblock lab run 9

## See

artifact.json has

* `jax_xla`, `xla_tpu`: of each operator a refusal or null, and `custom_calls`, routines that the program calls. On a
  TPU some are notes to the compiler itself. `product` is one of two narrow matrices;
* `tvm_relax`: what TVM's importer of PyTorch programs said, null where it took it. `stablehlo`: what its importer of
  StableHLO said of JAX's programs;
* `neuron_list`: opcodes of each operator's HLO that the list lacks. A trap, where you have it: cholesky counts as
  listed, because on a CPU JAX lowers it to a custom-call, a name that is listed, of a routine that no NeuronCore has;
* `doctor`: what this machine can do for devices that it does not have;
* `norm`: status and reason of one norm in two types, interpreted for a NeuronCore.

Fill in [observe], [explain], [apply]. `oneblock doctor` has all backends; of the norms, `oneblock show -o
labs-of-mine/09_coverage/records --why` says what was refused.

## Make

`logcumsumexp` below is PyTorch's own: log(exp(x0) + ... + exp(xi)) along the last axis. TVM has no converter for it.
Write it in what TVM takes: exp, cumsum, log and arithmetic, say. x may be in the hundreds, where exp is more than
float32 has; no two numbers of a row are more than 80 apart. One operation may have two names, of which one is taken:
`check` shows what TVM says. Then

    oneblock lab check 9
"""

# %% tags=["kernel"]
try:
    import torch
except ImportError:  # what needs it is ungraded
    torch = None


# %% tags=["make"]
def logcumsumexp(x):
    """x (R, C) -> (R, C), in PyTorch."""
    return torch.logcumsumexp(x, -1)


# %% tags=["solution"]
def logcumsumexp(x):  # noqa: F811
    """x (R, C) -> (R, C), with the largest of a row taken out of exp."""
    largest, _ = torch.max(x, -1, keepdim=True)
    return torch.log(torch.cumsum(torch.exp(x - largest), -1)) + largest


# %% tags=["solution", "answers"]
def solve(shape, artifact):
    """The answers, off the artifact."""
    names = shape["operators"].split()
    rows = artifact["doctor"]
    half = artifact["norm"]["float16"]["status"]
    answers = {
        "elsewhere": sum(len(row["compiles_for"] + row["interprets_for"]) for row in rows),
        "half_status": half,
        "why_half": {"unsupported": "backend", "unavailable": "machine"}.get(half, "compiler"),
    }

    def total(chosen):
        return sum(2**n for n, name in enumerate(names) if name in chosen)

    taken = {}
    for lane in ("jax_xla", "xla_tpu"):
        if (xla := artifact.get(lane)) is not None:
            taken[lane] = {name for name in names if xla["operators"][name]["refused"] is None}
    if (xla := artifact.get("jax_xla")) is not None:
        answers["narrow_cpu"] = "no" if xla["product"]["refused"] else "yes"
        answers["handed_sum"] = total({name for name in names if xla["operators"][name]["custom_calls"]})
    if "xla_tpu" in taken:
        answers["tpu_refused"] = len(names) - len(taken["xla_tpu"])
    if (listed := artifact.get("neuron_list")) is not None:
        taken["neuron_list"] = {name for name in names if not listed["not_listed"][name]}
        answers["list_sum"] = total({*names} - taken["neuron_list"])
    if (tvm := artifact.get("tvm_relax")) is not None:
        taken["tvm_relax"] = {name for name in names if tvm[name] is None}
        said = tvm[shape["one"]]
        answers |= {
            "tvm_refused": len(names) - len(taken["tvm_relax"]),
            "tvm_sum": total({*names} - taken["tvm_relax"]),
            "how_refused": "taken" if said is None else "named" if "Unsupported function" in said else "value",
        }
    if len(taken) == 4:
        answers |= {
            "gate": sum({*shape["need"].split()} <= of for of in taken.values()),
            "score": 100 * sum(len(of) for of in taken.values()) / 32,
        }
    if (imported := artifact.get("stablehlo")) is not None:
        said = {*imported.values()}
        answers["why_import"] = "nothing" if said == {None} else "version" if len(said) == 1 else "operators"
    return answers
