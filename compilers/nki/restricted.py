"""The Python that a kernel may be written in: what the NKI compiler would refuse, said before the kernel runs.

After the language guide and the migration guide of NKI 0.3 ("Language restrictions"). Constructs that the guides do not
describe are refused, too. (AWS's own library has `is not None` in 280 places while its guide says that it does not
compile; here the guide counts.)
"""

from __future__ import annotations

import ast
import inspect
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from oneblock.compilers.nki.rules import Place, RuleError

_REFUSED: dict[type[ast.AST], str] = {
    ast.Try: "try", ast.With: "with", ast.AsyncFunctionDef: "async", ast.Await: "await", ast.Yield: "yield",
    ast.YieldFrom: "yield from", ast.Global: "global", ast.Nonlocal: "nonlocal", ast.ClassDef: "a class in a function",
    ast.Import: "import in a function", ast.ImportFrom: "import in a function", ast.Lambda: "lambda",
    ast.ListComp: "a comprehension", ast.SetComp: "a comprehension", ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a comprehension", ast.Set: "a set", ast.NamedExpr: ":=", ast.Match: "match", ast.Delete: "del",
}  # fmt: skip
_WIDE = 2**31


def check(function: FunctionType, seen: set[FunctionType] | None = None) -> None:
    """RuleError if the function, or one that it calls, is not in the language."""
    seen = set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    file = function.__code__.co_filename
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        place = Place(file, function.__code__.co_firstlineno)
        raise RuleError("source", f"expected {function.__name__} in a file, got none to read", None, place) from None
    tree = ast.parse(textwrap.dedent("".join(lines)))
    for line, rule, said in _problems(tree):
        raise RuleError(rule, said, None, Place(file, first + line - 1))
    for called in _called(function, tree):
        check(called, seen)


def _problems(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 1)
        if type(node) in _REFUSED and not _is_no_reorder(node):
            yield line, "language", f"expected the language guide's Python, got {_REFUSED[type(node)]}"
        if isinstance(node, ast.FunctionDef) and (node.args.kwonlyargs or node.args.vararg or node.args.kwarg):
            yield line, "signature", "expected plain parameters, got * or **: move those with defaults to the end"
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            yield line, "language", "expected == or !=, got `is`, which the compiler does not have"
        if isinstance(node, ast.Constant) and type(node.value) is int and not -_WIDE <= node.value < _WIDE:
            yield line, "integers", f"expected 32 bits, got {node.value}"
        if isinstance(node, ast.Dict) and any(not _is_string(key) for key in node.keys):
            yield line, "dictionaries", "expected keys that are strings, got another"
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            yield line, "language", f"expected the documented names of NKI, got .{node.attr}"
        if _uses_value_of_instruction(node):
            yield line, "destination first", "expected nisa.*(dst=...), got the value of an instruction, which has none"


def _is_no_reorder(node: ast.AST) -> bool:
    return isinstance(node, ast.With) and all("no_reorder" in ast.unparse(item.context_expr) for item in node.items)


def _is_string(key: ast.expr | None) -> bool:
    return not isinstance(key, ast.Constant) or isinstance(key.value, str)


def _uses_value_of_instruction(node: ast.AST) -> bool:
    value = getattr(node, "value", None)
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return) or not isinstance(value, ast.Call):
        return False
    return isinstance(value.func, ast.Attribute) and ast.unparse(value.func.value) in ("nisa", "nki.isa")


def _called(function: FunctionType, tree: ast.Module) -> Iterator[FunctionType]:
    """The author's functions that a function names: by themselves, as `module.function`, or as methods of a class."""
    closure = inspect.getclosurevars(function)
    named = {**closure.globals, **closure.nonlocals}
    values = list(named.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            within = named.get(node.value.id)
            if isinstance(within, ModuleType) and _is_the_authors(getattr(within, "__file__", None)):
                values.append(getattr(within, node.attr, None))
    for value in values:
        inner: Any = getattr(value, "function", value)  # that of a kernel, if it is one
        methods = list(vars(inner).values()) if isinstance(inner, type) else [inner]
        yield from (one for one in methods if isinstance(one, FunctionType) and _is_the_authors(_file(one)))


def _file(function: FunctionType) -> str:
    return function.__code__.co_filename


def _is_the_authors(file: str | None) -> bool:
    """Whether a file is neither Python's own, nor installed, nor the interpreter's."""
    others = (*(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")), str(Path(__file__).parent))
    return file is not None and not file.startswith(others)


def arguments(function: Callable[..., Any], values: dict[str, Any]) -> None:
    """RuleError for what a kernel cannot be given."""
    code = function.__code__
    place = Place(code.co_filename, code.co_firstlineno)
    for name, value in values.items():
        if isinstance(value, list):
            raise RuleError("arguments", f"expected a tuple, got a list for {name}: it is part of a cache's key",
                            None, place)  # fmt: skip
        if type(value) is int and not -_WIDE <= value < _WIDE:
            raise RuleError("integers", f"expected 32 bits, got {name} = {value}", None, place)
