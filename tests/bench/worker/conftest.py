"""What the tests of faults share: an environment in which backends go wrong."""

from __future__ import annotations

import pytest

from tests.helpers.oneblock_process import install, oneblock


@pytest.fixture(scope="session")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One environment, whose limits are measured once."""
    made = install(tmp_path_factory.mktemp("fakes"))
    oneblock(made, "run", "norm", "--preset", "tiny", "--backend", "reference", cwd=tmp_path_factory.mktemp("warm"))
    return made
