"""The command line: `recurzoo COMMAND ...`."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console
from rich.markup import escape

from recurzoo.base.documents import printable
from recurzoo.base.environment import import_quietly
from recurzoo.base.errors import ExportError, MissingWeightsError, UnknownNameError
from recurzoo.base.records import Report
from recurzoo.cli import (
    analyzing,
    benchmarking,
    deriving,
    exporting,
    fetching,
    inference,
    listing,
    publishing,
    recipes,
    reproducing,
    results,
    training,
)

DONE, FAILED, WRONG_WORDS = 0, 1, 2
# What Typer makes of Control-C.
INTERRUPTED = 130
# What the package raises with a sentence for the user; anything else is told with its type.
EXPECTED = (ValueError, OSError, ImportError, NotImplementedError, MissingWeightsError, ExportError)

USE, MAKE, STUDY, KEEP = "Use", "Make", "Study", "Keep"
# In the order of the help: each command's group and words, what it runs, and an example.
COMMANDS = (
    (USE, "list", listing.list_, 'list "swrn-*" --pretrained'),
    (USE, "info", listing.info_, "info swrn-28-10-2"),
    (USE, "predict", inference.predict_, "predict swrn-22-1-2 photo.jpg"),
    (USE, "evaluate", inference.evaluate_, "evaluate swrn-22-1-2 --data tfds:cifar10"),
    (MAKE, "recipes", recipes.recipes_, 'recipes "rc-4*"'),
    (MAKE, "train", training.train_, "train swrn-22-1-2.cifar10.cpu --data tfds:cifar10 --out runs/mine"),
    (MAKE, "fold", deriving.fold_, "fold swrn-22-1-2 --threshold 0.8 --out folded --data tfds:cifar10"),
    (MAKE, "grow", deriving.grow_, "grow ./swrn-28-2-2 --to swrn-28-10-2 --out grown"),
    (MAKE, "soften", deriving.soften_, "soften ResNet50 --templates 2 --out softened.imagenet.resnet50"),
    (MAKE, "quantize", deriving.quantize_, "quantize rc-4-w16 --data tfds:cifar10 --out rc-4-w16.cifar10.int8"),
    (MAKE, "export", exporting.export_, "export swrn-22-1-2 --format onnx --out swrn.onnx"),
    (STUDY, "analyze", analyzing.analyze_, "analyze ablation rc-4-w16 --data tfds:cifar10 --out ablation"),
    (STUDY, "anytime", analyzing.anytime_, "anytime rc-4-w16 --data tfds:cifar10 --accuracy 0.85"),
    (
        STUDY,
        "features",
        analyzing.features_,
        "features rc-4-w16 --data digits --outputs 'cell_2/*' --out x.safetensors",
    ),
    (STUDY, "reproduce", reproducing.reproduce_, "reproduce frnn-figure-5 --data tfds:cifar10"),
    (STUDY, "benchmark", benchmarking.benchmark_, "benchmark swrn-28-4-2 --against wrn-28-4 --batch 32"),
    (STUDY, "results", results.results_, "results"),
    (KEEP, "fetch", fetching.fetch_, "fetch hf://user/net --export onnx"),
    (KEEP, "verify", results.verify_, "verify swrn-22-1-2 --data tfds:cifar10"),
    (KEEP, "publish", publishing.publish_, "publish ./folded --repo user/net"),
)

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
for group, words, command, example in COMMANDS:
    # Brackets in an example would be read as markup.
    app.command(words, rich_help_panel=group, epilog=escape(f"Example: recurzoo {example}"))(command)


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
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    # A file whose name begins with a dash is no option.
    arguments = [f"./{word}" if len(word) > 1 and word[0] == "-" and _is_file(word) else word for word in arguments]
    as_json = "--json" in arguments
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import_quietly("tensorflow")
    end_like_control_c()
    output = sys.stdout
    try:
        # With --json, whatever libraries print while at work goes where progress goes.
        with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
            result = app(arguments, prog_name="recurzoo", standalone_mode=False)
        if result == INTERRUPTED:
            raise KeyboardInterrupt
        if result is None or isinstance(result, int):
            return result or DONE
        _print(result, as_json, output)
        return FAILED if result.failed else DONE
    except (typer.Abort, KeyboardInterrupt):
        return _fail("Interrupted.", FAILED)
    except UnknownNameError as error:
        return _fail(str(error), WRONG_WORDS)
    except BrokenPipeError:
        # Whoever was reading has seen enough; Python would complain once more as it ends.
        sys.stdout = None
        return FAILED
    except EXPECTED as error:
        return _fail(str(error), FAILED)
    except Exception as error:
        # Typer's own errors, about options and arguments, know how to be told and with what status.
        if hasattr(error, "format_message"):
            context, message = getattr(error, "ctx", None), error.format_message().rstrip()
            command = "recurzoo" if context is None else context.command_path
            return _fail(f"{message}{'' if message.endswith(('.', '?')) else '.'} See {command} --help.", WRONG_WORDS)
        return _fail(f"Unexpected {type(error).__name__}: {error}. Set RECURZOO_DEBUG=1 to see where.", FAILED)


def _is_file(word: str) -> bool:
    try:
        return Path(word).is_file()
    except (OSError, ValueError):
        # What no file system takes as a name.
        return False


def end_like_control_c() -> None:
    """Let a terminal that closes and a polite kill end a command as Control-C does: in one sentence, its state kept.

    What whoever started it lets it ignore it ignores, as `nohup` does of a terminal that closes.
    """
    # Elsewhere than in the main thread there are no signals to be had.
    with contextlib.suppress(ValueError):
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)


def _print(report: Report, as_json: bool, output: TextIO | None) -> None:
    if output is None:
        raise OSError("Standard output is closed. Received: nothing to print on; open it, or send it to a file")
    if as_json:
        print(report.to_json(), file=output, flush=True)
        return
    # In a pipe there is no width to fit into, and no line may be cut or broken. What the terminal's encoding lacks is
    # shown as its escape sequence.
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(errors="backslashreplace")
    width = None if output.isatty() else 10_000
    Console(file=output, width=width, highlight=False, markup=False, emoji=False).print(report, crop=False)
    output.flush()


def _fail(message: str, status: int) -> int:
    if os.environ.get("RECURZOO_DEBUG"):
        traceback.print_exc()
    if sys.stderr is not None:
        print(f"recurzoo: {printable(' '.join(message.split()))}", file=sys.stderr)
    return status
