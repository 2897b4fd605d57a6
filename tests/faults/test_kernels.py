"""A script given to `kernel` is trusted to run, and not to say what the answer is: one status and one JSON object."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.hostile import ESCAPES
from tests.faults.scene import Scene, hold

# Of each the statuses that it may end with.
SCRIPTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "nothing": ("", (0,)),
    "prints": ("print('hello')", (0,)),
    "prints escapes": (f"print({ESCAPES!r})", (0,)),
    "writes to descriptor 1": ("import os; os.write(1, b'raw\\n')", (0,)),
    "exits 0 at once": ("import os; os._exit(0)", (1, 2)),
    "exits 5 at once": ("import os; os._exit(5)", (1, 2)),
    "exits 5": ("import sys; sys.exit(5)", (1,)),
    "exits -1": ("import sys; sys.exit(-1)", (1,)),
    "exits 256": ("import sys; sys.exit(256)", (1,)),
    "exits 2": ("import sys; sys.exit(2)", (2,)),
    "exits 130": ("import sys; sys.exit(130)", (130,)),
    "exits True": ("import sys; sys.exit(True)", (1,)),
    "exits None": ("import sys; sys.exit()", (0,)),
    "exits with a text": (f"raise SystemExit({ESCAPES!r})", (1,)),
    "exits with an object": ("raise SystemExit(object())", (1,)),
    "raises": ("1 / 0", (1,)),
    "raises escapes": (f"raise RuntimeError({ESCAPES!r})", (1,)),
    "raises a surrogate": ("raise RuntimeError('\\udcff')", (1,)),
    "raises BaseException": ("class Rude(BaseException): pass\nraise Rude", (1,)),
    "raises GeneratorExit": ("raise GeneratorExit", (1,)),
    "raises KeyboardInterrupt": ("raise KeyboardInterrupt", (1, 130)),
    "raises a group": ("raise ExceptionGroup('many', [ValueError('one')])", (1,)),
    "raises what has no text": ("class E(Exception):\n    def __str__(self): 1 / 0\nraise E", (1,)),
    "forks": ("import os; os.fork()", (0,)),
    "forks and exits": ("import os, sys\nif os.fork() == 0: sys.exit(3)\nos.wait()", (0,)),
    "dies of a signal": ("import os; os.kill(os.getpid(), 11)", (1, 2)),
    "kills itself": ("import os; os.kill(os.getpid(), 9)", (1, 2)),
    "closes its streams": ("import os\nfor fd in (0, 1, 2): os.close(fd)", (0, 1)),
    "closes all": ("import os; os.closerange(0, 256)", (0, 1, 2)),
    "no Python": ("def (", (1,)),
    "zero byte": ("a = 1\x00", (1,)),
    "not UTF-8": ("# \udcff\nx = 'ok'", (0, 1)),
    "deep": ("x = " + "(" * 100_000, (1,)),
    "recursion": ("def f(): f()\nf()", (1,)),
    "changes the folder": ("import os; os.chdir('/')", (0,)),
    "shadows the interpreter": ("import sys; sys.modules.clear()", (0, 1, 2)),
    "patches json": ("import json; json.dumps = lambda *a, **k: 'not json'", (0,)),
    "patches exit": ("import sys, os; sys.exit = os._exit = lambda *a: None", (0,)),
    "a thread that stays": (
        "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        (0,),
    ),
    "a child that stays": ("import subprocess; subprocess.Popen(['sleep', '4242'])", (0, 1)),
    "at exit": ("import atexit, os; atexit.register(os._exit, 7)", (0, 1, 2)),
}


@pytest.mark.campaign
@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "--json"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts(scene: Scene, name: str, as_json: bool) -> None:
    script, statuses = SCRIPTS[name]
    scene.plant(scene.work / "s.py").write_bytes(script.encode("utf-8", "surrogateescape"))
    words = ("kernel", "s.py", "--target", "neuron:trn2", *(["--json"] if as_json else []))
    ended = scene.run(*words)
    # People are shown the traceback of a script that fails, and what a script prints, as they are: both are its own.
    err = ended.err.replace("Traceback (most recent call last)", "")
    if script == SCRIPTS["prints escapes"][0]:
        hold(ESCAPES in ended.out + err, "records wrong", "what it prints is not shown")
        ended, err = replace(ended, out=ended.out.replace(ESCAPES, "")), err.replace(ESCAPES, "")
    scene.holds(replace(ended, err=err), statuses)
    if as_json:
        assert isinstance(scene.holds_json(ended), dict)
