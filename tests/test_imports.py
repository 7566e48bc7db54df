"""Imports run one way, and what needs no backend loads none."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "recurzoo"

# What each part builds on, directly; it may import that and everything below. The design's two chains are
# sharing -> layers -> models -> folding -> exporting, and registry + models -> training -> cli.
BUILDS_ON = {
    "errors": [],
    "documents": [],
    "values": [],
    "files": [],
    "environment": [],
    "images": [],
    "reports": [],
    "sharing": ["values"],
    "layers": ["sharing"],
    "models": ["layers"],
    "folding": ["models", "reports"],
    "exporting": ["folding", "files", "errors"],
    "registry": ["models", "environment", "files", "documents", "errors", "reports"],
    "tasks": [],
    "training": ["registry", "folding", "images", "tasks"],
    "benchmarking": ["training"],
    "results": ["exporting", "benchmarking"],
    "commands": ["results"],
    "cli": ["commands"],
    "__main__": ["cli"],
    "__init__": ["exporting", "benchmarking"],
}
# Inside the registry: spec -> catalog -> hub and cards, and then what handles weights.
REGISTRY = [
    "spec_base",
    "spec",
    "grammars",
    "names",
    "catalog",
    "scores",
    "data",
    "cards",
    "formats",
    "class_names",
    "completing",
    "stored_files",
    "checkpoint",
    "hub",
    "shelf",
    "publishing",
    "loading",
    "listing",
]

HEAVY = {"keras", "tensorflow", "jax", "torch", "huggingface_hub", "matplotlib", "tensorflow_datasets", "h5py"}
# What is imported where it is used, everywhere.
NEVER_ON_TOP = {"tensorflow", "jax", "torch", "huggingface_hub", "matplotlib", "tensorflow_datasets"}
LIGHT = ("registry", "results", "commands", "cli", "__main__", "__init__", "reports", "environment")

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


def below(part: str) -> set[str]:
    return {part}.union(*(below(other) for other in BUILDS_ON[part]))


def test_every_part_has_its_place():
    assert {module.split(".")[0] for module in modules()} == set(BUILDS_ON)


@pytest.mark.parametrize("module", modules())
def test_nothing_imports_upwards(module):
    part = module.split(".")[0]
    ours = {name.split(".")[1] for name in imports(module) if name.startswith("recurzoo.")}
    upwards = (ours & set(BUILDS_ON)) - below(part)
    assert not upwards, f"recurzoo.{module} may import {sorted(below(part))}"
    assert part in ("__init__", "commands") or "recurzoo" not in imports(module, on_top=True)


def test_the_registry_builds_up_from_its_records():
    found = {module.split(".")[1] for module in modules() if module.startswith("registry.")} - {"__init__"}
    assert found == set(REGISTRY)
    for place, name in enumerate(REGISTRY):
        inside = [module for module in modules() if module.split(".")[:2] == ["registry", name]]
        items = {item for module in inside for item in imports(module) if item.startswith("recurzoo.registry.")}
        used = {item.split(".")[2] for item in items} - {name}
        assert used & found <= set(REGISTRY[:place]), f"registry.{name} imports upwards"


@pytest.mark.parametrize("module", [module for module in modules() if module.split(".")[0] in LIGHT])
def test_what_lists_and_describes_loads_no_backend(module):
    assert not {name.split(".")[0] for name in imports(module, on_top=True)} & HEAVY


@pytest.mark.parametrize("module", modules())
def test_backends_and_data_are_imported_where_they_are_used(module):
    assert not {name.split(".")[0] for name in imports(module, on_top=True)} & NEVER_ON_TOP


@pytest.mark.parametrize("words", ["import recurzoo", "list", "--help"])
def test_the_budget(words):
    statement = words if words == "import recurzoo" else f"from recurzoo.cli import main; assert main([{words!r}]) == 0"
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
