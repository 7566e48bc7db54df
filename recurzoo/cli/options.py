"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, and nothing else there.")]
NAME_HELP = "A name of the zoo, the path of a checkpoint's folder, or hf://USER/REPO[@REVISION]."
Name = Annotated[str, typer.Argument(metavar="NAME", help=NAME_HELP)]
OptionalName = Annotated[str | None, typer.Argument(metavar="NAME", help=NAME_HELP)]
_data = typer.Option(
    "--data", help="tfds:NAME, digits, or a folder with train/CLASS/ and test/CLASS/ of images; or shortest-paths."
)
Data = Annotated[str, _data]
OptionalData = Annotated[str | None, _data]
Keras = Annotated[
    bool, typer.Option("--keras", help="Write metadata.json and model.weights.h5 too, with which core Keras opens it.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a checkpoint that is there.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Test examples to use at most.")]
