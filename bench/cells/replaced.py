"""From `--replace OPERATION=FILE.py:FUNCTION` to a cell's own kernels; nothing of a file is run for it."""

from __future__ import annotations

import hashlib
import symtable
from collections.abc import Mapping, Sequence
from pathlib import Path

from oneblock.backends.api.own_kernels import KERNELS, SUFFIX, OwnKernel
from oneblock.bench.format.errors import Refused
from oneblock.workloads.ops.nearest import unknown

FORM = f"OPERATION=FILE{SUFFIX}:FUNCTION"


def own_kernels(
    words: Sequence[str], backend: str, signatures: Mapping[str, str], ops_sets: Sequence[str]
) -> tuple[OwnKernel, ...]:
    """Those of a backend, which says by `signatures` what may be replaced; Refused or LookupError say what is wrong."""
    if others := [ops_set for ops_set in ops_sets if ops_set != KERNELS]:
        raise Refused(f"--replace is of the ops set {KERNELS}, and --ops says {', '.join(others)}: leave that out")
    found = [_own_kernel(text, backend, signatures) for text in words]
    operations = [one.operation for one in found]
    if twice := [one for one in operations if operations.count(one) > 1]:
        raise Refused(f"--replace: {twice[0]} is replaced twice: expected one kernel for an operation")
    return tuple(sorted(found, key=lambda one: one.operation))


def _own_kernel(text: str, backend: str, signatures: Mapping[str, str]) -> OwnKernel:
    operation, equals, where = text.partition("=")
    path, colon, function = where.rpartition(":")
    if not equals or not colon or not path.endswith(SUFFIX) or not function.isidentifier():
        raise Refused(f"--replace takes {FORM}, e.g. --replace rms_norm=my{SUFFIX}:kernel; got {text!r}")
    if operation not in signatures:
        raise LookupError(f"--replace: {unknown(f'operation of {backend}', operation, [*signatures])}")
    try:
        source = Path(path).read_bytes()
        table = symtable.symtable(source.decode(), path, "exec")
    except OSError as error:
        raise Refused(f"--replace: {path}: {error.strerror}: expected a file with your kernel") from error
    except SyntaxError as error:
        raise Refused(f"--replace: {path} line {error.lineno}: {error.msg}: expected Python") from error
    except ValueError as error:  # no UTF-8, or a zero character
        raise Refused(f"--replace: {path}: expected Python, got {error}") from error
    named = [one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()]
    if function not in named:
        raise Refused(f"--replace: {path}: {unknown('function', function, named)}")
    return OwnKernel(operation, path, function, hashlib.sha256(source).hexdigest())
