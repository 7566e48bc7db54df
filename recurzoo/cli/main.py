"""The command line: `recurzoo COMMAND ...`."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any

import typer
from rich.console import Console

from recurzoo.base.errors import ExportError, MissingWeightsError, UnknownNameError
from recurzoo.cli import (
    benchmarking,
    exporting,
    fetching,
    folding,
    inference,
    listing,
    publishing,
    readout,
    recipes,
    results,
    training,
)

DONE, FAILED, WRONG_WORDS = 0, 1, 2
# What Typer makes of Control-C.
INTERRUPTED = 130
# What the package raises with a sentence for the user; anything else is told with its type.
EXPECTED = (ValueError, OSError, ImportError, NotImplementedError, MissingWeightsError, ExportError)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
app.command("list")(listing.list_)
app.command("info")(listing.info_)
app.command("predict")(inference.predict_)
app.command("evaluate")(inference.evaluate_)
app.command("readout")(readout.readout_)
app.command("recipes")(recipes.recipes_)
app.command("train")(training.train_)
app.command("fold")(folding.fold_)
app.command("export")(exporting.export_)
app.command("fetch")(fetching.fetch_)
app.command("publish")(publishing.publish_)
app.command("benchmark")(benchmarking.benchmark_)
app.command("results")(results.results_)
app.command("verify")(results.verify_)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"recurzoo {metadata.version('recurzoo')}")
        raise typer.Exit


@app.callback()
def _recurzoo(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A Keras model zoo of recurrent and weight-shared vision models, with pretrained weights."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and print what it returns.

    A command returns a `Report`, whose `to_dict` is printed with `--json` and whose `__rich__` without, or None.

    Args:
        arguments: the words after `recurzoo`; those of the process by default.

    Returns:
        The exit status: 0 done, 1 the work failed, 2 the words were wrong.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
    # TensorFlow greets every command with a page of its own.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    output = sys.stdout
    try:
        # With --json, whatever libraries print while at work goes where progress goes.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            result = app(arguments, prog_name="recurzoo", standalone_mode=False)
    except typer.Abort:
        return _fail("Interrupted.", FAILED)
    except UnknownNameError as error:
        return _fail(str(error), WRONG_WORDS)
    except EXPECTED as error:
        return _fail(str(error), FAILED)
    except Exception as error:
        # Typer's own errors, about options and arguments, know how to be told and with what status.
        if hasattr(error, "format_message"):
            return _fail(f"{error.format_message()} See recurzoo --help.", WRONG_WORDS)
        return _fail(f"Unexpected {type(error).__name__}: {error}. Set RECURZOO_DEBUG=1 to see where.", FAILED)
    if result == INTERRUPTED:
        return _fail("Interrupted.", FAILED)
    if result is None or isinstance(result, int):
        return result or DONE
    try:
        _print(result, as_json, output)
    except ValueError as error:
        return _fail(f"JSON cannot say this: {error}. Received: --json; leave it out", FAILED)
    return FAILED if result.failed else DONE


def _print(report: Any, as_json: bool, output: Any) -> None:
    if as_json:
        print(json.dumps(report.to_dict(), allow_nan=False), file=output)
    else:
        # In a pipe there is no width to fit into, and no line may be cut or broken.
        width = None if output.isatty() else 10_000
        Console(file=output, width=width, highlight=False, markup=False, emoji=False).print(report, crop=False)


def _fail(message: str, status: int) -> int:
    if os.environ.get("RECURZOO_DEBUG"):
        traceback.print_exc()
    print(f"recurzoo: {' '.join(message.split())}", file=sys.stderr)
    return status
