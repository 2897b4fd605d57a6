"""Processes that lead sessions of their own: whose is whose, while several threads start and end them."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from oneblock.compilers.api import process


@pytest.mark.skipif(sys.platform != "linux", reason="other systems adopt no orphans")
def test_one_that_is_being_started_is_not_killed_as_an_orphan_of_another() -> None:
    """A worker that was killed has what it left behind swept, while another thread starts the next."""
    sweeping = threading.Thread(target=process._kill_adopted)

    def start() -> subprocess.Popen[bytes]:
        begun = subprocess.Popen(["sleep", "60"], start_new_session=True)
        sweeping.start()
        sweeping.join(0.5)  # time enough to find it, before it is counted
        return begun

    begun = process.lead(start)
    try:
        sweeping.join()
        assert begun.poll() is None, "the next worker was killed for what the last one did"
    finally:
        process.kill_session(begun)
    assert begun.returncode == -9
