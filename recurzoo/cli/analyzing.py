"""`recurzoo analyze`, `recurzoo anytime` and `recurzoo features`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import typer

from recurzoo.base.records import Report
from recurzoo.cli.options import Data, Json, Limit, Name, OptionalData

Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for the record, its tables and figures.")
]
Kind = Literal["similarity", "ablation", "trajectories", "iteration", "readout", "weights"]


def analyze_(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=f"{', '.join(get_args(Kind))}.")],
    name: Name,
    data: OptionalData = None,
    out: Out = None,
    limit: Limit = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", min=0, max=1, help="Similarity: from which layers are tied.")
    ] = None,
    epochs: Annotated[
        str | None, typer.Option("--epochs", metavar="E,E,...", help="Similarity: of the run, which to show.")
    ] = None,
    stages: Annotated[
        list[str] | None, typer.Option("--stage", help="Ablation: a stage to drop steps of; may be repeated.")
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option("--against", help="Ablation: another network beside it; may be repeated.")
    ] = None,
    images: Annotated[int | None, typer.Option("--images", min=2, help="Trajectories: how many.")] = None,
    further: Annotated[
        int | None, typer.Option("--further", min=0, help="Iteration: how often the last step is repeated.")
    ] = None,
    scale: Annotated[
        float | None, typer.Option("--scale", help="Iteration: what these repetitions are multiplied by.")
    ] = None,
    times: Annotated[str | None, typer.Option("--times", metavar="FIRST-LAST", help="Readout: at which times.")] = None,
    input_until: Annotated[
        int | None, typer.Option("--input-until", min=1, help="Readout: switch the input off after so many updates.")
    ] = None,
    record: Annotated[
        bool, typer.Option("--record", help="Readout: write the scores into the checkpoint's record.")
    ] = False,
    json: Json = False,
) -> Report:
    """Look inside a network, as the papers do."""
    settings = {
        "threshold": threshold,
        "epochs": None if epochs is None else _numbers(epochs, "--epochs"),
        "stages": stages,
        "against": against,
        "images": images,
        "further": further,
        "scale": scale,
        "times": None if times is None else _stretch(times),
        "input_until": input_until,
    }
    if record and kind != "readout":
        raise typer.BadParameter("only readouts are written into a record", param_hint="--record")
    from recurzoo.analysis.analyze import analyze
    from recurzoo.analysis.recording import check_recordable, record_scores

    if record:
        check_recordable(name)
    chosen = {key: value for key, value in settings.items() if value is not None and value != []}
    analysis = analyze(kind, name, data, out, limit, **chosen)
    if record:
        record_scores(name, analysis)
    return analysis


def _numbers(text: str, option: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) < 10 for part in parts):
        raise typer.BadParameter(f"numbers are told apart by commas, such as 0,5,25, not {text!r}", param_hint=option)
    return [int(part) for part in parts]


def _stretch(text: str) -> range:
    first, _, last = text.partition("-")
    decimal = first.isdecimal() and (last or first).isdecimal() and len(text) < 10
    if not decimal or not 1 <= int(first) <= int(last or first):
        raise typer.BadParameter(f"readout times are FIRST-LAST, such as 2-12, not {text!r}", param_hint="--times")
    return range(int(first), int(last or first) + 1)


def anytime_(
    name: Name,
    data: Data,
    threshold: Annotated[
        float, typer.Option("--threshold", min=0, max=1, help="An image stops where its measure is greater.")
    ] = 0.9,
    measure: Annotated[
        Literal["confidence", "entropy", "agreement"], typer.Option("--measure", help="Of how sure the network is.")
    ] = "confidence",
    accuracy: Annotated[
        float | None,
        typer.Option("--accuracy", min=0, max=1, help="Choose the threshold for this, on half of the examples."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", min=0, max=1, help="Likewise, for this share of the operations."),
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Fit a head to every step on training images first.")] = False,
    out: Out = None,
    limit: Limit = None,
    json: Json = False,
) -> Report:
    """Stop for each image as soon as the network is sure."""
    from recurzoo.analysis.analyze import analyze

    settings = {"threshold": threshold, "measure": measure, "accuracy": accuracy, "budget": budget, "fit": fit}
    return analyze("anytime", name, data, out, limit, **settings)


def features_(
    name: Name,
    data: Data,
    outputs: Annotated[
        list[str],
        typer.Option("--outputs", metavar="PATTERN", help="States to write, such as stage_3/*; may be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.safetensors", help="The file.")],
    split: Annotated[Literal["test", "train"], typer.Option("--split", help="Of which images.")] = "test",
    limit: Limit = None,
    pool: Annotated[bool, typer.Option("--pool", help="Keep of each state the mean over its pixels.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    json: Json = False,
) -> Report:
    """Write a network's states for many images to a file."""
    from recurzoo.analysis.features import features

    patterns = [pattern for one in outputs for pattern in one.split(",")]
    return features(name, data, patterns, out, split, limit, pool, overwrite)
