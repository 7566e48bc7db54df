"""Readouts that a checkpoint's record keeps."""

from __future__ import annotations

from pathlib import Path

from recurzoo.analysis.readout import Readout
from recurzoo.analysis.report import Analysis
from recurzoo.checkpoints.folder import read_record
from recurzoo.hub.client import refuse_to_change_a_download
from recurzoo.zoo.finding import find_folder
from recurzoo.zoo.saving import write_record


def check_recordable(name: str) -> Path:
    """The folder of a checkpoint whose record may be changed.

    Raises:
        ValueError: if it is a download.
    """
    folder = find_folder(name)
    refuse_to_change_a_download(name, folder)
    return folder


def record_scores(name: str, analysis: Analysis) -> None:
    """Write the scores of a readout into the record of the checkpoint that was measured.

    Raises:
        ValueError: if it is a download, or the analysis is of another kind.
    """
    if not isinstance(analysis, Readout):
        raise ValueError(f"A record keeps the scores of readouts. Received: {analysis.kind!r}")
    folder = check_recordable(name)
    # As it is now: measuring took long.
    write_record(folder, read_record(folder).with_scores(*analysis.scores()))
