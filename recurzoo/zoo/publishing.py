"""Publishing a checkpoint on the Hugging Face Hub: checked before, in one commit, and only what its record lists."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from recurzoo.base.documents import shorten
from recurzoo.base.records import Report
from recurzoo.catalog import catalog
from recurzoo.catalog.names import split_tag
from recurzoo.checkpoints.folder import CARD, FILES, KERAS_FILES, RECORD, REQUIRED, measure, verify_files
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.weights import write_keras_files
from recurzoo.hub.client import Client
from recurzoo.hub.session import asking
from recurzoo.zoo.card import write_card
from recurzoo.zoo.finding import find_checkpoint
from recurzoo.zoo.loading import load

Content = Path | bytes


class Published(Report):
    """What `publish` did.

    Attributes:
        name: str, the checkpoint's.
        url: str, of the repository.
        commit: str, the commit that holds the checkpoint: a new one if anything changed.
        private: bool, whether the repository is.
        uploaded: names of the files that are new or changed.
        unchanged: names of those that the repository had already.
        removed: names of those of an earlier checkpoint there that this one does not have.
        left_out: what else lies in the folder and is not part of the checkpoint.
        entry: str, the lines for the family's `family.toml` that let the checkpoint's name find it here; None for a
            name that is none of the zoo's.
    """

    name: str
    url: str
    commit: str
    private: bool
    uploaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]
    entry: str | None

    def __rich__(self) -> RenderableType:
        table = Table(show_header=False, box=None, pad_edge=False, title=self.name, title_justify="left")
        rows = {
            "repository": self.url + (" (private)" if self.private else ""),
            "commit": self.commit + ("" if self.uploaded or self.removed else " (as before: nothing has changed)"),
            "uploaded": ", ".join(self.uploaded),
            "unchanged": ", ".join(self.unchanged),
            "removed": ", ".join(self.removed),
            "left out": ", ".join(self.left_out),
        }
        for key, value in rows.items():
            if value:
                table.add_row(key, value)
        if self.entry is None:
            return table
        # In one line each, as they are to be pasted.
        return Group(table, Text(f"\nTo let the name find it:\n\n{self.entry}", no_wrap=True, overflow="ignore"))


def publish(name_or_folder: str | Path, repo: str, private: bool = False, token: str | bool | None = None) -> Published:
    """Publish a checkpoint on the Hugging Face Hub, from where `recurzoo.load("hf://USER/REPO")` takes it.

    The files that the record lists are uploaded in one commit, with those by which core Keras opens a folder, the
    record, and a card that is generated from it; nothing else in the folder is. Every file is compared with its hash
    first. Nothing is committed where the repository has it all already.

    Args:
        name_or_folder: the path of a checkpoint's folder, or the name of a checkpoint that is here.
        repo: str, `USER/REPO`. The repository is created if it is not there.
        private: bool, whether a new repository is only for its owner; one that is there must be so already.
        token: str, of the Hub; None for the one of `HF_TOKEN` or `hf auth login`.

    Returns:
        A `Published`.

    Raises:
        FileNotFoundError: if there is no checkpoint.
        ValueError: if a file is missing or not as recorded; if the record lacks hashes, a test score or licenses, all
            of which the error lists; or if `repo` is no name of a repository.
        OSError: if the Hub cannot be reached, or does not allow this.

    Example:
        >>> recurzoo.save(model, "my-model", record)
        >>> recurzoo.publish("my-model", "user/my-model", private=True)
    """
    folder, record = find_checkpoint(name_or_folder, needs=(), client=Client(token, local_files_only=True))
    _refuse_incomplete(folder, record)
    verify_files(folder, record, whole=True)
    with tempfile.TemporaryDirectory() as place:
        files = {name: folder / name for name in record.files}
        if not {*KERAS_FILES} <= {*files}:
            write_keras_files(load(folder), Path(place))
            written = {name: Path(place, name) for name in KERAS_FILES}
            files |= written
            measured = {name: measure(path) for name, path in written.items()}
            record = record.replace(files=dict(sorted({**record.files, **measured}.items())))
        text, card = record.to_json(indent=2) + "\n", write_card(record, repo)
        content: dict[str, Content] = {**files, RECORD: text.encode(), CARD: card.encode()}
        left_out = tuple(sorted(path.name for path in folder.iterdir() if path.name not in content))
        with asking(repo):
            return _upload(record, content, left_out, repo, private, token)


def _refuse_incomplete(folder: Path, record: Record) -> None:
    data = record.dataset
    lacking = {
        "hashes of": [name for name in REQUIRED if name not in record.files],
        "test scores:": [] if record.headline else ["as train and fold --data measure them"],
        "licenses:": [
            *([] if record.license else ["license, of the weights"]),
            *([] if data and data.license else ["dataset.license, of the data set"]),
        ],
    }
    if problems := [f"{what} {', '.join(names)}" for what, names in lacking.items() if names]:
        raise ValueError(
            "A checkpoint is published with hashes, a test score and licenses in its record. Received: "
            f"{str(folder)!r}, which lacks {'; '.join(problems)}. Train it with --set license=... and "
            "--set data_license=..., or save it again with recurzoo.save(model, folder, record)"
        )


def _upload(
    record: Record, content: Mapping[str, Content], left_out: tuple[str, ...], repo: str, private: bool, token: Any
) -> Published:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    validate_repo_id(repo)
    if "/" not in repo:
        raise HFValidationError("it lacks the user or organization")
    api = HfApi(token=token, library_name="recurzoo")
    url = str(api.create_repo(repo, private=private or None, exist_ok=True))
    found = api.model_info(repo)
    if private and not found.private:
        raise ValueError(
            f"This repository is public already, so nothing was uploaded. Received: {repo!r} with private=True; make "
            "it private on the Hub, or publish in the open"
        )
    # What is compared is what is built on; without a commit the client refuses to.
    base = found.sha or ""
    there: dict[str, Any] = {file.path: file for file in api.list_repo_tree(repo, recursive=True, revision=base)}
    there.pop(".gitattributes", None)
    others = sorted(set(there) - set(FILES))
    if others or (there and RECORD not in there):
        raise ValueError(
            f"Only a checkpoint is ever overwritten, so nothing was uploaded. Received: {repo!r}, which has "
            f"{shorten(', '.join(others or sorted(there)))}; take another repository"
        )
    changed = [name for name in content if name not in there or not _is_same(content[name], there[name])]
    # Of an earlier checkpoint: an old export beside new weights would be another network.
    stale = sorted(set(there) - set(content))
    commit = base
    if changed or stale:
        additions = [CommitOperationAdd(name, content[name]) for name in changed]
        for addition in additions:
            # One by one, as the client uploads several in threads, where the wait for an answer has no bound.
            api.preupload_lfs_files(repo, [addition], free_memory=False)
        operations: list[Any] = [*additions, *map(CommitOperationDelete, stale)]
        message = f"Publish {record.name}"
        commit = api.create_commit(repo, operations, commit_message=message, parent_commit=base).oid
    return Published(
        name=record.name,
        url=url,
        commit=commit,
        private=bool(found.private),
        uploaded=tuple(sorted(changed)),
        unchanged=tuple(sorted(set(content) - set(changed))),
        removed=tuple(stale),
        left_out=left_out,
        entry=_entry(record, repo, commit, hashlib.sha256(_bytes(content[RECORD])).hexdigest()),
    )


def _entry(record: Record, repo: str, commit: str, sha256: str) -> str | None:
    if split_tag(record.name)[0] != record.architecture:
        return None
    family = catalog.architecture(record.architecture).family
    facts = f'{{ repo = "{repo}", commit = "{commit}", record_sha256 = "{sha256}" }}'
    return f"# recurzoo/families/{family}/family.toml\n[published]\n{json.dumps(record.name)} = {facts}"


def _is_same(content: Content, there: Any) -> bool:
    """Whether the Hub has this content; it tells the SHA-256 of a large file, and Git's digest of a small one."""
    from huggingface_hub.utils.sha import git_hash

    data = _bytes(content)
    return hashlib.sha256(data).hexdigest() == there.lfs.sha256 if there.lfs else git_hash(data) == there.blob_id


def _bytes(content: Content) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()
