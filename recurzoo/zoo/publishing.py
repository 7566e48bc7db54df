"""Publishing a checkpoint on the Hugging Face Hub: checked before, in one commit, and only what its record lists."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from recurzoo.base.records import Report
from recurzoo.checkpoints.folder import CARD, FILES, RECORD, REQUIRED, read_record, verify_files
from recurzoo.checkpoints.record import Record
from recurzoo.checkpoints.scores import scores
from recurzoo.hub.client import Client
from recurzoo.hub.errors import explained
from recurzoo.zoo.cards.card import write_card
from recurzoo.zoo.finding import find_folder

Content = Path | bytes


@dataclass(frozen=True)
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
    """

    name: str
    url: str
    commit: str
    private: bool
    uploaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    left_out: tuple[str, ...]

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
        return table


def publish(name_or_folder: str | Path, repo: str, private: bool = False, token: str | bool | None = None) -> Published:
    """Publish a checkpoint on the Hugging Face Hub, from where `recurzoo.load("hf://USER/REPO")` takes it.

    The files that the record lists are uploaded in one commit, with the record and a card that is generated from it;
    nothing else in the folder is. Every file is compared with its hash first. Nothing is committed where the
    repository has it all already.

    Args:
        name_or_folder: the path of a checkpoint's folder, or the name of a checkpoint that is here.
        repo: str, `USER/REPO`. The repository is created if it is not there.
        private: bool, whether a new repository is only for its owner; one that is there must be so already.
        token: str, of the Hub; None for the one of `HF_TOKEN` or `hf auth login`.

    Returns:
        A `Published`.

    Raises:
        FileNotFoundError: if there is no checkpoint.
        ValueError: if a file is missing or not as recorded; if the record lacks hashes, a test score or licences, all
            of which the error lists; or if `repo` is no name of a repository.
        OSError: if the Hub cannot be reached, or does not allow this.

    Example:
        >>> recurzoo.save(model, "my-model", record)
        >>> recurzoo.publish("my-model", "user/my-model", private=True)
    """
    folder = find_folder(name_or_folder, needs=(), client=Client(token, local_files_only=True))
    record = read_record(folder)
    _refuse_incomplete(folder, record)
    verify_files(folder, record, whole=True)
    content: dict[str, Content] = {
        **{name: folder / name for name in record.files},
        RECORD: (folder / RECORD).read_bytes(),
        CARD: write_card(record, repo).encode(),
    }
    left_out = tuple(sorted(path.name for path in folder.iterdir() if path.name not in content))
    with explained(repo):
        return _upload(record, content, left_out, repo, private, token)


def _refuse_incomplete(folder: Path, record: Record) -> None:
    data = record.dataset
    lacking = {
        "hashes of": [name for name in REQUIRED if name not in record.files],
        "test scores:": [] if scores(record.metrics) else ["metrics, as train and fold --data measure them"],
        "licences:": [
            *([] if record.licence else ["licence, of the weights"]),
            *([] if data and data.licence else ["dataset.licence, of the data set"]),
        ],
    }
    if problems := [f"{what} {', '.join(names)}" for what, names in lacking.items() if names]:
        raise ValueError(
            "A checkpoint is published with hashes, a test score and licences in its record. Received: "
            f"{str(folder)!r}, which lacks {'; '.join(problems)}. Train it with --set licence=... and "
            "--set data_licence=..., or save it again with recurzoo.save(model, folder, record)"
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
    there: dict[str, Any] = {file.path: file for file in api.get_paths_info(repo, list(FILES), revision=found.sha)}
    if RECORD not in there and (others := sorted(set(there) - {CARD})):
        raise ValueError(
            f"Only a checkpoint is ever overwritten, so nothing was uploaded. Received: {repo!r}, which has "
            f"{', '.join(others)} and no {RECORD}; take another repository"
        )
    changed = [name for name in content if name not in there or not _is_same(content[name], there[name])]
    # Of an earlier checkpoint: an old export beside new weights would be another network.
    stale = sorted(set(there) - set(content))
    commit = found.sha
    if changed or stale:
        commit = api.create_commit(
            repo,
            [*(CommitOperationAdd(name, content[name]) for name in changed), *map(CommitOperationDelete, stale)],
            commit_message=f"Publish {record.name}",
            # What was compared is what is built on.
            parent_commit=found.sha,
        ).oid
    unchanged = tuple(sorted(set(content) - set(changed)))
    uploaded, removed = tuple(sorted(changed)), tuple(stale)
    return Published(record.name, url, str(commit), bool(found.private), uploaded, unchanged, removed, left_out)


def _is_same(content: Content, there: Any) -> bool:
    """Whether the Hub has this content; it tells the SHA-256 of a large file, and Git's digest of a small one."""
    from huggingface_hub.utils.sha import git_hash

    data = content if isinstance(content, bytes) else content.read_bytes()
    return hashlib.sha256(data).hexdigest() == there.lfs.sha256 if there.lfs else git_hash(data) == there.blob_id
