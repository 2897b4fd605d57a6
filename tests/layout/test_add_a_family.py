"""A family of models that another package adds: found by its `model_type`, or refused in a sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from oneblock import workloads
from oneblock.workloads._workload import Case, Phase
from oneblock.workloads.answers.arrays import make_weights
from oneblock.workloads.models import PRESETS
from oneblock.workloads.models.llama import PARTS
from tests.helpers.oneblock_process import oneblock, publish

SOURCE = """
from dataclasses import replace
from oneblock.workloads.models import Config, Family, Tensors
from oneblock.workloads.models._family import Around, activation, block, layers
from oneblock.workloads.models._hub_rope import rope
from oneblock.workloads.models.llama import PARTS, TENSORS


def read(keys, name):
    config = block(keys, "mine", name, eps=("epsilon", 1e-6), activation=activation(keys))
    return [config.with_rope(**rope(keys, config.head_width))] * layers(keys)


def no(*_):
    raise SystemExit(3)


PARTS = {name: part.replace("self_attn", "attn") for name, part in PARTS.items()}
mine = Family("mine", (), replace(TENSORS, parts=PARTS, prefix="decoder."), read)
config = Config("c", "llama", 32, 2, 1, 16, 64)
misnamed, no_family = mine, {"name": "no_family"}
llama, gemma3_text = replace(mine, name="llama"), replace(mine, name="gemma3_text")
OTHERWISE = {
    "no_read": {"read": None}, "more_types": {"model_types": ("more_types", "llama")},
    "presets": {"presets": (config,)}, "no_tensors": {"tensors": {}},
    "parts": {"tensors": replace(TENSORS, parts={"q": 3})}, "prefix": {"tensors": replace(TENSORS, prefix=None)},
    "none": {"read": lambda keys, name: [None]}, "llamas": {"read": lambda keys, name: [config]},
    "no_layers": {"read": lambda keys, name: []}, "no_list": {"read": lambda keys, name: None},
    "key_error": {"read": lambda keys, name: {}["x"]}, "exits": {"read": no},
    "endless": {"read": lambda keys, name: [replace(config, family="endless")] * 10_001},
}
vars().update({name: replace(mine, name=name, **half) for name, half in OTHERWISE.items()})
small = replace(config, name="small", family="mine")
"""
ANSWERS = ("none", "llamas", "no_layers", "no_list", "key_error", "exits", "endless")  # wrong only when it reads
SAYS = {
    "misnamed": "calls itself 'mine': expected 'misnamed', under which it is registered",
    "no_family": "names a dict: expected a Family of oneblock.workloads.models",
    "no_read": "reads a config.json by None: expected a function of (keys, name)",
    "more_types": "reads the model_type ('more_types', 'llama'): expected 'more_types' alone",
    "presets": "has presets: expected none; register each under oneblock.configurations",
    "no_tensors": "has the tensors {}: expected a Tensors",
    "parts": "has the parts {'q': 3}: expected a tensor's name by each of ours",
    "prefix": "has tensors of the names (None, 'layers', ('self_attn.rotary_emb.inv_freq',)",
    "typo": "does not load: AttributeError",
    "raises": "does not load: RuntimeError: on the way; mend or uninstall raising",
    "none": "expected a Config of the family none for each layer, from 1 to 10,000, got None",
    "llamas": "expected a Config of the family llamas for each layer, from 1 to 10,000, got Config(name='c'",
    "no_layers": "expected a Config of the family no_layers for each layer, from 1 to 10,000, got 0 layers",
    "no_list": "config.json is not read: TypeError",
    "key_error": "config.json is not read: KeyError: 'x'; mend a_package",
    "exits": "config.json is not read: SystemExit: 3",
    "endless": "got 10001 layers",
}
TOLD = {
    "model_type": "mine", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "intermediate_size": 128, "num_hidden_layers": 2, "epsilon": 1e-5, "rope_theta": 10_000.0, "vocab_size": 99,
    "torch_dtype": "bfloat16",
}  # fmt: skip
READ = """
import json, sys
from pathlib import Path
from oneblock.workloads.models import read_model
told, said = json.loads(Path("config.json").read_text()), {}
for name in sys.argv[1:]:
    Path("config.json").write_text(json.dumps(told | {"model_type": name}))
    try:
        said[name] = read_model(Path(".")).family
    except (LookupError, ValueError) as error:
        said[name] = str(error)
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which somebody's families are installed, and most of them are wrong."""
    folder = tmp_path_factory.mktemp("installed")
    names = ("mine", "llama", "gemma3_text", *(name for name in SAYS if name != "raises"))
    points = {"oneblock.families": {name: name for name in names}, "oneblock.configurations": {"small": "small"}}
    publish(folder, "raising", "raise RuntimeError('on the way')\n", {"oneblock.families": {"raises": "X"}})
    return publish(folder, "a_package", SOURCE, points)


def model(folder: Path, **more: Any) -> Path:
    """A folder with a config.json of such a model, and Llama's weights in its names."""
    block, case = workloads.load("block"), Case("block", PRESETS["tiny"], Phase.PREFILL, 1, 4, 4)
    tensors = {
        f"decoder.layers.1.{PARTS[name.removesuffix('_weight')].replace('self_attn', 'attn')}.weight": array
        for name, array in make_weights(block, case, "float32", 5).items()
        if name.endswith("_weight")
    }
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(TOLD | more))
    transposed = {name: np.ascontiguousarray(array.T) for name, array in tensors.items()}
    save_file(transposed, folder / "model.safetensors")
    return folder


def test_a_model_of_it_is_found_by_its_type_and_run_with_its_weights(env: dict[str, str], tmp_path: Path) -> None:
    model(tmp_path / "theirs")
    words = ("--phase", "prefill", "-T", "8", "--backend", "reference", "-o", "records", "--json")
    done = oneblock(env, "run", "block", "--model", "theirs", "--layer", "1", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine: its config.json says bfloat16, and this is float32 (--dtype bfloat16)" in done.stderr
    (record,) = json.loads(done.stdout)
    assert (record["status"], record["family"], record["cell"]["weights"]["layer"]) == ("passed", "mine", 1)
    assert record["cell"]["case"]["config"]["norm_eps"] == 1e-5
    assert record["environment"]["software"]["a_package"] == "1.0"
    seeded = oneblock(env, "run", "block", "--preset", "small", *words, cwd=tmp_path)
    assert json.loads(seeded.stdout)[0]["family"] == "mine", "a configuration may be of it"
    fit = ("--preset", "small", "--backend", "xla_tpu", "--target", "tpu:v5e", "--fit", "batch")
    refused = oneblock(env, "run", "block", *fit, cwd=tmp_path)
    assert refused.returncode == 2
    assert "of small only a block is known: give --model its config.json" in refused.stderr


def test_its_keys_are_read_as_strictly_as_ours(env: dict[str, str], tmp_path: Path) -> None:
    model(tmp_path / "theirs", surprise=1)
    done = oneblock(env, "run", "block", "--model", "theirs", "--backend", "reference", cwd=tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "not modelled: surprise=1" in done.stderr


@pytest.fixture(scope="module")
def read(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("read")
    (folder / "config.json").write_text(json.dumps(TOLD))
    command = [sys.executable, "-c", READ, "mine", *SAYS, "llama", "min"]
    return json.loads(subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("name", SAYS)
def test_what_is_wrong_is_named_and_refused(read: Any, name: str) -> None:
    assert SAYS[name] in read[name]
    package = "raising" if name == "raises" else "a_package"
    assert f"oneblock.families {name!r} of {package}" in read[name]


def test_the_rest_stands_and_ours_are_ours(read: Any) -> None:
    assert read["mine"] == "mine"
    assert "not modelled: epsilon=1e-05" in read["llama"], "ours reads it, and has no such key"
    assert "unknown model_type 'min'; did you mean 'mine'" in read["min"]


def test_the_doctor_names_those_that_are_refused(env: dict[str, str], tmp_path: Path) -> None:
    done = oneblock(env, "doctor", "--backend", "reference", "--json", cwd=tmp_path)
    refused = json.loads(done.stdout)["refused"]
    for name in ("llama", "gemma3_text"):
        taken = f"oneblock.families {name!r} of a_package (a_package:{name}): oneblock itself has one of that name"
        assert any(taken in one for one in refused)
    assert all(any(says in one for one in refused) for name, says in SAYS.items() if name not in ANSWERS)


def test_nothing_of_theirs_is_imported_where_ours_is_meant(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(TOLD | {"model_type": "llama", "epsilon": None}))
    code = (
        "import sys; from pathlib import Path; from oneblock.workloads.models import preset, read_model;"
        "read_model(Path('.')), preset('llama-1b'); print('a_package' in sys.modules, 'raising' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "False False\n", "")
