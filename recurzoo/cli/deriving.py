"""`recurzoo fold`, `grow`, `soften` and `quantize`: one checkpoint made from another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Data, Json, Keras, Limit, Name, OptionalData, Overwrite


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


def soften_(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A name of the zoo, a checkpoint's folder, hf://USER/REPO, a .keras file, a model of "
            "keras.applications such as ResNet50, or keras_hub:PRESET.",
        ),
    ],
    templates: Annotated[
        list[str] | None,
        typer.Option(
            "--templates",
            metavar="K|all|GROUP=K",
            help="How many, of each group of as many kernels; or, repeated, of groups by name or pattern.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for the softened checkpoint.")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only report groups, parameters and errors; write nothing.")
    ] = False,
    budget: Annotated[
        int | None, typer.Option("--budget", help="In place of --templates: the most parameters of the result.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="Layers or groups that stay as they are; repeatable."),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="How templates are found: svd, kmeans or random.")] = "svd",
    seed: Annotated[int, typer.Option("--seed", help="Of random templates.")] = 0,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Random weights for models of Keras, instead of a download.")
    ] = False,
    keras: Keras = False,
    overwrite: Overwrite = False,
    json: Json = False,
) -> Report:
    """Let layers of one kernel shape share templates."""
    from recurzoo.rewriting import plan_softening
    from recurzoo.zoo.deriving import soften_checkpoint
    from recurzoo.zoo.opening import open_model
    from recurzoo.zoo.saving import refuse_other_content, save

    if not plan and out is None:
        raise typer.BadParameter("give a folder, or --plan to write nothing", param_hint="--out")
    arguments: dict[str, Any] = {
        "templates": _parse(templates or []),
        "budget": budget,
        "exclude": exclude or (),
        "method": method,
        "seed": seed,
    }
    if plan or out is None:
        return plan_softening(open_model(model, untrained)[0], **arguments)
    # Before all the work.
    folder = refuse_other_content(out, overwrite)
    softened, record = soften_checkpoint(model, folder.name, untrained, **arguments)
    save(softened, folder, record, keras=keras, overwrite=overwrite)
    return softened.soften_report


def quantize_(
    name: Name,
    out: Annotated[Path, typer.Option("--out", help="Folder for the checkpoint with its files in int8.")],
    data: Data,
    format: Annotated[
        list[str] | None, typer.Option("--format", help="Of a file: onnx or litert; repeatable. Both by default.")
    ] = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> Report:
    """Make a checkpoint with files in int8, measured, to publish.

    Soft banks are folded first. `recurzoo export --int8` writes a file alone.
    """
    from recurzoo.exporting.quantizing import quantize

    return quantize(name, data, out, format or ("onnx", "litert"), limit, overwrite)


def _parse(words: list[str]) -> Any:
    """What `soften` takes as templates: a number or a word, or numbers by group; None without words."""
    if not words:
        return None
    pairs = [word.rpartition("=") for word in words]
    numbers = [int(count) if count.isdecimal() and len(count) < 10 else count for _, _, count in pairs]
    if all(equals for _, equals, _ in pairs):
        return {group: number for (group, _, _), number in zip(pairs, numbers, strict=True)}
    if len(words) > 1:
        raise typer.BadParameter(
            f"give one number for all groups, or GROUP=K for each. Received: {' '.join(words)}",
            param_hint="--templates",
        )
    return numbers[0]
