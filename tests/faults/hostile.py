"""A third party's backends that do something hostile at a moment; ONEBLOCK_FAULT says which: "segv@compile".

Installed as a distribution `hostile` with the backends `hostile`, `slow` (each call takes a while) and `elsewhere`
(which only compiles, in a second). The tests read the names of what there is here, too.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import itertools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from oneblock.backends.reference import Reference

MOMENTS = ("import", "probe", "compile", "call", "get")
ESCAPES = "\x1b]0;OWNED\x07\x1b[31mred\u202e\x9b31m[bold]x[/]"


def raising(error: Callable[[], BaseException]) -> Callable[[], Any]:
    def act() -> None:
        raise error()

    return act


def signalling(number: int) -> Callable[[], Any]:
    return lambda: os.kill(os.getpid(), number)


def answering(line: bytes, times: int = 1) -> Callable[[], Any]:
    def act() -> None:
        for _ in range(times):
            with contextlib.suppress(OSError):
                os.write(3, line)

    return act


def outcome(**fields: Any) -> Callable[[], Any]:
    """An answer of its own, and the end: {"event": "outcome", "outcome": fields}."""

    def act() -> None:
        answering(json.dumps({"event": "outcome", "outcome": fields}).encode() + b"\n")()
        os._exit(0)

    return act


def forever(act: Callable[[], Any]) -> Callable[[], Any]:
    def again() -> None:
        while True:
            act()

    return again


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text of this")

    __repr__ = __str__


class Rude(BaseException):
    pass


def hold_the_lock() -> None:
    ctypes.PyDLL(None).sleep(4242)


def hang_in_a_thread() -> None:
    threading.Thread(target=time.sleep, args=(4242,)).start()
    time.sleep(4242)


def daemon(close: bool, stay: float = 4242) -> Callable[[], Any]:
    """A grandchild in a session of its own, which outlives whoever started it."""

    def act() -> None:
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
            if close:
                os.closerange(0, 64)
            time.sleep(stay)
            os._exit(0)
        os.wait()

    return act


def kill_the_guard() -> None:
    """Once a grandchild has left the session."""
    daemon(close=True)()
    with open(f"/proc/{os.getppid()}/cmdline") as words:
        if "oneblock.bench.worker" in words.read():  # and not whoever started the command, where that imports this
            os.kill(os.getppid(), signal.SIGKILL)


def fork_and_both_go_on() -> None:
    os.fork()


def zombies() -> None:
    for _ in range(5):
        if os.fork() == 0:
            os._exit(0)


def threads() -> None:
    for _ in range(200):
        threading.Thread(target=time.sleep, args=(4242,), daemon=True).start()


def remove(pattern: str) -> Callable[[], Any]:
    """Remove folders of oneblock's: a worker's TMPDIR is one of them, and the others lie beside it."""

    def act() -> None:
        for path in glob.glob(os.path.join(tempfile.gettempdir(), "..", pattern)):
            shutil.rmtree(path, ignore_errors=True)

    return act


def beside_the_answers(suffix: str, make: Callable[[str], Any]) -> Callable[[], Any]:
    """Lay something where the answers, or the reference that they are compared with, are to be written."""

    def act() -> None:
        frame: Any = sys._getframe()
        while frame is not None:
            answers = getattr(frame.f_locals.get("job"), "answers", None)
            if isinstance(answers, str):
                with contextlib.suppress(FileExistsError):
                    make(answers.removesuffix(".npz") + suffix)
                return
            frame = frame.f_back

    return act


def link_to_the_canary(path: str) -> None:
    """The canary of the tests stands two folders above the run's, in `outside`."""
    os.symlink(os.path.join(os.path.dirname(path), "..", "..", "outside", "canary"), path)


def deaf() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(4242)


def all_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def working_folder_gone() -> None:
    gone = tempfile.mkdtemp(prefix="gone-")
    os.chdir(gone)
    os.rmdir(gone)


def clocks_of_its_own() -> None:
    time.perf_counter = time.monotonic = lambda: 12.5  # type: ignore[method-assign, assignment]
    time.perf_counter_ns = lambda: 5  # type: ignore[assignment]


def warn() -> None:
    warnings.warn(ESCAPES, stacklevel=1)


def deep() -> None:
    deep()


ACTS: dict[str, Callable[[], Any]] = {
    "segv": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "kill": signalling(signal.SIGKILL),
    "term": signalling(signal.SIGTERM),
    "int": signalling(signal.SIGINT),
    "hup": signalling(signal.SIGHUP),
    "stop": signalling(signal.SIGSTOP),
    "_exit0": lambda: os._exit(0),
    "_exit7": lambda: os._exit(7),
    "exit": lambda: sys.exit(3),
    "exit_text": lambda: sys.exit(ESCAPES),
    "raise": raising(lambda: RuntimeError("plain")),
    "raise_escapes": raising(lambda: RuntimeError(ESCAPES)),
    "raise_surrogate": raising(lambda: RuntimeError("\udcff\ud800")),
    "raise_big": raising(lambda: RuntimeError("M" * 10_000_000)),
    "raise_unprintable": raising(Unprintable),
    "raise_lines": raising(lambda: ValueError("a\n\n\rb\x00c")),
    "base_exception": raising(lambda: Rude("rude")),
    "keyboard": raising(KeyboardInterrupt),
    "generator_exit": raising(GeneratorExit),
    "stop_iteration": raising(StopIteration),
    "memory_error": raising(MemoryError),
    "group": raising(lambda: ExceptionGroup("many", [ValueError("one"), Unprintable()])),
    "recursion": deep,
    "hang": lambda: time.sleep(4242),
    "hang_locked": hold_the_lock,
    "hang_thread": hang_in_a_thread,
    "hang_child": lambda: subprocess.run(["sleep", "4242"], check=False),
    "deaf": deaf,
    "print_much": lambda: print("x" * 20_000_000),
    "print_escapes": lambda: print(ESCAPES, flush=True),
    "print_binary": lambda: os.write(1, bytes(range(256)) * 100),
    "close_standard": lambda: [os.close(fd) for fd in (0, 1, 2)],
    "close_answers": lambda: os.close(3),
    "close_all": lambda: os.closerange(0, 256),
    "answer_flood": forever(answering(b'{"event": "phase", "name": "x"}\n' * 100)),
    "answer_flood_without_lines": forever(answering(b"z" * 65536)),
    "answer_garbage": answering(bytes(range(256)) + b'\n{}\n[1]\n{"event": []}\nnull\n'),
    "answer_deep": answering(b"[" * 100_000 + b"\n"),
    "answer_long_number": answering(b'{"event": "phase", "name": ' + b"9" * 10_000 + b"}\n"),
    "answer_phase_without_name": answering(b'{"event": "phase"}\n'),
    "answer_phase_of_escapes": answering(json.dumps({"event": "phase", "name": ESCAPES}).encode() + b"\n"),
    "answer_phase_of_a_list": answering(b'{"event": "phase", "name": [1]}\n'),
    "answer_without_outcome": answering(b'{"event": "outcome"}\n'),
    "outcome_bare": outcome(),
    "outcome_bad_status": outcome(status="splendid"),
    "outcome_forged": outcome(status="passed", kind="measured", device="x"),
    "outcome_escapes": outcome(status="crashed", reason=ESCAPES, hint=ESCAPES, log_tail=[ESCAPES]),
    "outcome_of_numbers": outcome(status="crashed", reason=5, kind=[], device={}),
    "outcome_surplus": outcome(status="crashed", reason="x", surprise=1),
    "outcome_nan": outcome(status="passed", kind="measured", device="x", result={"compile_s": float("nan")}),
    "daemon": daemon(close=False),
    "daemon_closed": daemon(close=True),
    "kill_the_guard": kill_the_guard,
    "fork": fork_and_both_go_on,
    "zombies": zombies,
    "threads": threads,
    "remove_worker": remove("oneblock-worker-*"),
    "remove_run": remove("oneblock-run-*"),
    "remove_scratch": remove("oneblock-*"),
    "reference_fifo": beside_the_answers(".reference", os.mkfifo),
    "reference_folder": beside_the_answers(".reference", os.mkdir),
    "reference_link": beside_the_answers(".reference", link_to_the_canary),
    "answers_folder": beside_the_answers(".npz", os.mkdir),
    "answers_link": beside_the_answers(".npz", link_to_the_canary),
    "descriptors": all_descriptors,
    "chdir": lambda: os.chdir("/"),
    "chdir_gone": working_folder_gone,
    "umask": lambda: os.umask(0o777),
    "environment": os.environ.clear,
    "path": sys.path.clear,
    "clocks": clocks_of_its_own,
    "alarm": lambda: signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2),
    "warn": warn,
    "no_children": lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
}
# What these do lasts until the bound of time.
HANGS = frozenset({
    "stop", "hang", "hang_locked", "hang_thread", "hang_child", "deaf", "answer_flood", "answer_flood_without_lines",
})  # fmt: skip
PEAKS = {"nan": float("nan"), "inf": float("inf"), "negative": -5, "text": "many", "huge": 10**400, "none": None}
# What no method of a backend should answer, for each in turn.
VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "number": lambda: -7,
    "huge": lambda: 10**400,
    "nan": lambda: float("nan"),
    "escapes": lambda: ESCAPES,
    "surrogate": lambda: "\udcff",
    "object": object,
    "empty": dict,
    "of_escapes": lambda: {ESCAPES: ESCAPES},
    "of_objects": lambda: {"y": np.array([object()], dtype=object)},
    "of_texts": lambda: {"y": np.array(["a", ESCAPES])},
    "endless": lambda: itertools.count(),
}
METHODS = ("probe", "compile", "compilations", "fingerprint", "ops_sets", "dtypes", "platforms")
VERBS = ("put", "call", "wait", "get", "flush", "timer", "capture", "device_seconds")
RETURNS = (*METHODS, *VERBS)
_ACT, _, _MOMENT = os.environ.get("ONEBLOCK_FAULT", "@").partition("@")
_METHOD = _MOMENT.removesuffix("=") if _MOMENT.endswith("=") else ""  # which answers one of VALUES


def _at(moment: str) -> None:
    if moment == _MOMENT and _ACT in ACTS:
        ACTS[_ACT]()


class Hostile(Reference):
    """`reference`, with the act at its moment."""

    name = "hostile"

    def probe(self, *args: Any, **kwargs: Any) -> Any:
        _at("probe")
        return super().probe(*args, **kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        _at("compile")
        made = super().compile(*args, **kwargs)
        inner: Any = made.executable
        for name in ("call", "get"):
            setattr(inner, name, _then(name, getattr(inner, name)))
        if _MOMENT == "peak":
            inner.peak_bytes = lambda: PEAKS[_ACT]
        if _MOMENT == "timer=":
            inner.timer = VALUES[_ACT]()
        elif _MOMENT == "capture=":
            made = replace(made, capture=lambda detail: VALUES[_ACT]())
        elif _METHOD in VERBS:
            setattr(inner, _METHOD, lambda *args: VALUES[_ACT]())
        return made


def _then(moment: str, method: Callable[..., Any]) -> Callable[..., Any]:
    def acting(*args: Any) -> Any:
        _at(moment)
        return method(*args)

    return acting


if _METHOD in METHODS:
    _answer = VALUES[_ACT]()
    _is_method = _METHOD in ("probe", "compile", "compilations", "fingerprint")
    setattr(Hostile, _METHOD, (lambda *args: _answer) if _is_method else _answer)


class Slow(Reference):
    """Each call takes 20 ms."""

    name = "slow"

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        made = super().compile(*args, **kwargs)
        inner: Any = made.executable
        call = inner.call
        inner.call = lambda given: (time.sleep(0.02), call(given))[1]
        return made


class Elsewhere(Reference):
    """Only compiles, which takes a second."""

    name = "elsewhere"

    def compile(self, *args: Any, **kwargs: Any) -> Any:
        time.sleep(1)
        return replace(super().compile(*args, **kwargs), executable=None)


_at("import")
hostile, slow, elsewhere = Hostile(), Slow(), Elsewhere()
