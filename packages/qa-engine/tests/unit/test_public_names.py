"""What `import qa_engine` gives, and what it costs."""

import subprocess
import sys

import qa_engine


def test_every_public_name_is_there():
    assert sorted(qa_engine.__all__) == sorted(name for names in qa_engine._MODULES.values() for name in names)
    assert all(getattr(qa_engine, name) is not None for name in qa_engine.__all__)
    assert set(qa_engine.__all__) <= set(dir(qa_engine))
    assert not hasattr(qa_engine, "nothing_of_this_name")


def test_a_function_is_not_hidden_by_a_folder_of_its_name():
    code = "import qa_engine.cli.generate, qa_engine.api, qa_engine; print(callable(qa_engine.generate))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_the_import_alone_loads_nothing_slow():
    code = "import sys, qa_engine; print([name for name in ('numpy', 'polars', 'duckdb') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
