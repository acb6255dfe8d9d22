"""What the sources and the lock may not hold, looked up in their syntax trees: code that runs data."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("packages/*/src/**/*.py")])

RUNS_DATA = {"eval", "exec", "compile", "__import__"}
LOADS_CODE = {"pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "yaml.load", "yaml.unsafe_load"}
LOADS_CODE |= {"joblib.load", "dill.load", "dill.loads", "shelve.open", "os.system", "os.popen"}
EXPECTED = {"qa_engine/programs/worker.py": "pickle.loads"}
"""The workers for programs read what their parent, never what a program, has written."""


def name_of(node: ast.expr) -> str:
    """Write a called function as `module.name`."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def calls(path: Path) -> Iterator[tuple[str, dict[str, object], int]]:
    """Give every call of a file: name, constant keywords, line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = {k.arg: k.value.value if isinstance(k.value, ast.Constant) else "?" for k in node.keywords if k.arg}
            yield name_of(node.func), given, node.lineno


def faults(path: Path) -> list[str]:
    """Say what in a file runs data as code, or trusts it to."""
    found = []
    for name, given, line in calls(path):
        place = path.as_posix().rsplit("/src/", 1)[-1]
        if name in RUNS_DATA or (name in LOADS_CODE and EXPECTED.get(place) != name):
            found.append(f"{place}:{line}: {name}")
        if name == "torch.load" and given.get("weights_only") is not True:
            found.append(f"{place}:{line}: torch.load without weights_only=True")
        if name in ("np.load", "numpy.load") and given.get("allow_pickle", False) is not False:
            found.append(f"{place}:{line}: np.load with pickles")
        if given.get("trust_remote_code") is True or given.get("shell", False) is not False:
            found.append(f"{place}:{line}: {name} trusts")
    return found


def test_no_source_runs_data_as_code():
    assert len(SOURCES) > 300
    assert [fault for path in SOURCES for fault in faults(path)] == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "import pickle\npickle.loads(b'')",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "subprocess.run(words, shell=True)",
        "yaml.load(text)",
    ],
)
def test_what_runs_data_would_be_found(tmp_path, text):
    (tmp_path / "source.py").write_text(text)
    assert len(faults(tmp_path / "source.py")) == 1


def test_every_file_of_the_lock_has_its_hash():
    packages = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    foreign = [package for package in packages if "editable" not in package["source"]]
    assert len(foreign) > 100
    for package in foreign:
        assert "registry" in package["source"], f"{package['name']} comes from elsewhere: {package['source']}"
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
