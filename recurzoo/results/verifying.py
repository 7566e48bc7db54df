"""Compares checkpoints with their records: files, parameters, results, and their metrics measured again."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path

from recurzoo.base.errors import MissingWeightsError
from recurzoo.checkpoints.folder import RECORD, read_record, verify_files
from recurzoo.checkpoints.record import Record
from recurzoo.results.remeasuring import ReadImages, Remeasured, compare_metrics, remeasure
from recurzoo.results.row import Measured, row_of
from recurzoo.results.table_file import RESULTS, read_csv
from recurzoo.results.verification import CheckpointReport, Verification
from recurzoo.zoo.finding import check_name, find_checkpoints, find_folder, weights_folders
from recurzoo.zoo.loading import load

# By how many bytes an ONNX file differs from export to export, as names in it do.
ONNX_NAMES = 256


def verify(
    name: str | Path | None = None, data: str | None = None, report: Callable[[str], None] = lambda line: None
) -> Verification:
    """Compare checkpoints with their records.

    Every file is hashed, the model is loaded and its parameters are counted, and of checkpoints that ship, the
    `results.csv` beside them must say what the record and the catalog say. Given data, the metrics of every checkpoint
    whose recorded test images these are, are measured again, and so are those of networks for shortest paths, whose
    grids are generated; operations are counted and, where export is installed, ONNX files weighed again. On the
    recorded backend, accuracies and F1 must be equal, on another one within 0.001; a loss within 0.0001.

    Args:
        name: the name of a checkpoint or an architecture, the path of a folder, or `hf://USER/REPO[@REVISION]`; None
            for all checkpoints that are here.
        data: words that `load_data` takes, or `shortest-paths`; None to measure nothing.
        report: called with a line before each checkpoint.

    Returns:
        A `Verification`, which says all that was found wrong.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if there is no checkpoint.
        OSError: if a checkpoint is to be downloaded and cannot be.
        ValueError: if there are no such data.

    Example:
        >>> verify(data="tfds:cifar10").failed
        False
    """
    here = find_checkpoints()
    folders = list(here.values()) if name is None else [_find_whole(name)]
    if not folders:
        raise MissingWeightsError("There are no checkpoints here to verify. Received: no name; name one, or a folder")
    measure = None if data is None else _measurer(data)
    reports = []
    for number, folder in enumerate(folders, start=1):
        report(f"{number}/{len(folders)} verifying {name or folder.name}")
        reports.append(_verify_checkpoint(folder, here.get(folder.name) == folder, measure))
    problems = _results_of_nothing() if name is None else []
    if data is not None and not any(checked.measured or checked.problems for checked in reports):
        problems.append(f"nothing was measured on these data. Received: {data!r}")
    return Verification(tuple(reports), tuple(problems))


def _find_whole(name: str | Path) -> Path:
    """A checkpoint's folder; of one on the Hub, all that its record lists is downloaded."""
    return find_folder(name, tuple(read_record(find_folder(name, needs=())).files))


def _measurer(data: str) -> Callable[[Path, Record], Remeasured]:
    from recurzoo.checkpoints.data import SHORTEST_PATHS
    from recurzoo.data.sets import load_data

    if data != SHORTEST_PATHS and data != "digits" and not data.startswith("tfds:") and not Path(data).is_dir():
        # Networks for shortest paths would be measured without looking at it.
        raise ValueError(
            f"Data is tfds:NAME, digits, shortest-paths or a folder. Received: {data!r}, which is no folder"
        )
    # Read once for all checkpoints of a size.
    read: ReadImages | None = functools.cache(lambda size: load_data(data, size, train=False))
    return functools.partial(remeasure, read_images=None if data == SHORTEST_PATHS else read)


def _verify_checkpoint(
    folder: Path, shipped: bool, measure: Callable[[Path, Record], Remeasured] | None
) -> CheckpointReport:
    try:
        record = read_record(folder)
    except ValueError as error:
        return CheckpointReport(folder.name, 0, None, 0, (), "its record cannot be read", (str(error),))
    files = [name for name in record.files if (folder / name).is_file()]
    measured = Remeasured(reason="no data were given")
    parameters, problems = _compare_files(folder, record, shipped)
    if measure is not None:
        # What is not as recorded is not opened.
        vouched = parameters is not None
        measured = measure(folder, record) if vouched else Remeasured(reason="its files are not as recorded")
    problems += _compare_measured(record, measured)
    if shipped:
        problems += _compare_results(folder, record, measured.sizes)
    return CheckpointReport(
        checkpoint=record.name,
        files=len(files),
        parameters=parameters,
        metrics=len(record.metrics),
        measured=tuple(measured.metrics),
        not_measured=measured.reason,
        problems=tuple(problems),
    )


def _compare_files(folder: Path, record: Record, shipped: bool) -> tuple[int | None, list[str]]:
    """The trainable parameters of the stored model, None if it is not as recorded; and what is wrong."""
    try:
        if shipped:
            check_name(record, folder.name, folder)
        verify_files(folder, record, whole=True)
        # What loading refuses is refused here, by the same code.
        model = load(folder)
    except (ValueError, OSError) as error:
        return None, [str(error)]
    from recurzoo.families.counting import count_parameters

    count = count_parameters(model)
    return count, [] if count == record.parameters else [f"it has {count} parameters, recorded as {record.parameters}"]


def _compare_measured(record: Record, measured: Remeasured) -> list[str]:
    problems = [measured.problem] if measured.problem else []
    if measured.metrics:
        import keras

        same_backend = record.versions.get("backend") == keras.backend.backend()
        problems += compare_metrics(record.metrics, measured.metrics, same_backend)
    return problems


def _compare_results(folder: Path, record: Record, sizes: Measured) -> list[str]:
    try:
        rows = read_csv(folder.parent / RESULTS)
        row = row_of(record)
    except ValueError as error:
        return [str(error)]
    if not (folder.parent / RESULTS).is_file():
        return []
    if record.name not in rows:
        return [f"{RESULTS} does not have it"]
    stored = rows[record.name]
    problems = row.differences(stored)
    if sizes.macs is not None and stored.macs != sizes.macs:
        problems.append(f"macs is {stored.macs}, not {sizes.macs}")
    found, written = sizes.folded_onnx_bytes, stored.folded_onnx_bytes
    if found is not None and (written is None or abs(found - written) > ONNX_NAMES):
        problems.append(f"folded_onnx_bytes is {written}, not {found}")
    return [f"in {RESULTS}, {problem}" for problem in problems]


def _results_of_nothing() -> list[str]:
    problems = []
    for weights in weights_folders():
        # What cannot be read was told of each checkpoint.
        with contextlib.suppress(ValueError):
            absent = [name for name in read_csv(weights / RESULTS) if not (weights / name / RECORD).is_file()]
            problems += [f"{RESULTS} has {name}, which is not there" for name in absent]
    return problems
