"""Where checkpoints lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from recurzoo.base.documents import shorten
from recurzoo.base.errors import MissingWeightsError, UnknownNameError
from recurzoo.catalog import catalog
from recurzoo.catalog.names import parse, split_tag
from recurzoo.checkpoints.folder import RECORD, REQUIRED, read_record
from recurzoo.checkpoints.record import Record
from recurzoo.hub.client import ADDRESSES, Client, Repository

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
            if _is_a_checkpoints(child.name) and (child / RECORD).is_file():
                found.setdefault(child.name, child)
    return dict(sorted(found.items()))


def _is_a_checkpoints(name: str) -> bool:
    architecture, tag = split_tag(name)
    # What begins with a dot is a checkpoint being written.
    if not tag or name.startswith("."):
        return False
    try:
        parse(architecture)
    except UnknownNameError:
        return False
    return True


def find_folder(name_or_folder: str | Path, needs: Sequence[str] = REQUIRED, client: Client | None = None) -> Path:
    """The folder that `find_checkpoint` gives."""
    return find_checkpoint(name_or_folder, needs, client)[0]


def find_checkpoint(
    name_or_folder: str | Path, needs: Sequence[str] = REQUIRED, client: Client | None = None
) -> tuple[Path, Record]:
    """Find the checkpoint that a name, a path or an address stands for; download it if need be.

    A name of the zoo is looked for in the folders of `weights_folders`, and on the Hub if it is published there or the
    environment variable `RECURZOO_NAMESPACE` names who publishes all names. It goes before a folder of that name in the
    working directory; write `./NAME` for the folder.

    Args:
        name_or_folder: the name of a checkpoint or an architecture, the path of a folder, or
            `hf://USER/REPO[@REVISION]`.
        needs: names of files that the checkpoint must have.
        client: how to reach the Hub.

    Returns:
        The folder and its record.

    Raises:
        UnknownNameError: if it is none of these.
        MissingWeightsError: if it is a name of the zoo that has no such files here, and the Hub gave none.
        FileNotFoundError: if it is a path with no checkpoint, or a checkpoint without these files.
        OSError: if a download fails.
        ValueError: if a downloaded file is not as recorded, or a name's record is that of another checkpoint.
    """
    name, client = str(name_or_folder), client or Client()
    if name.startswith(ADDRESSES):
        return client.fetch(Repository.at(name), needs)
    path = Path(name).expanduser()
    if isinstance(name_or_folder, Path) or len(path.parts) > 1 or name.startswith((".", "~")):
        return path, _read_record_with(path, needs)
    try:
        checkpoint = _full_name(name)
    except UnknownNameError:
        # Not by the path, which raises an error of its own where a name is too long for a file.
        if not os.path.isdir(path):
            raise
        return path, _read_record_with(path, needs)
    shipped = find_checkpoints().get(checkpoint)
    if shipped is not None:
        record = read_record(shipped)
        if not _lacks(record, needs):
            check_name(record, checkpoint, shipped)
            return shipped, record
    elif os.path.isfile(path / RECORD):
        return path, _read_record_with(path, needs)
    folder, record = _fetch(name, checkpoint, needs, client)
    check_name(record, checkpoint, folder)
    return folder, record


def check_name(record: Record, checkpoint: str, folder: Path) -> None:
    """Refuse a folder that is found by a name of the zoo and holds another checkpoint.

    Raises:
        ValueError: if the record has another name, or another architecture than the name says.
    """
    found = (record.name, record.architecture)
    if found != (checkpoint, split_tag(checkpoint)[0]):
        raise ValueError(
            f"This folder holds another checkpoint than its name says. Received: {str(folder)!r} for {checkpoint!r}, "
            f"with the record of {shorten(record.name)}, a {shorten(record.architecture)}; move it, or tell its owner"
        )


def _read_record_with(folder: Path, needs: Sequence[str]) -> Record:
    record = read_record(folder)
    if lacking := _lacks(record, needs):
        raise FileNotFoundError(f"This checkpoint has no {', '.join(lacking)}. Received: {str(folder)!r}")
    return record


def _lacks(record: Record, needs: Sequence[str]) -> list[str]:
    # What is recorded and gone is for the verification to tell.
    return [name for name in needs if name not in record.files]


def _fetch(name: str, checkpoint: str, needs: Sequence[str], client: Client) -> tuple[Path, Record]:
    published = catalog.published(checkpoint)
    if namespace := os.environ.get("RECURZOO_NAMESPACE"):
        repository = Repository(f"{namespace}/{checkpoint}")
    elif published:
        repository = Repository(published.repo, published.commit, published.record_sha256)
    else:
        raise MissingWeightsError(_say_what_to_do(name, needs, "none are published"))
    try:
        return client.fetch(repository, needs)
    except (FileNotFoundError, ConnectionError) as error:
        problem = str(error).partition(". Received")[0]
        reason = "none are in the cache" if client.local_files_only else f"{repository} gives none ({problem})"
        raise MissingWeightsError(_say_what_to_do(name, needs, reason)) from None


def _full_name(name: str) -> str:
    architecture, tag = split_tag(name)
    catalog.architecture(architecture)
    return f"{architecture}.{tag or catalog.default_tag(architecture)}"


def _say_what_to_do(name: str, needs: Sequence[str], reason: str) -> str:
    architecture = split_tag(name)[0]
    others = [other for other in find_checkpoints() if split_tag(other)[0] == architecture]
    recipes = catalog.recipe_names(architecture)
    ways = [f"load {' or '.join(others)}"] if others else []
    ways.append(f'build it untrained with recurzoo.create("{architecture}")')
    if recipes:
        ways.append(f"train it with `recurzoo train {recipes[0]} --data DATA --out DIR`")
    what = "weights" if set(REQUIRED) <= {*needs} or not needs else ", ".join(needs)
    return (
        f"There are no {what} of this name here, and {reason}. Received: {shorten(name)}; {', or '.join(ways)}; what "
        f"ships instead is {', '.join(find_checkpoints()) or 'nothing'}"
    )
