"""Backends that go wrong, each in one way; installed by `fakes` in test_faults.py as a third party would."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oneblock.backends.api.backend import Availability, Compiled, Executable
from oneblock.backends.api.target import Target
from oneblock.backends.reference import Reference
from oneblock.compilers.api.kind import Kind


class Fake(Reference):
    """`reference`, with something done while compiling and something to each call."""

    def __init__(
        self,
        name: str,
        compiling: Callable[[], Any] = lambda: None,
        calling: Callable[[Any, Executable, Mapping[str, Any]], Any] | None = None,
        *,
        patch: Callable[[Any], None] = lambda executable: None,
        executable: bool = True,
    ) -> None:
        self.name, self.compiling, self.calling, self.executable = name, compiling, calling, executable
        self.patch = patch
        self.compiled = 0

    def compile(self, *args: Any, **kwargs: Any) -> Compiled:
        self.compiling()
        compiled = super().compile(*args, **kwargs)
        if not self.executable:
            return replace(compiled, executable=None)
        inner: Any = compiled.executable
        flush = inner.flush
        inner.flush = lambda nbytes: flush(min(nbytes, 2**20))  # else a third of what a fake takes is to flush caches
        self.patch(inner)
        if self.calling is not None:
            call, calling = inner.call, self.calling
            inner.call = lambda given: calling(self, call, given)
        return compiled

    def compilations(self) -> int:
        return self.compiled


def segfault() -> None:
    print("about to read address zero", file=sys.stderr, flush=True)
    ctypes.string_at(0)


def eat() -> None:
    eaten = []
    while True:
        eaten.append(np.ones(16 * 2**20, np.uint8))
        time.sleep(0.005)


def hang_with_a_child() -> None:
    subprocess.Popen(["sleep", "4242"])
    time.sleep(4242)


def flood(data: bytes) -> Callable[[], None]:
    """Writes to the pipe of answers without end."""

    def forever() -> None:
        while True:
            os.write(3, data)

    return forever


def leave_a_stray() -> None:
    """A child in a session of its own, which nobody waits for and which holds the pipe of answers."""
    if (child := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(4242)
        os._exit(0)
    os.waitpid(child, 0)


def leave_a_stray_and_die() -> None:
    leave_a_stray()
    os.kill(os.getpid(), signal.SIGKILL)


def hang_in_silence() -> None:
    os.close(3)
    time.sleep(4242)


def say(line: bytes, then: Callable[[], None] = lambda: None) -> Callable[[], None]:
    """Writes a line to the pipe of answers."""

    def said() -> None:
        os.write(3, line + b"\n")
        then()

    return said


def peaks_at(nbytes: float) -> Callable[[Any], None]:
    """Tells of such a peak of memory."""
    return lambda executable: setattr(executable, "peak_bytes", lambda: nbytes)


def remove_scratch() -> None:
    """Removes every folder for the time being, its own and its run's among them."""
    for folder in Path(tempfile.gettempdir()).parent.glob("oneblock-*-*"):
        shutil.rmtree(folder, ignore_errors=True)


def litter() -> None:
    tempfile.mkdtemp(prefix="litter-")
    Path(tempfile.gettempdir(), "litter").write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)


class Elsewhere(Fake):
    """Compiles for a device that is not here, and takes its time."""

    platforms = ("cuda",)

    def probe(self, target: Target) -> Availability:
        return Availability(Kind.COMPILED, "elsewhere")


def no_memory() -> None:
    raise MemoryError("Unable to allocate 1 EiB")


def hold_the_lock() -> None:
    ctypes.PyDLL(None).sleep(4242)  # PyDLL keeps the interpreter's lock: no other thread of this process runs


def memoised(fake: Any, call: Any, args: Mapping[str, Any]) -> Any:
    """Remembers what it answered to the same bytes, and pretends that the work takes a while."""
    seen = fake.__dict__.setdefault("seen", {})
    key = args["x"].tobytes()
    if key not in seen:
        time.sleep(0.02)
        seen[key] = call(args)
    return seen[key]


def stale(fake: Any, call: Any, args: Mapping[str, Any]) -> Any:
    """Answers every input with the first answer it gave."""
    return fake.__dict__.setdefault("first", call(args))


def compiles(fake: Any, call: Any, args: Mapping[str, Any]) -> Any:
    fake.compiled += 1
    return call(args)


def spoilt(value: float) -> Callable[[Any, Any, Mapping[str, Any]], Any]:
    return lambda fake, call, args: {name: np.full_like(y, value) for name, y in call(args).items()}


def changes_its_arguments(fake: Any, call: Any, args: Mapping[str, Any]) -> Any:
    out = call(args)
    args["x"][...] = 0
    return out


FAKES = {
    fake.name: fake
    for fake in (
        Fake("crash_segv", segfault),
        Fake("crash_kill", lambda: os.kill(os.getpid(), signal.SIGKILL)),
        Fake("crash_exit", lambda: os._exit(7)),
        Fake("crash_raise", lambda: 1 // 0),
        Fake("hang", hang_with_a_child),
        Fake("hang_silent", hang_in_silence),
        Fake("flood_lines", flood(b'{"event":"phase","name":"' + b"x" * 900 + b'"}\n')),
        Fake("flood_endless", flood(b"z" * 65536)),
        Fake("stray", leave_a_stray),
        Fake("stray_crash", leave_a_stray_and_die),
        Fake("says_no_phase", say(b'{"event": "phase"}')),
        Fake("says_escapes", say(b'{"event": "phase", "name": "\\u001b[31mred"}')),
        Fake("answers_nothing", say(b'{"event": "outcome"}')),
        Fake("answers_oddly", say(b'{"event": "outcome", "outcome": {"status": "splendid"}}')),
        Fake("answers_a_list", say(b'{"event": "outcome", "outcome": []}')),
        Fake("forges", say(b'{"event":"outcome","outcome":{"status":"passed","kind":"measured","device":"cpu"}}')),
        Fake("forges_interpreted", say(b'{"event":"outcome","outcome":{"status":"interpreted","kind":"interpreted"}}')),
        Fake("peak_nan", patch=peaks_at(float("nan"))),
        Fake("peak_negative", patch=peaks_at(-5)),
        Fake("peak_huge", patch=peaks_at(10**80)),
        Fake("peak_text", patch=lambda executable: setattr(executable, "peak_bytes", lambda: "many")),
        Fake("surrogate", lambda: (_ for _ in ()).throw(RuntimeError("\udc80"))),
        Fake("removes_scratch", remove_scratch),
        Fake("litters", litter),
        Elsewhere("slow_elsewhere", lambda: time.sleep(3), executable=False),
        Fake("says_unknown", say(b'{"event": "rest", "name": "x"}')),
        Fake("hang_locked", hold_the_lock),
        Fake("eat_memory", eat),
        Fake("memory_error", no_memory),
        Fake("wrong_nan", calling=spoilt(float("nan"))),
        Fake("wrong_zero", calling=spoilt(0.0)),
        Fake("wrong_stale", calling=stale),
        Fake("wrong_later", calling=changes_its_arguments),
        Fake("caches_results", calling=memoised),
        Fake("compiles_in_call", calling=compiles),
        Fake("noisy", lambda: os.write(3, b"a toolchain's own words\n{}\n[1]\n")),
        Fake("only_compiles", executable=False),
        Fake("slow", calling=lambda fake, call, args: (time.sleep(0.02), call(args))[1]),
    )
}


def __getattr__(name: str) -> Any:
    return FAKES[name] if name in FAKES else object.__getattribute__(sys.modules[__name__], name)
