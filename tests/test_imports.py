"""Imports run one way, and what needs no backend loads none."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "recurzoo"

# The rooms, each above all that it imports.
ROOMS = [
    "base",
    "sharing",
    "layers",
    "families",
    "models",
    "rewriting",
    "catalog",
    "data",
    "checkpoints",
    "tasks",
    "hub",
    "zoo",
    "training",
    "analysis",
    "exporting",
    "benchmarking",
    "results",
    "cli",
    "__main__",
    "__init__",
]

HEAVY = {"keras", "tensorflow", "jax", "torch", "huggingface_hub", "matplotlib", "tensorflow_datasets", "h5py"}
# What is imported where it is used, everywhere.
NEVER_ON_TOP = {"tensorflow", "jax", "torch", "huggingface_hub", "matplotlib", "tensorflow_datasets"}
LIGHT = ("base", "catalog", "checkpoints", "hub", "zoo", "results", "cli", "__main__", "__init__")
WITH_KERAS = ("base.values", "checkpoints.weights")

BUDGET_SECONDS = {"import recurzoo": 0.3, "list": 1.0, "--help": 1.0}
MEASURE = """
import sys, time
start = {start}
{statement}
print(sorted(set(sys.modules) & {heavy}), time.process_time() - start, file=sys.stderr)
"""


def modules() -> list[str]:
    return sorted(str(path.relative_to(PACKAGE).with_suffix("")).replace("/", ".") for path in PACKAGE.rglob("*.py"))


@cache
def imports(module: str, on_top: bool = False) -> frozenset[str]:
    """The modules that one imports: everywhere in it, or only as it is itself imported."""
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        skipped = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        )
        if not (on_top and skipped):
            for child in ast.iter_child_nodes(node):
                visit(child)

    visit(ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")))
    return frozenset(found)


def test_every_room_has_its_place():
    assert {module.split(".")[0] for module in modules()} == set(ROOMS)


@pytest.mark.parametrize("module", modules())
def test_nothing_imports_upwards(module):
    room = module.split(".")[0]
    ours = {name.split(".")[1] for name in imports(module) if name.startswith("recurzoo.")}
    upwards = (ours & set(ROOMS)) - set(ROOMS[: ROOMS.index(room) + 1])
    assert not upwards, f"recurzoo.{module} imports what stands above it"
    assert room == "__init__" or "recurzoo" not in imports(module, on_top=True)


@pytest.mark.parametrize(
    "module", [module for module in modules() if module.split(".")[0] in LIGHT and module not in WITH_KERAS]
)
def test_what_lists_and_describes_loads_no_backend(module):
    assert not {name.split(".")[0] for name in imports(module, on_top=True)} & HEAVY


@pytest.mark.parametrize("module", modules())
def test_backends_and_data_are_imported_where_they_are_used(module):
    assert not {name.split(".")[0] for name in imports(module, on_top=True)} & NEVER_ON_TOP


@pytest.mark.parametrize("module", modules())
def test_nothing_is_unpickled_and_no_hdf5_is_read(module):
    assert not {name.split(".")[0] for name in imports(module)} & {"pickle", "marshal", "shelve", "joblib", "h5py"}


@pytest.mark.parametrize("words", ["import recurzoo", "list", "--help"])
def test_the_budget(words):
    statement = (
        words if words == "import recurzoo" else f"from recurzoo.cli.main import main; assert main([{words!r}]) == 0"
    )
    # Seconds of processor time, which other work on the machine does not add to; of a command, the interpreter's start
    # included.
    start = "time.process_time()" if words == "import recurzoo" else "0"
    script = MEASURE.format(start=start, statement=statement, heavy=HEAVY)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded, _, seconds = run.stderr.strip().rpartition(" ")
    assert loaded == "[]"
    assert float(seconds) <= BUDGET_SECONDS[words]


def test_public_names_are_there():
    import recurzoo

    assert set(recurzoo.__all__) <= set(dir(recurzoo))
    for name in recurzoo.__all__:
        assert getattr(recurzoo, name) is not None
    assert recurzoo.__version__
    with pytest.raises(AttributeError, match="no_such_thing"):
        recurzoo.no_such_thing  # noqa: B018
