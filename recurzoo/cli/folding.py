"""`recurzoo fold`."""

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
