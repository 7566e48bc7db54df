"""Compares checkpoints with their records: files, parameters, results, and their scores measured again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType

from recurzoo.base.errors import MissingWeightsError
from recurzoo.base.records import FrozenModel, Report, plain_text
from recurzoo.checkpoints.completing import check_class_names
from recurzoo.checkpoints.folder import EXPORTS, read_record, verify_files
from recurzoo.checkpoints.record import Record, Score
from recurzoo.results.rows import RUNS, Measured, ResultRow, rows_in
from recurzoo.results.table import RESULTS, measure, read_csv
from recurzoo.zoo.finding import check_name, find_checkpoint, find_checkpoints, find_folder, weights_folders
from recurzoo.zoo.loading import load

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# How far a share of 1 may be from the recorded one on another backend, whose arithmetic rounds otherwise.
OTHER_BACKEND = 1e-3
# How far a loss may be from the recorded one: on another processor, sums come out in another order.
ROUNDING = 1e-4
# By how many bytes an ONNX file may differ that other versions of the libraries write, who name things in it otherwise.
ONNX_NAMES = 256


class CheckpointReport(FrozenModel):
    """What verifying one checkpoint found.

    Attributes:
        checkpoint: its name.
        files: how many were compared with their recorded SHA-256.
        parameters: counted on the loaded model; None if it could not be loaded.
        recorded: how many scores its record has.
        measured: those of them that were measured again, as they are now.
        not_measured: why none were, or not those of files; or None.
        problems: the differences found, a sentence each.
    """

    checkpoint: str
    files: int = 0
    parameters: int | None = None
    recorded: int = 0
    measured: tuple[Score, ...] = ()
    not_measured: str | None = None
    problems: tuple[str, ...] = ()

    def describe(self) -> str:
        """This checkpoint's line."""
        if self.problems:
            return f"{self.checkpoint}: FAILED: {'; '.join(self.problems)}"
        kept = f"{self.files} files, {self.parameters:,} parameters"
        if not self.measured:
            return f"{self.checkpoint}: as recorded: {kept}; scores not measured, since {self.not_measured}"
        measured = f"{len(self.measured)} of {self.recorded} scores measured again"
        others = f"; others not, since {self.not_measured}" if self.not_measured else ""
        return f"{self.checkpoint}: as recorded: {kept}, {measured}{others}"


class Verification(Report):
    """What `verify` found.

    Attributes:
        checkpoints: a `CheckpointReport` for each checkpoint.
        problems: what is wrong besides, such as results of a checkpoint that is not there.
    """

    checkpoints: tuple[CheckpointReport, ...]
    problems: tuple[str, ...]

    @property
    def failed(self) -> bool:
        return bool(self.problems) or any(report.problems for report in self.checkpoints)

    def to_dict(self) -> dict[str, Any]:
        return {"passed": not self.failed, **super().to_dict()}

    def __rich__(self) -> RenderableType:
        lines = [*(report.describe() for report in self.checkpoints), *(f"FAILED: {text}" for text in self.problems)]
        return Group(*map(plain_text, lines))


def verify(
    name: str | Path | None = None, data: str | None = None, report: Callable[[str], None] = lambda line: None
) -> Verification:
    """Compare checkpoints with their records.

    Every file is hashed and the model loaded, as `recurzoo.load` does it; its parameters are counted; and of
    checkpoints that ship, the `results.csv` beside them must say what the records and the catalog say. Given data, the
    scores of every checkpoint that were measured on just these examples are measured again; operations are counted and,
    where export is installed, ONNX files weighed again. Files in a checkpoint's folder whose scores are recorded are
    measured again in their runtimes, and may be 0.001 off. On the recorded backend, accuracies and F1 must be equal, on
    another one within 0.001; a loss within 0.0001.

    Args:
        name: the name of a checkpoint or an architecture, the path of a folder, or `hf://USER/REPO[@REVISION]`; None
            for all checkpoints that are here.
        data: `tfds:NAME`, `digits`, `shortest-paths`, or a folder with `train/CLASS/` and `test/CLASS/`; None to
            measure nothing.
        report: called with a line before each checkpoint.

    Returns:
        A `Verification`, which says all that was found wrong.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if there is no checkpoint.
        OSError: if a checkpoint is to be downloaded and cannot be.

    Example:
        >>> recurzoo.verify(data="tfds:cifar10").failed
        False
    """
    here = find_checkpoints()
    folders = list(here.values()) if name is None else [_find_whole(name)]
    if not folders:
        raise MissingWeightsError("There are no checkpoints here to verify. Received: no name; name one, or a folder")
    shelves = {weights.resolve(): _Shelf(weights) for weights in weights_folders()}
    reports = []
    for number, folder in enumerate(folders, start=1):
        report(f"{number}/{len(folders)} verifying {name or folder.name}")
        shelf = shelves.get(folder.resolve().parent) if folder.name in here else None
        reports.append(_verify_checkpoint(folder, shelf, data))
    problems = [problem for shelf in shelves.values() for problem in shelf.problems] if name is None else []
    if data is not None and not any(checked.measured or checked.problems for checked in reports):
        problems.append(f"nothing was measured on these data. Received: {data!r}")
    return Verification(checkpoints=tuple(reports), problems=tuple(problems))


def _find_whole(name: str | Path) -> Path:
    """A checkpoint's folder; of one on the Hub, all that its record lists is downloaded."""
    return find_folder(name, tuple(find_checkpoint(name, needs=())[1].files))


class _Shelf:
    """The results of a folder of checkpoints: as its `results.csv` has them, and as its records give them.

    Attributes:
        problems: what is wrong with the file, or with its rows that are of no checkpoint here.
    """

    def __init__(self, weights: Path):
        self.problems: list[str] = []
        self.stored: Mapping[str, ResultRow] = {}
        self.rows: Mapping[str, ResultRow] = {}
        try:
            self.stored = read_csv(weights / RESULTS)
            self.rows = {row.name: row for row in rows_in(weights, self._add_run)}
        except ValueError as error:
            self.problems.append(str(error))
        if self.stored:
            absent = [name for name in self.stored if name not in self.rows]
            self.problems += [f"{RESULTS} has {name}, which is not there" for name in absent]
            of_runs = [row for row in self.rows.values() if row.bytes is None]
            self.problems += [problem for row in of_runs for problem in self.compare(row.name)]

    def _add_run(self, folder: Path, problem: str) -> None:
        # What is wrong with a checkpoint stands in its own report.
        if folder.parent.name == RUNS:
            self.problems.append(f"the run {folder.name} cannot be read: {problem}")

    def compare(self, name: str, measured: Measured | None = None) -> list[str]:
        """What `results.csv`, if there is one, does not have as the record and the model give it."""
        row, stored = self.rows.get(name), self.stored.get(name)
        if row is None or not self.stored:
            return []
        if stored is None:
            return [f"{RESULTS} does not have {name}"]
        problems = row.differences(stored)
        for column, value in (measured or Measured()).to_dict().items():
            written = getattr(stored, column)
            allowed = ONNX_NAMES if column == "folded_onnx_bytes" else 0
            if value is not None and (written is None or abs(value - written) > allowed):
                problems.append(f"{column} is {written}, not {value}")
        return [f"in {RESULTS}, of {name}, {problem}" for problem in problems]


def _verify_checkpoint(folder: Path, shelf: _Shelf | None, data: str | None) -> CheckpointReport:
    from recurzoo.families.counting import count_parameters

    try:
        record = read_record(folder)
    except (ValueError, OSError) as error:
        return CheckpointReport(checkpoint=folder.name, problems=(str(error),))
    problems: list[str] = []
    parameters: int | None = None
    scores: tuple[Score, ...] = ()
    reason: str | None = "it could not be loaded"
    sizes = Measured()
    try:
        if shelf is not None:
            check_name(record, folder.name, folder)
        verify_files(folder, record, whole=True)
        model = load(folder)
        check_class_names(record, model)
    except (ValueError, OSError) as error:
        problems.append(str(error))
    else:
        parameters = count_parameters(model)
        if parameters != record.parameters:
            problems.append(f"it has {parameters} parameters, recorded as {record.parameters}")
        scores, reason = _measure_again(folder, model, record, data)
        if scores:
            problems += compare_scores(record, scores)
            sizes = measure(model, exports=False)
    if shelf is not None:
        problems += shelf.compare(record.name, sizes)
    return CheckpointReport(
        checkpoint=record.name,
        files=len(record.files),
        parameters=parameters,
        recorded=len(record.scores),
        measured=scores,
        not_measured=reason,
        problems=tuple(problems),
    )


def _measure_again(
    folder: Path, model: ZooModel, record: Record, data: str | None
) -> tuple[tuple[Score, ...], str | None]:
    """The scores that were recorded of just these examples, as they are now; and why none, or not those of files."""
    from recurzoo.exporting.quantizing import file_scores
    from recurzoo.tasks.task import open_task

    if data is None:
        return (), "no data were given"
    if not record.scores:
        return (), "none are recorded"
    measured, reason = {score.model for score in record.scores}, None
    try:
        task = open_task(data, model, record)
        scores = task.scores(model)
        try:
            for name in EXPORTS.values():
                if name in measured and name in record.files:
                    scores += file_scores(folder / name, task)
        except ImportError as error:
            # Without their runtimes files are hashed alone.
            reason = str(error)
    except (ValueError, OSError) as error:
        return (), f"the data do not fit: {error}"
    except ImportError as error:
        return (), str(error)
    conditions = [score.condition for score in record.scores]
    again = tuple(score for score in scores if score.condition in conditions)
    return again, reason if again else f"none is recorded of the test examples of {task.source}"


def compare_scores(record: Record, measured: Sequence[Score]) -> list[str]:
    """The differences between a record's scores and those measured again under the same conditions, a sentence each."""
    import keras

    same_backend = record.versions.get("backend") == keras.backend.backend()
    problems = []
    for score in measured:
        recorded = next(other for other in record.scores if other.condition == score.condition)
        allowed = ROUNDING if score.metric == "loss" else 0 if same_backend else OTHER_BACKEND
        if score.model is not None:
            # A file's runtime rounds as the processor does.
            allowed = OTHER_BACKEND
        same = score.value == recorded.value
        if score.value is not None and recorded.value is not None:
            same = abs(score.value - recorded.value) <= allowed
        if not same:
            problems.append(f"{score.title} is {score.value}, recorded as {recorded.value}")
    return problems
