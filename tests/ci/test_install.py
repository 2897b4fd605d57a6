"""What the sessions install has a hash of the lock: another file of its name and version is refused, none is built."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def wheel(folder: Path, name: str, version: str, code: str = "", requires: str = "") -> str:
    """Write a wheel of one module; its hash, as a lock states it."""
    folder.mkdir(exist_ok=True)
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{name}.py", code)
        made.writestr(f"{info}/METADATA", metadata + (f"Requires-Dist: {requires}\n" if requires else ""))
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")
    return f"--hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def install(folder: Path, lock: str, *requirements: str) -> subprocess.CompletedProcess[str]:
    """Run the installer with a lock, from the wheels beside it alone, into `folder/site`."""
    (folder / "ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / "ci" / "install.py", folder / "ci")
    (folder / "ci" / "constraints.txt").write_text(lock)
    only = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    env = os.environ | only | {"PIP_TARGET": str(folder / "site"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = (sys.executable, str(folder / "ci" / "install.py"), *requirements)
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def installed(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("site/*.dist-info"))


def test_what_is_locked_is_installed_with_what_it_requires_and_nothing_else_that_is_locked(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    lock = f"alpha==1.0 \\\n    {wheel(wheels, 'alpha', '1.0', requires='beta>=1')}\n"
    lock += (
        f"beta==1.0 ; python_version >= '3' \\\n    --hash=sha256:{'0' * 64} \\\n    {wheel(wheels, 'beta', '1.0')}\n"
    )
    lock += f"gamma==1.0 \\\n    {wheel(wheels, 'gamma', '1.0')}\n"
    wheel(wheels, "beta", "2.0")  # newer, and not what is locked
    done = install(tmp_path, lock, "alpha<2")
    assert done.returncode == 0, done.stderr
    assert installed(tmp_path) == ["alpha-1.0", "beta-1.0"]


def test_a_build_of_a_version_is_taken_by_its_own_hash(tmp_path: Path) -> None:
    lock = f"alpha==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    {wheel(tmp_path / 'wheels', 'alpha', '1.0+cpu')}\n"
    assert install(tmp_path, lock, "alpha").returncode == 0
    assert installed(tmp_path) == ["alpha-1.0+cpu"]


def test_of_several_versions_the_first_is_taken_unless_another_is_asked_for(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    new, old = (f"alpha=={version} \\\n    {wheel(wheels, 'alpha', version)}\n" for version in ("2.0", "1.0"))
    wheel(wheels, "alpha", "3.0")
    assert install(tmp_path, new + old, "alpha==1.0").returncode == 0
    assert installed(tmp_path) == ["alpha-1.0"]
    shutil.rmtree(tmp_path / "site")
    assert install(tmp_path, new + old, "alpha").returncode == 0
    assert installed(tmp_path) == ["alpha-2.0"]


def test_a_list_beside_the_lock_comes_before_it_and_has_hashes_as_well(tmp_path: Path) -> None:
    wheels, also = tmp_path / "wheels", tmp_path / "also.txt"
    old, new = (f"alpha=={version} \\\n    {wheel(wheels, 'alpha', version)}\n" for version in ("1.0", "2.0"))
    also.write_text(new)
    assert install(tmp_path, old, "alpha==2.0").returncode != 0, "the lock has the older alone"
    assert install(tmp_path, old, f"--also={also}", "alpha==2.0").returncode == 0
    assert installed(tmp_path) == ["alpha-2.0"]
    wheel(wheels, "alpha", "2.0", code="import os")
    assert "DO NOT MATCH THE HASHES" in install(tmp_path, old, f"--also={also}", "alpha==2.0", "--upgrade").stderr


def test_another_file_under_a_locked_version_is_refused_and_nothing_is_installed(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    lock = f"alpha==1.0 \\\n    {wheel(wheels, 'alpha', '1.0', requires='beta')}\n"
    lock += f"beta==1.0 \\\n    {wheel(wheels, 'beta', '1.0')}\n"
    wheel(wheels, "beta", "1.0", code="import os")
    done = install(tmp_path, lock, "alpha")
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert installed(tmp_path) == []


def test_what_the_lock_lacks_is_named_and_not_installed(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    lock = f"alpha==1.0 \\\n    {wheel(wheels, 'alpha', '1.0', requires='beta')}\n"
    wheel(wheels, "beta", "1.0")
    done = install(tmp_path, lock, "alpha")
    assert done.returncode == 1
    assert "nothing of beta 1.0: `nox -s lock`" in done.stderr
    assert installed(tmp_path) == []


def test_nothing_is_built_before_its_hash_is_known(tmp_path: Path) -> None:
    source = tmp_path / "alpha-1.0"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (source / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n")
    (tmp_path / "wheels").mkdir()
    shutil.make_archive(str(tmp_path / "wheels" / "alpha-1.0"), "gztar", tmp_path, "alpha-1.0")
    done = install(tmp_path, f"alpha==1.0 \\\n    --hash=sha256:{'0' * 64}\n", "alpha")
    assert done.returncode != 0
    assert not (tmp_path / "ran").exists()


def without_hashes(noxfile: str) -> list[str]:
    """The installations of a noxfile by which a file may come that has no hash."""
    calls = re.findall(r"session\.install\(.*", noxfile)
    return [call for call in calls if "--no-deps" not in call or "--no-build-isolation" not in call]


def test_every_session_installs_by_hashes_but_for_what_is_in_no_index_of_ours() -> None:
    sessions = {path.stem: path.read_text() for path in (ROOT / "noxfile.py", *(ROOT / "ci" / "sessions").glob("*.py"))}
    neuron = sessions["devices"][sessions["devices"].index("\ndef neuron(") :]
    found = without_hashes("\n".join(sessions.values()))
    assert found == without_hashes(neuron) != [], "AWS's index is the exception that docs/security.md names"
    assert without_hashes('session.install("-e.", "pytest")') == ['session.install("-e.", "pytest")']


def test_the_lock_has_hashes_of_both_builds_of_pytorch() -> None:
    lock = (ROOT / "ci" / "constraints.txt").read_text()
    entries = re.findall(r"^[\w.-]+==\S+[^\n]*(?:\n    --hash=sha256:[0-9a-f]{64}(?: \\)?)+$", lock, re.MULTILINE)
    assert len(entries) == len(re.findall("==", re.sub(r" ; .*", "", lock))), "an entry without a hash"
    torch = next(entry for entry in entries if entry.startswith("torch==2.13.0 "))
    assert "60fcdcb2f3876e21146cb4524ef06397d727ca9ad5f020818547e25075fe3cb7" in torch, "PyPI's, CPython 3.11 on Linux"
    assert "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b" in torch, "the CPU's, of the same"
