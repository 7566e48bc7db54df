"""`recurzoo readout`: a fully recurrent network, read out at other times."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report
from recurzoo.cli.options import Images, Json, Name


@dataclass(frozen=True)
class Readout:
    """The test accuracy at one readout time, with the last trained statistics reused and with all recomputed."""

    time: int
    reused: float
    recomputed: float


@dataclass(frozen=True)
class ReadoutTimes(Report):
    """What `recurzoo readout` measured.

    Attributes:
        model: the checkpoint's name.
        images: how many test images.
        readouts: in order of time.
        recorded: whether the checkpoint's record has them now.
    """

    model: str
    images: int
    readouts: tuple[Readout, ...]
    recorded: bool

    def __rich__(self) -> RenderableType:
        table = Table("readout time", "statistics reused", "recomputed", title=f"{self.model}, {self.images} images")
        for readout in self.readouts:
            table.add_row(str(readout.time), f"{readout.reused:.2%}", f"{readout.recomputed:.2%}")
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
    """Measure a fully recurrent network's accuracy at other readout times than it was trained for."""
    first, _, last = times.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal() and 1 <= int(first) <= int(last or first)):
        raise typer.BadParameter(f"readout times are FIRST-LAST, such as 2-12, not {times!r}", param_hint="--times")

    from recurzoo.analysis.readout import measure_readouts
    from recurzoo.checkpoints.folder import read_record, write_record
    from recurzoo.checkpoints.scores import FINGERPRINT
    from recurzoo.data.augmentation import sample_as_recorded
    from recurzoo.hub.client import refuse_to_change_a_download
    from recurzoo.models import FRNN
    from recurzoo.tasks.evaluation import load_images
    from recurzoo.zoo.finding import find_folder
    from recurzoo.zoo.loading import load

    folder = find_folder(name)
    if record:
        refuse_to_change_a_download(name, folder)
    found = read_record(folder)
    model = load(folder)
    if not isinstance(model, FRNN):
        raise ValueError(f"Only fully recurrent networks are read out at a time. Received: {name!r}")
    images = load_images(data, model, found, limit=limit)
    if record and images.test.fingerprint != found.metrics.get(FINGERPRINT):
        raise ValueError(
            "A record tells of the test images that it was made with. "
            f"Received: --record with others, {images.source}; leave --record or --limit out"
        )
    measured: list[Readout] = []

    def report(time: int, accuracies: Mapping[str, float]) -> None:
        measured.append(Readout(time, **accuracies))
        shown = ", ".join(f"{accuracy:.2%} {statistics}" for statistics, accuracy in accuracies.items())
        print(f"readout time {time}: {shown}", file=sys.stderr, flush=True)

    seen = sample_as_recorded(images.train.images, found, model)
    metrics = measure_readouts(model, range(int(first), int(last or first) + 1), images.test, seen, report)
    if record:
        # As it is now: measuring took long.
        found = read_record(folder)
        write_record(folder, dataclasses.replace(found, metrics={**found.metrics, **metrics}))
    return ReadoutTimes(found.name, len(images.test), tuple(measured), record)
