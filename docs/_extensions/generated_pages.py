"""The pages that are made of the catalog and the records, anew at each build, in the ignored folder `docs/zoo/`.

A page a family, a page a checkpoint (its card), and the commands with their help. Whoever adds a family, a checkpoint
or a command adds no page.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from typer.main import get_command

import recurzoo
from recurzoo.base.documents import markdown_templates
from recurzoo.catalog import catalog
from recurzoo.catalog.experiments import experiments
from recurzoo.catalog.facts import FamilyFacts, FigureTable
from recurzoo.catalog.names import FAMILIES
from recurzoo.catalog.recipe import load_recipe
from recurzoo.cli.main import COMMANDS
from recurzoo.cli.main import app as command_line
from recurzoo.families.base import ZooModel
from recurzoo.results.rows import ResultRow
from recurzoo.zoo.finding import find_checkpoints

DOCS = Path(__file__).parent.parent
FOLDER = DOCS / "zoo"
TEMPLATES = markdown_templates(Path(__file__).parent)
# Of a recipe's name, the last word: what it is for.
SCHEDULES = {
    "paper": "the paper's",
    "paper-dropout": "the paper's, with dropout",
    "paper-cutout": "the paper's, with cutout",
    "fast": "one GPU",
    "cpu": "2 cores",
    "small": "2 cores, small",
    "grown": "from a smaller checkpoint",
}
OUTCOME = re.compile(r"\*\*(.*?)\*\*")


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write all pages; those that say the same as before stay untouched, so that they are not built again."""
    pages = {FOLDER / name: text for name, text in all_pages()}
    for path in set(FOLDER.rglob("*.md")) - set(pages):
        path.unlink()
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def all_pages() -> Iterator[tuple[str, str]]:
    """The pages by their paths in the folder."""
    # Softened networks have a guide, since there is no catalog of them.
    families = {name: family for name, family in catalog.families().items() if family.architectures}
    shipped = {name: folder for name, folder in find_checkpoints().items() if DOCS.parent in folder.parents}
    yield "index.md", render("families", families=families, rows=results)
    for name, family in families.items():
        yield f"{name}.md", family_page(name, family)
    yield "checkpoints/index.md", render("checkpoints", names=list(shipped))
    for name, folder in shipped.items():
        # Without what only the Hub reads.
        text = (folder / "README.md").read_text(encoding="utf-8")
        yield f"checkpoints/{name}.md", text.split("---\n", 2)[2]
    yield "commands.md", render("commands", groups=commands())


def render(template: str, **values: Any) -> str:
    return TEMPLATES.get_template(f"{template}.md.jinja").render(**values)


def results(family: str) -> list[ResultRow]:
    """The results of a family."""
    return [row for row in recurzoo.list_results().rows if catalog.architecture(row.architecture).family == family]


def family_page(name: str, family: FamilyFacts) -> str:
    rows = results(name)
    # The one by which the page shows everything: whose kernels are shared.
    example = next(row for row in rows if row.bytes is not None and row.twin is not None)
    module = importlib.import_module(catalog.architecture(example.architecture).model.partition(":")[0]).__package__
    return render(
        "family",
        name=name,
        family=family,
        rows=rows,
        example=example,
        soft=recurzoo.info(example.name).sharing.startswith("soft"),
        tables=[paper_table(table, family, rows) for table in family.figures],
        form=next(grammar.form for grammar in FAMILIES if grammar.name == name),
        recipes=schedules(name),
        experiments=[
            {"name": found, "of": experiment, **reproduction(found)}
            for found, experiment in experiments().items()
            if found.startswith(f"{name}-")
        ],
        classes=[
            value.__name__
            for value in vars(recurzoo.models).values()
            if inspect.isclass(value) and issubclass(value, ZooModel) and value.__module__.startswith(f"{module}.")
        ],
    )


def paper_table(table: FigureTable, family: FamilyFacts, rows: list[ResultRow]) -> dict[str, Any]:
    """A table of the paper, accuracies in percent, and beside it what was measured here of the same network."""
    datasets = list(dict.fromkeys(key for row in table.errors for key in row if key != "architecture"))
    ours = {(row.architecture, row.dataset): row.value_in_words for row in rows}
    lines, any_of_ours = [], False
    for row in table.errors:
        name = str(row["architecture"])
        found = [f"{ours[name, data]}, {title_of(data)}" for data in datasets if (name, data) in ours]
        errors = [f"{100 - float(row[data]):.2f}%" if data in row else "" for data in datasets]
        lines.append([f"`{name}`", f"{family.architectures[name].parameters:,}", *errors, ", ".join(found)])
        any_of_ours = any_of_ours or bool(found)
    return {
        "title": table.table[0].upper() + table.table[1:],
        "training": table.training_in_words,
        "datasets": list(map(title_of, datasets)),
        "lines": lines if any_of_ours else [line[:-1] for line in lines],
        "ours": any_of_ours,
    }


def title_of(column: str) -> str:
    """What a column of a paper's table is about: a data set, perhaps its training images or five guesses."""
    name, _, kind = column.partition("_")
    facts = catalog.dataset_facts(name)
    words = {"": "", "train": ", training images", "top5": ", top 5"}[kind]
    return (facts.title if facts else name) + words


def schedules(family: str) -> list[tuple[str, str, int, list[str]]]:
    """The recipes of a family by their schedules: its name, what it is for, its epochs, and the architectures."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for recipe in map(load_recipe, catalog.recipe_names()):
        if catalog.architecture(recipe.architecture).family == family:
            schedule = recipe.name.removeprefix(f"{recipe.architecture}.")
            purpose = SCHEDULES.get(schedule.partition(".")[2], "")
            found.setdefault((schedule, purpose, recipe.epochs), []).append(recipe.architecture)
    return [(*key, names) for key, names in sorted(found.items())]


def reproduction(experiment: str) -> dict[str, Any]:
    """What came out of an experiment's small form, where its page is among the docs: outcome and pictures."""
    folder = DOCS / "reproductions" / f"{experiment}.small"
    if not folder.is_dir():
        return {"outcome": None, "pictures": []}
    outcome = OUTCOME.search((folder / "README.md").read_text(encoding="utf-8"))
    # An analysis' main figure has the name of its kind alone.
    pictures = [path for path in sorted(folder.rglob("*.svg")) if "-" not in path.stem]
    return {"outcome": outcome[1] if outcome else None, "pictures": [str(path.relative_to(DOCS)) for path in pictures]}


def commands() -> dict[str, list[dict[str, Any]]]:
    """The commands by their groups: what their `--help` tells."""
    known = get_command(command_line).commands
    groups: dict[str, list[dict[str, Any]]] = {}
    for group, words, _, example in COMMANDS:
        parameters = list(map(parameter, known[words].params))
        told = {"words": words, "help": known[words].help, "example": example, "parameters": parameters}
        groups.setdefault(group, []).append(told)
    return groups


def parameter(option: Any) -> tuple[str, str, str]:
    """An argument or an option: its name, its default and its help."""
    name = ", ".join(option.opts) if option.param_type_name == "option" else (option.metavar or option.name).upper()
    default = "required" if option.required else "" if option.default in (None, False, ()) else f"`{option.default}`"
    words = " ".join((option.help or "").split()).replace("|", "\\|")
    # Else their dashes would become one of a sentence.
    return name, default, re.sub(r"(?<!\S)(--[a-z-]+)", r"`\1`", words)
