"""`recurzoo readout`: a fully recurrent network, read out at other times."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report
from recurzoo.checkpoints.record import Score
from recurzoo.cli.options import Images, Json, Name


class ReadoutTimes(Report):
    """What `recurzoo readout` measured.

    Attributes:
        model: the checkpoint's name.
        scores: accuracies, in order of time.
        recorded: whether the checkpoint's record has them now.
    """

    model: str
    scores: tuple[Score, ...]
    recorded: bool

    def __rich__(self) -> RenderableType:
        table = Table("readout time", "statistics reused", "recomputed", title=self.model)
        times: dict[int | None, dict[str | None, str]] = {}
        for score in self.scores:
            times.setdefault(score.readout, {})[score.statistics] = score.rounded
        for time, accuracies in times.items():
            table.add_row(str(time), accuracies["reused"], accuracies["recomputed"])
        return table


def readout_(
    name: Name,
    data: Images,
    times: Annotated[str, typer.Option("--times", metavar="FIRST-LAST", help="The readout times.")] = "2-12",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Test images to use at most.")] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Write the accuracies into the checkpoint's record.")
    ] = False,
    json: Json = False,
) -> Report:
    """Read a fully recurrent network out at other times.

    Its accuracy at each, with normalizations' statistics reused from the last trained step, and recomputed.
    """
    first, _, last = times.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and 1 <= int(first) <= int(last or first)):
        raise typer.BadParameter(f"readout times are FIRST-LAST, such as 2-12, not {times!r}", param_hint="--times")

    from recurzoo.analysis.readout import measure_readouts
    from recurzoo.checkpoints.folder import read_record
    from recurzoo.hub.client import refuse_to_change_a_download
    from recurzoo.models import FRNN
    from recurzoo.tasks.task import open_task
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load
    from recurzoo.zoo.saving import write_record

    folder = find_folder(name)
    if record:
        refuse_to_change_a_download(name, folder)
    found = read_record(folder)
    model = load(folder)
    if not isinstance(model, FRNN):
        raise ValueError(f"Only fully recurrent networks are read out at a time. Received: {name!r}")
    task = open_task(data, model, found, train=True, limit=limit)

    def report(score: Score) -> None:
        print(f"readout time {score.readout}: {score.rounded} {score.statistics}", file=sys.stderr, flush=True)

    images = task.sample(found.recipe)
    scores = measure_readouts(model, range(int(first), int(last or first) + 1), task, images, report)
    if record:
        # As it is now: measuring took long.
        write_record(folder, read_record(folder).with_scores(*scores))
    return ReadoutTimes(model=found.name, scores=scores, recorded=record)
