"""The `oneblock` command, and `python -m oneblock.bench`: what stands before its imports, which take a while."""

from __future__ import annotations

import gc
import os
import sys

_ALLOCATED = 100_000  # objects, as many as the imports make: few are garbage, and 700 are looked through at a time else


def main() -> None:
    """Run the command; Ctrl-C amid the imports is an interruption as any other, and nothing strange is imported."""
    if sys.platform == "win32":
        os.write(2, b"oneblock: Windows is served by its Linux: `wsl --install`, then the same commands in there\n")
        sys.exit(2)
    _leave_out_the_working_folder()
    gc.set_threshold(_ALLOCATED)
    try:
        from oneblock.bench.commands._app import main as command
    except KeyboardInterrupt:
        os.write(2, b"oneblock: interrupted\n")
        os._exit(130)
    command()


def _leave_out_the_working_folder() -> None:
    """What lies there may be anybody's. An empty entry of PYTHONPATH means it, for this process and those below."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if "" in given and len(given) > 1:
        os.environ["PYTHONPATH"] = os.pathsep.join(entry for entry in given if entry)
        sys.path[:] = [entry for entry in sys.path if entry not in ("", os.getcwd())]


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working folder, which `-m` puts there
    main()
