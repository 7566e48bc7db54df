"""`recurzoo fold` and `recurzoo grow`: one checkpoint made from another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Keras, Name, OptionalData, Overwrite


def fold_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder for the folded checkpoint.")],
    threshold: Annotated[float, typer.Option("--threshold", help="Similarity from which kernels are tied.")] = 0.9,
    data: OptionalData = None,
    keras: Keras = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> Report:
    """Tie similar kernels, so that loops appear.

    With --data, scores before, after, and with statistics measured anew, which the folded checkpoint keeps.
    """
    from recurzoo.zoo.deriving import fold_checkpoint
    from recurzoo.zoo.saving import refuse_other_content, save

    # Before all the work.
    folder = refuse_other_content(out, overwrite)
    folded, record = fold_checkpoint(name, threshold, data, folder.name)
    save(folded, folder, record, keras=keras, overwrite=overwrite)
    return folded.fold_report


def grow_(
    name: Name,
    to: Annotated[str, typer.Option("--to", metavar="ARCHITECTURE", help="The wider architecture.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the grown checkpoint.")],
    keras: Keras = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> Report:
    """Make a wider network with the same outputs, to train on.

    The width must be a multiple of the checkpoint's; there may be more templates too.
    """
    from recurzoo.zoo.deriving import Grown, grow_checkpoint
    from recurzoo.zoo.saving import refuse_other_content, save

    folder = refuse_other_content(out, overwrite)
    grown, record = grow_checkpoint(name, to, folder.name)
    record = save(grown, folder, record, keras=keras, overwrite=overwrite)
    return Grown.of(str(out), record)
