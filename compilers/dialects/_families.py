"""What is noise in the texts of each family of dialects, and where its names stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

_STRING = r'"(?:[^"\\]|\\.)*"'
_BRACES = rf"\{{(?:{_STRING}|[^{{}}\"]|\{{(?:{_STRING}|[^{{}}\"])*\}})*\}}"


@dataclass(frozen=True)
class Names:
    """One kind of names: where they stand, where they are made, and what they are called without their number."""

    token: re.Pattern[str]  # a name wherever it stands; its group "name" is what is replaced
    made: Callable[[str], list[tuple[str, str]]]  # of a line: names, and what the value of each is called
    base: Callable[[str], str]  # of a name that is made elsewhere
    foreign: re.Pattern[str]  # what a name looks like if it is made elsewhere
    scope: re.Pattern[str] | None = None  # a line with which names begin anew

    def used(self, line: str, known: frozenset[str]) -> Iterator[str]:
        """The names in a line: what is known, and what looks like one."""
        for found in self.token.finditer(line):
            name = found["name"] or ""  # none within a string
            if name in known or self.foreign.fullmatch(name):
                yield name

    def replace(self, line: str, new: Mapping[str, str]) -> str:
        """The line with its names replaced."""

        def one(found: re.Match[str]) -> str:
            if found["name"] is None:
                return found[0]
            start, end = (at - found.start() for at in found.span("name"))
            return found[0][:start] + new.get(found["name"], found["name"]) + found[0][end:]

        return self.token.sub(one, line)


@dataclass(frozen=True)
class Family:
    """Lines that go, pieces of lines that go, and names."""

    dropped: re.Pattern[str]
    scrubbed: tuple[tuple[re.Pattern[str], str], ...]
    names: tuple[Names, ...]


def _no_number(name: str) -> str:
    """`%add.13` -> "add"; a computation's `region_1.3` has a number in front, too."""
    return re.sub(r"^(region)_\d+$", r"\1", re.sub(r"(?:\.\d+)+$", "", name))


# ---------------------------------------------------------------- HLO

_HLO_MADE = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = |^(?:ENTRY )?%?([\w.\-]+) (?:\(.*)?\{$")


def _hlo_made(line: str) -> list[tuple[str, str]]:
    found = _HLO_MADE.match(line)
    return [(name, _no_number(name)) for name in (found.groups() if found else ()) if name]


HLO = Family(
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
            token=re.compile(rf"{_STRING}|(?<![\w.\-])%?(?P<name>[A-Za-z_][\w.\-]*)(?![\w.\-(=\[{{])"),
            made=_hlo_made,
            base=_no_number,
            foreign=re.compile(r"[A-Za-z_][\w\-]*(?:\.\d+)+"),
        ),
    ),
)

# ---------------------------------------------------------------- StableHLO

_SSA = r"%[\w$.\-]+"
_SSA_MADE = re.compile(rf"^\s*({_SSA}(?::\d+)?(?:, {_SSA}(?::\d+)?)*) = \"?(?:\w+\.)?(\w+)")
_SSA_ARGUMENT = re.compile(rf"({_SSA})(?=: | = %)")
_FUNCTION = re.compile(r"^\s*func\.func .*?@([\w.$\-]+)\(")


def _ssa_made(line: str) -> list[tuple[str, str]]:
    found = _SSA_MADE.match(line)
    results = re.findall(_SSA, found[1]) if found else []
    rest = line[found.end() :] if found else line
    return [(name, f"%{found[2]}") for name in results if found] + [
        (name, "%argument") for name in _SSA_ARGUMENT.findall(rest)
    ]


def _function_made(line: str) -> list[tuple[str, str]]:
    found = _FUNCTION.match(line)
    return [(found[1], re.sub(r"_\d+$", "", found[1]))] if found else []


STABLEHLO = Family(
    dropped=re.compile(r"^(?:#loc.*|\s*)$"),
    scrubbed=((re.compile(rf" loc\((?:{_STRING}|[^()\"]|\((?:{_STRING}|[^()\"]|\([^()]*\))*\))*\)"), ""),),
    names=(
        Names(
            token=re.compile(rf"{_STRING}|(?P<name>{_SSA})"),
            made=_ssa_made,
            base=lambda name: "%value",
            foreign=re.compile(_SSA),
            scope=_FUNCTION,
        ),
        Names(
            token=re.compile(rf"{_STRING}|@(?P<name>[\w.$\-]+)"),
            made=_function_made,
            base=lambda name: re.sub(r"_\d+$", "", name),
            foreign=re.compile(r"\w+_\d+"),
        ),
    ),
)

# ---------------------------------------------------------------- jaxpr

_VARIABLE = re.compile(r"(?<![\w=\[])([a-z]+):(?=[A-Za-z]+\d*[\[<{])")
_PRIMITIVE = re.compile(r" = (\w+)")


def _jaxpr_made(line: str) -> list[tuple[str, str]]:
    primitive = _PRIMITIVE.search(line)
    return [(name, primitive[1] if primitive else "argument") for name in _VARIABLE.findall(line)]


JAXPR = Family(
    dropped=re.compile(r"^\s*$"),
    scrubbed=((re.compile(r" +# \[[^#]*\]$"), ""),),
    names=(
        Names(
            # Not behind "=" or ":", which stand before values and types, and not where a primitive or a word stands.
            token=re.compile(r"(?<![\w.=:'\"<])(?<! = )(?!(?:in|let|lambda)\b)(?P<name>[a-z]+)(?![\w.=('\"])"),
            made=_jaxpr_made,
            base=lambda name: "argument",
            foreign=re.compile(r"[a-z]{1,2}"),
        ),
    ),
)

# ---------------------------------------------------------------- Relax and TIR

_BINDS = re.compile(r"^\s+(\w+)(?:: .+?)? = |^\s+((?:\w+, )+\w+) = T\.axis|^\s+for ((?:\w+, )*\w+) in ")
_PARAMETER = re.compile(r"(\w+): (?:R|T)\.")
_DEFINES = re.compile(r"^\s+def (\w+)\(")


def _without_digits(name: str) -> str:
    return re.sub(r"\d+$", "", name) or name


def _bound(line: str) -> list[tuple[str, str]]:
    found = _BINDS.match(line)
    groups = (group for group in (found.groups() if found else ()) if group)
    names = [name for group in groups for name in group.split(", ")]
    names += _PARAMETER.findall(line) if _DEFINES.match(line) else []
    return [(name, _without_digits(name)) for name in names]


def _operators(name: str) -> str:
    """`fused_matmul2_divide1` -> "fused_matmul_divide"."""
    return re.sub(r"(?<=[A-Za-z])\d+(?=_|$)", "", name)


def _defined(line: str) -> list[tuple[str, str]]:
    found = _DEFINES.match(line)
    return [(found[1], _operators(found[1]))] if found else []


TVM = Family(
    dropped=re.compile(r"^(?:\s*#.*|\s*)$"),
    scrubbed=((re.compile(r"  # steps?: .*$"), ""),),
    names=(
        Names(
            token=re.compile(rf"{_STRING}|(?<![\w.@])(?P<name>[A-Za-z_]\w*)(?![\w(=.])"),
            made=_bound,
            base=_without_digits,
            foreign=re.compile(r"[A-Za-z_]\w*\d"),
            scope=_DEFINES,
        ),
        Names(
            token=re.compile(rf"{_STRING}|(?:\bcls\.|\bdef )(?P<name>\w+)"),
            made=_defined,
            base=_operators,
            foreign=re.compile(r"\w+"),
        ),
    ),
)
