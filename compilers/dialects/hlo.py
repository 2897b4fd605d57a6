"""HLO: an operation has the steps that its metadata and its fusion's contents name, or whose data it moves."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from oneblock.compilers.api.stages import Stage
from oneblock.compilers.dialects import _lexer, _words
from oneblock.compilers.dialects._dialect import Dialect
from oneblock.compilers.dialects._lines import Context, Lines, Steps
from oneblock.compilers.dialects._noise import STRING, Names, Noise
from oneblock.compilers.dialects._opcodes import first
from oneblock.compilers.hlo import parser as _hlo
from oneblock.compilers.hlo.parser import Computation, Instruction, Module
from oneblock.compilers.hlo.steps import NO_OPERATION, attribute, deep, scheduled, step_in

_NAME = re.compile(r"[\w.\-]+")
_METADATA = re.compile(r'\bop_name="((?:[^"\\]|\\.)*)"')
_STRING = re.compile(STRING)
_OPCODE = re.compile(r"=\s+(?:\((?:[^()]|\([^()]*\))*\)|\S+)\s+([a-z][\w-]*)\(")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?[\w.\-]+ = .* ([a-z][\w\-]*)\(")


def lines(name: str, text: str, context: Context) -> Lines:
    """Of a module, before, after and between XLA's passes; a text that is cut off is read line by line."""
    whole, parts = _joined(text)
    try:
        module = _hlo.parse("\n".join(whole))
    except _hlo.HloError:
        return _by_metadata(text, context.steps)
    steps: list[Steps] = []
    operations: list[bool] = []
    for (own, operation), count in zip(_by_line(whole, module, _Steps(module, context.steps)), parts, strict=True):
        steps += [own] * count
        operations += [operation] + [False] * (count - 1)
    return Lines(tuple(steps), tuple(operations))


def _joined(text: str) -> tuple[list[str], list[int]]:
    """(lines with an instruction each, of how many lines each is): the notes of a kernel of one's own take several."""
    whole: list[str] = []
    parts: list[int] = []
    depth = 0
    for line in text.splitlines():
        if depth:
            whole[-1] += line
            parts[-1] += 1
        else:
            whole.append(line)
            parts.append(1)
        if depth or (line.startswith(" ") and line.endswith("{")):
            bare = _STRING.sub("", line)
            depth += bare.count("{") - bare.count("}")
    return whole, parts


def kernels(text: str, steps: Sequence[str], beside: Collection[str]) -> Iterator[tuple[str, Steps]]:
    """The steps of each operation that runs by itself, whose name is that of XLA's kernel; of a cut text none.

    Asked for only beside texts of XLA's kernels: the names mean nothing to others.
    """
    if not any(dialect.startswith(("llvm:", "asm:")) for dialect in beside):
        return
    try:
        module = _hlo.parse("\n".join(_joined(text)[0]))
    except _hlo.HloError:
        return
    found = _Steps(module, steps)
    yield from ((i.name, found.of[i.name]) for computation, _ in scheduled(module) for i in computation.instructions)


def schedule(text: str, steps: Sequence[str]) -> dict[str, Counter[str]]:
    """By step ("" of none), how often the schedule has each operation; "kernel" is one that XLA did not write.

    Parameters, tuples and the like do no work and are not among them. Empty for a text that is cut off.
    """
    try:
        module = _hlo.parse(text)
    except _hlo.HloError:
        return {}
    found: dict[str, Counter[str]] = {}
    for computation, _ in scheduled(module):
        of = attribute(computation, module, steps)
        for one in computation.instructions:
            if one.opcode in NO_OPERATION:
                continue
            target = one.attributes.get("custom_call_target", "").strip('"')
            what = "kernel" if target == "tpu_custom_call" or "triton" in target else one.opcode
            found.setdefault(of[one.name][0] or "", Counter())[what] += 1
    return found


class _Steps:
    """The steps of every instruction and of every computation, which is of those that call it."""

    def __init__(self, module: Module, steps: Sequence[str]) -> None:
        self.module, self.steps = module, steps
        self.of: dict[str, Steps] = {}
        self.users: dict[str, set[str]] = defaultdict(set)  # of a computation: its callers' steps
        self.programs = {module.entry.name}  # what computes; the scalar function of a reduction only says how
        for computation in reversed(module.computations.values()):  # callers stand below what they call
            self._through(computation)

    def _through(self, computation: Computation) -> None:
        moved = attribute(computation, self.module, self.steps)
        for one in computation.instructions:
            step = moved[one.name][0]
            named = self._named(one) or ({step} if step is not None else self.users[computation.name])
            self.of[one.name] = tuple(s for s in self.steps if s in named)
            for callee in self._mentioned(one):
                self.users[callee] |= named
            self.programs |= set(one.calls)

    def _named(self, instruction: Instruction) -> set[str]:
        inside = (one for one, _ in deep(instruction, self.module))
        names = (path for one in (instruction, *inside) for path in one.op_name.split(";"))
        return {step for path in names if (step := step_in(path, self.steps)) is not None}

    def _mentioned(self, instruction: Instruction) -> Iterator[str]:
        for key, value in instruction.attributes.items():
            if key not in ("metadata", "backend_config"):
                yield from (word for word in _NAME.findall(value) if word in self.module.computations)


def _by_line(every: Sequence[str], module: Module, found: _Steps) -> Iterator[tuple[Steps, bool]]:
    inside: Computation | None = None
    left: Iterator[Instruction] = iter(())
    for line in every:
        head = not line.startswith(" ") and line.endswith("{")
        if head:
            words = line.split()
            inside = module.computations[words[words[0] == "ENTRY"].lstrip("%")]
            left = iter(inside.instructions)
        ends = inside is not None and line.strip().startswith("}")
        if inside is None or head or ends or not line.strip():
            own = found.users[inside.name] if inside is not None else set()
            yield tuple(s for s in found.steps if s in own), False
        else:
            one = next(left)
            yield found.of[one.name], inside.name in found.programs and one.opcode not in NO_OPERATION
        inside = None if ends else inside


def _by_metadata(text: str, steps: Sequence[str]) -> Lines:
    own: list[Steps] = []
    operations: list[bool] = []
    for line in text.splitlines():
        metadata, instruction = _METADATA.search(line), _INSTRUCTION.match(line)
        named = {step_in(path, steps) for path in metadata[1].split(";")} if metadata else set()
        own.append(tuple(s for s in steps if s in named))
        operations.append(instruction is not None and instruction[1] not in NO_OPERATION)
    return Lines(tuple(own), tuple(operations))


# ---------------------------------------------------------------- noise

_BRACES = rf"\{{(?:{STRING}|[^{{}}\"]|\{{(?:{STRING}|[^{{}}\"])*\}})*\}}"
_HLO_MADE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = |^(?:ENTRY )?%?([\w.\-]+) (?:\(.*)?\{$")


def _no_number(name: str) -> str:
    """`%add.13` -> "add"; a computation's `region_1.3` has a number in front, too."""
    return re.sub(r"^(region)_\d+$", r"\1", re.sub(r"(?:\.\d+)+$", "", name))


def _hlo_made(line: str) -> list[tuple[str, str]]:
    found = _HLO_MADE.match(line)
    return [(name, _no_number(name)) for name in (found.groups() if found else ()) if name]


_NOISE = Noise(
    dropped=re.compile(r'^(?:FileNames|FunctionNames|FileLocations|StackFrames|\d+ ["{].*|\s*)$'),
    scrubbed=(
        (re.compile(rf", (?:metadata|frontend_attributes|origin|statistics)={_BRACES}"), ""),
        (re.compile(r", channel_id=\d+|/\*index=\d+\*/"), ""),
        (  # which results take the place of arguments is no noise: it decides what memory the program needs
            re.compile(
                r"^(HloModule [\w.\-]+?)(?:\.\d+)?(, is_scheduled=true)?(?=,|$)"
                rf"(?:(?!, input_output_alias=).)*(, input_output_alias={_BRACES})?.*$"
            ),
            r"\1\2\3",
        ),
        (re.compile(r"(?<=\])\{[\d,]*:[^{}]*?(S\(\d+\))[^{}]*\}"), r"{:\1}"),  # the memory: of a TPU, S(1) is VMEM
        (re.compile(r"(?<=\])\{(?!:S\()[\d,]*(?::[^{}]*)?\}"), ""),
    ),
    names=(
        Names(
            token=re.compile(rf"{STRING}|(?<![\w.\-])%?(?P<name>[A-Za-z_][\w.\-]*)(?![\w.\-(=\[{{])"),
            made=_hlo_made,
            base=_no_number,
            foreign=re.compile(r"[A-Za-z_][\w\-]*(?:\.\d+)+"),
        ),
    ),
)

_HLO = Dialect(
    names=("hlo",),
    stages=(Stage.OPTIMIZED, Stage.LOWERED),  # and Neuron's compiler is given it
    reader=lines,
    opcode=first(_OPCODE),
    noise=_NOISE,
    lexer=_lexer.HLO,
    words=_words.HLO,
    kernels=kernels,
    schedule=schedule,
)
_BETWEEN = replace(
    _HLO, names=("hlo-before", "hlo-cublas"), stages=(Stage.LOWERED, Stage.OPTIMIZED), kernels=None, schedule=None
)
DIALECTS = (_HLO, _BETWEEN)
