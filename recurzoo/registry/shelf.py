"""Where checkpoints lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from recurzoo.errors import MissingWeightsError, UnknownNameError
from recurzoo.registry import catalog
from recurzoo.registry.checkpoint import RECORD, read_record
from recurzoo.registry.names import split_tag

PACKAGE = Path(__file__).parent.parent


def weights_folders() -> list[Path]:
    """The folders that hold checkpoints, first those of the environment variable `RECURZOO_WEIGHTS`.

    Then come the wheel's and, in a clone, the repository's.
    """
    given = [Path(folder).expanduser() for folder in os.environ.get("RECURZOO_WEIGHTS", "").split(os.pathsep) if folder]
    clone = PACKAGE.parent
    shipped = [PACKAGE / "weights", *([clone / "weights"] if (clone / "pyproject.toml").is_file() else [])]
    return [folder for folder in (*given, *shipped) if folder.is_dir()]


def find_checkpoints() -> dict[str, Path]:
    """The checkpoints there are: folder by name, in order of name."""
    found: dict[str, Path] = {}
    for folder in weights_folders():
        for child in folder.iterdir():
            # What begins with a dot is a checkpoint being written.
            if split_tag(child.name)[1] and not child.name.startswith(".") and (child / RECORD).is_file():
                found.setdefault(child.name, child)
    return dict(sorted(found.items()))


def checkpoint_for(name: str) -> str | None:
    """The name of the checkpoint that a name loads: its own, or an architecture's default; None if it is not here.

    Args:
        name: of a checkpoint or an architecture.

    Raises:
        UnknownNameError: if no architecture has this name.
    """
    full = _full_name(name)
    return full if full in find_checkpoints() else None


def find_folder(name_or_folder: str | Path) -> Path:
    """Find the checkpoint that a name or a path stands for.

    A name of the zoo goes before a folder of that name in the working directory; write `./NAME` for the folder.

    Args:
        name_or_folder: the name of a checkpoint or an architecture, or the path of a folder.

    Returns:
        The folder.

    Raises:
        UnknownNameError: if it is neither.
        MissingWeightsError: if it is a name of the zoo that has no weights here.
        FileNotFoundError: if it is a path with no checkpoint.
    """
    name = str(name_or_folder)
    if name.startswith("hf://"):
        raise NotImplementedError(f"Loading from the Hugging Face Hub is not there yet. Received: {name!r}")
    path = Path(name).expanduser()
    if isinstance(name_or_folder, Path) or len(path.parts) > 1 or name.startswith((".", "~")):
        read_record(path)
        return path
    try:
        found = find_checkpoints().get(_full_name(name))
    except UnknownNameError:
        if not path.is_dir():
            raise
        read_record(path)
        return path
    if found is None and (path / RECORD).is_file():
        return path
    if found is None:
        raise MissingWeightsError(_say_what_to_do(name))
    return found


def _full_name(name: str) -> str:
    architecture, tag = split_tag(name)
    catalog.architecture(architecture)
    return f"{architecture}.{tag or catalog.default_tag(architecture)}"


def _say_what_to_do(name: str) -> str:
    architecture = split_tag(name)[0]
    others = [other for other in find_checkpoints() if split_tag(other)[0] == architecture]
    recipes = catalog.recipe_names(architecture)
    ways = [f"load {' or '.join(others)}"] if others else []
    ways.append(f'build it untrained with recurzoo.create("{architecture}")')
    if recipes:
        ways.append(f"train it with `recurzoo train {recipes[0]} --data DATA --out DIR`")
    return f"There are no weights of this name here. Received: {name!r}; {', or '.join(ways)}"
