"""`recurzoo fold`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Json, Name, OptionalData


def fold_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder for the folded checkpoint.")],
    threshold: Annotated[float, typer.Option("--threshold", help="Similarity from which kernels are tied.")] = 0.9,
    data: OptionalData = None,
    json: Json = False,
) -> Report:
    """Tie similar kernels, so that loops appear.

    With --data, scores before, after, and with statistics measured anew, which the folded checkpoint keeps.
    """
    from recurzoo.checkpoints import folder
    from recurzoo.zoo.deriving import fold_checkpoint

    folded, record = fold_checkpoint(name, threshold, data, out.name)
    folder.save(folded, out, record)
    return folded.fold_report
