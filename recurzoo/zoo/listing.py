"""What there is: `list_models` and `info`."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.base.documents import printable
from recurzoo.base.errors import MissingWeightsError
from recurzoo.base.records import Report, plain_text
from recurzoo.catalog import catalog
from recurzoo.catalog.facts import Figure, Paper
from recurzoo.catalog.names import split_tag
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.record import Parent, Record, Score, headline
from recurzoo.hub.client import ADDRESSES, Client
from recurzoo.tasks.words import classes_in_words, measured_on, score_in_words, tabulate
from recurzoo.zoo.finding import check_name, find_checkpoint, find_checkpoints
from recurzoo.zoo.loading import create, load

CODE_LICENSE = "Apache-2.0"


class ListedModel(Report):
    """A row of a list, with the score by which the checkpoint is compared."""

    name: str
    parameters: int | None
    checkpoint: str | None
    score: Score | None


class ModelList(Report):
    """What `recurzoo list` found."""

    models: tuple[ListedModel, ...]

    def __rich__(self) -> RenderableType:
        table = Table("name", "parameters", "weights", "measured", box=None, pad_edge=False)
        table.columns[1].justify = "right"
        for model in self.models:
            parameters = "" if model.parameters is None else f"{model.parameters:,}"
            measured = score_in_words(model.score) if model.checkpoint else ""
            table.add_row(*map(plain_text, (model.name, parameters, model.checkpoint or "", measured)))
        return table


class ModelInfo(Report):
    """What `recurzoo.info` tells.

    Attributes:
        name: as asked for.
        architecture: its name.
        family: its name.
        parameters: trainable ones, of the checkpoint if it has one, else at `classes` classes.
        training_parameters: those of the form that is trained.
        classes: outputs; None for a checkpoint that does not name its classes.
        class_names: in the order of the logits of the checkpoint; empty where they are not known.
        sharing: how the stages share their kernels, in words.
        weights: names of the checkpoints there are.
        checkpoint: the one that this name loads, or None.
        scores: measured on that checkpoint.
        measured_on: what its figure was measured on, in words; None if there is none.
        parent: the checkpoint that it was made from, if any.
        recipe: the name of the one it was trained with.
        recipes: names of those for this architecture.
        figures: what the paper reports.
        licenses: of the code, and of the checkpoint's weights and data set.
        paper: where the family comes from.
    """

    name: str
    architecture: str
    family: str
    parameters: int
    training_parameters: int
    classes: int | None
    class_names: tuple[str, ...]
    sharing: str
    weights: tuple[str, ...]
    checkpoint: str | None
    scores: tuple[Score, ...]
    measured_on: str | None
    parent: Parent | None
    recipe: str | None
    recipes: tuple[str, ...]
    figures: tuple[Figure, ...]
    licenses: dict[str, str | None]
    paper: Paper

    def __rich__(self) -> RenderableType:
        paper = self.paper
        authors = f"{' and '.join(paper.authors)}: " if paper.authors else ""
        trains_more = self.training_parameters != self.parameters
        rows = {
            "architecture": self.architecture,
            "parameters": f"{self.parameters:,}",
            "while training": f"{self.training_parameters:,}" if trains_more else None,
            "sharing": self.sharing,
            "checkpoint": self.checkpoint or "none: there are no weights of this name",
            "made from": f"{self.parent.checkpoint} ({self.parent.action})" if self.parent else None,
            "weights": ", ".join(self.weights),
            "classes": classes_in_words(self.class_names) if self.class_names else None,
            **self._scores_in_words(),
            "measured on": self.measured_on,
            "trained by": self.recipe,
            "recipes": ", ".join(self.recipes),
            "licenses": "; ".join(f"{part}: {license or 'not stated'}" for part, license in self.licenses.items()),
            "paper": f"{authors}{paper.title} ({paper.venue} {paper.year}){f', {paper.url}' if paper.url else ''}",
        }
        table = Table(show_header=False, box=None, pad_edge=False)
        for key, value in rows.items():
            if value:
                table.add_row(plain_text(key), plain_text(value))
        for figure in self.figures:
            errors = ", ".join(f"{data} {error}%" for data, error in figure.errors.items())
            table.add_row("paper's error", plain_text(f"{errors} ({figure.source}: {figure.training_in_words})"))
        return Group(plain_text(self.name), table)

    @property
    def headline(self) -> Score | None:
        """The score by which the checkpoint is compared."""
        return headline(self.scores)

    def _scores_in_words(self) -> dict[str, str]:
        return {
            f"{kind} by {by}" if by else kind: ", ".join(f"{n}: {text}" if by else text for n, text in values.items())
            for by, kinds in tabulate(self.scores).items()
            for kind, values in kinds.items()
        }


class OutputList(Report):
    """The states inside a network.

    Attributes:
        name: the network's.
        outputs: the shape of each state by its name, an image's, in the order in which they come about; None for a side
            that is not fixed.
    """

    name: str
    outputs: dict[str, tuple[int | None, ...]]

    def __rich__(self) -> RenderableType:
        table = Table("output", "shape", box=None, pad_edge=False)
        for output, shape in self.outputs.items():
            table.add_row(plain_text(output), " x ".join("?" if side is None else str(side) for side in shape))
        return table


def describe_outputs(name: str | Path) -> OutputList:
    """The states inside an architecture or a checkpoint, as `recurzoo.load(name, outputs=...)` takes them.

    Args:
        name: as `info` takes it. An architecture without weights is built to be looked at.

    Returns:
        An `OutputList`.

    Raises:
        UnknownNameError: if there is no such architecture.
    """
    from recurzoo.rewriting.outputs import with_outputs

    found = info(name)
    model = load(name) if found.checkpoint else create(found.architecture)
    tensors = with_outputs(model, "*").output
    return OutputList(name=str(name), outputs={output: tensor.shape[1:] for output, tensor in tensors.items()})


def list_models(pattern: str = "*", pretrained: bool | None = None) -> list[str]:
    """List names of the zoo.

    Args:
        pattern: str with the wildcards `*`, `?` and `[...]`. With a dot in it, names of checkpoints are listed
            (`"swrn-*.cifar10"`), else names of architectures: catalogued ones, and others that have weights here.
        pretrained: bool. True for architectures that `load` takes as they are, False for the others, None for all.

    Returns:
        Names, sorted.

    Example:
        >>> recurzoo.list_models("swrn-*", pretrained=True)
    """
    return [model.name for model in describe_models(pattern, pretrained).models]


def describe_models(pattern: str = "*", pretrained: bool | None = None) -> ModelList:
    """What `list_models` lists, with parameters, checkpoints and scores."""
    records = {record.name: record for record in read_records(find_checkpoints().values())}
    if "." in pattern:
        names = set() if pretrained is False else set(records)
    else:
        names = {*catalog.architecture_names(), *(split_tag(name)[0] for name in records)}
    models = [_describe(name, records) for name in sorted(names) if fnmatch.fnmatchcase(name, pattern)]
    wanted = [model for model in models if pretrained is None or (model.checkpoint is not None) is pretrained]
    return ModelList(models=tuple(wanted))


def _describe(name: str, records: dict[str, Record]) -> ListedModel:
    architecture, tag = split_tag(name)
    checkpoint = name if tag else f"{name}.{catalog.default_tag(name)}"
    facts, record = catalog.architecture_facts(architecture), records.get(checkpoint)
    if record is None:
        return ListedModel(name=name, parameters=facts.parameters if facts else None, checkpoint=None, score=None)
    return ListedModel(name=name, parameters=record.parameters, checkpoint=checkpoint, score=record.headline)


def warn(folder: Path, problem: str) -> None:
    """Log why a record is left out; logging shows warnings on standard error unless it is set up otherwise."""
    logging.getLogger("recurzoo").warning("Left out %s: %s", printable(folder.name), printable(problem))


def read_records(
    folders: Iterable[Path],
    report: Callable[[Path, str], None] = warn,
    check: Callable[[Record, str, Path], None] = check_name,
) -> list[Record]:
    """The records in some folders, without those that cannot be read or do not belong there.

    Args:
        folders: of checkpoints.
        report: called with the folder of each record that is left out, and why it is.
        check: raises a ValueError if a record does not belong in the folder of a name.
    """
    records = []
    for folder in folders:
        try:
            record = read_record(folder)
            check(record, folder.name, folder)
        except (ValueError, OSError) as error:
            report(folder, str(error))
        else:
            records.append(record)
    return records


def info(name: str | Path) -> ModelInfo:
    """Tell what is known of an architecture, a checkpoint, a checkpoint's folder, or one on the Hub.

    Nothing but the record is downloaded, and that only for an address. Parameters of an architecture that is not in the
    catalog are counted by building it.

    Args:
        name: of an architecture or a checkpoint, a path, or `hf://USER/REPO[@REVISION]`.

    Returns:
        A `ModelInfo`.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if a checkpoint is not here.
        FileNotFoundError: if there is no checkpoint at a path.

    Example:
        >>> recurzoo.info("swrn-28-10-2").parameters
        17125630
        >>> recurzoo.info("swrn-22-1-2").class_names[3]
        'cat'
    """
    try:
        # The Hub is only asked of what can be nowhere else.
        client = Client(local_files_only=not str(name).startswith(ADDRESSES))
        record: Record | None = find_checkpoint(name, needs=(), client=client)[1]
    except MissingWeightsError:
        if split_tag(str(name))[1]:
            raise
        record = None
    architecture = catalog.architecture(record.architecture if record else split_tag(str(name))[0])
    facts = catalog.architecture_facts(architecture.name)
    training_parameters = facts.training_parameters if facts else None
    if record is not None:
        parameters, classes = record.parameters, len(record.class_names) or None
    elif facts is not None:
        parameters, classes = facts.parameters, facts.classes
    else:
        from recurzoo.families.counting import count_parameters

        model = create(architecture.name)
        parameters, classes = count_parameters(model, consolidated=True), model.output_shape[-1]
        training_parameters = count_parameters(model)
    licenses: dict[str, str | None] = {"code": CODE_LICENSE}
    if record is not None:
        licenses |= {"weights": record.license, "data": record.dataset.license if record.dataset else None}
    return ModelInfo(
        name=str(name),
        architecture=architecture.name,
        family=architecture.family,
        parameters=parameters,
        training_parameters=training_parameters or parameters,
        classes=classes,
        class_names=record.class_names if record else (),
        sharing=(record.sharing if record else None) or architecture.sharing,
        weights=tuple(found for found in find_checkpoints() if split_tag(found)[0] == architecture.name),
        checkpoint=record.name if record else None,
        scores=record.scores if record else (),
        measured_on=measured_on(record) if record else None,
        parent=record.parent if record else None,
        recipe=record.recipe.name if record and record.recipe else None,
        recipes=catalog.recipe_names(architecture.name),
        figures=catalog.figures(architecture.name),
        licenses=licenses,
        paper=catalog.families()[architecture.family].paper,
    )
