"""Checkpoints on the Hugging Face Hub: downloaded by its own client into its own cache, and verified file by file."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurzoo.base.documents import LARGEST
from recurzoo.checkpoints.folder import RECORD, is_as_recorded, read_record
from recurzoo.checkpoints.record import Record
from recurzoo.hub.errors import explain, explained

SCHEME = "hf://"
NAMESPACE = "RECURZOO_NAMESPACE"
_ADDRESS = re.compile(r"hf://(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


@dataclass(frozen=True)
class Repository:
    """A repository of one checkpoint.

    Attributes:
        name: str, `USER/REPO`.
        revision: str, a branch, a tag or a commit; None for the newest.
    """

    name: str
    revision: str | None = None

    @classmethod
    def at(cls, address: str) -> Repository:
        """Read an address, `hf://USER/REPO` or `hf://USER/REPO@REVISION`.

        Raises:
            ValueError: if it is none.
        """
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise ValueError(f"An address is hf://USER/REPO or hf://USER/REPO@REVISION. Received: {address!r}")
        return cls(match["repo"], match["revision"])

    @classmethod
    def of(cls, checkpoint: str) -> Repository:
        """Where the zoo publishes a checkpoint: under the namespace that `RECURZOO_NAMESPACE` names, or `recurzoo`."""
        return cls(f"{os.environ.get(NAMESPACE) or 'recurzoo'}/{checkpoint}")

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Client:
    """How to reach the Hub. The client's own settings (`HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN`, ...) hold too.

    Attributes:
        token: str, or True or False to send the one that is logged in or none; None for the client's default.
        local_files_only: bool, whether to look in the cache alone.
    """

    token: str | bool | None = None
    local_files_only: bool = False

    def fetch(self, repository: Repository, names: Sequence[str], newest: bool = True) -> Path:
        """Get files of a checkpoint, each verified against the record; what the cache has of them is not downloaded.

        A file in the cache that is not as recorded is fetched anew, once. Processes that want the same checkpoint wait
        for the one that downloads it.

        Args:
            repository: a `Repository`.
            names: the files' names; the record always comes too.
            newest: bool. If False, what the cache has is good enough, and the Hub is asked only where it lacks a file.

        Returns:
            The folder in the cache that has them.

        Raises:
            OSError: if they cannot be had or written: no such repository, no permission, no connection, a full disk.
            ValueError: if what the Hub has is not as recorded, or no checkpoint of the zoo.
        """
        with explained(str(repository)):
            found = None if newest and not self.local_files_only else self._find_cached(repository, names)
            if found is not None:
                return found
            if self.local_files_only:
                raise FileNotFoundError(
                    f"The cache does not have {', '.join(names) or RECORD} as recorded, and nothing else may be asked. "
                    f"Received: {str(repository)!r}; let `recurzoo fetch {repository}` ask the Hub"
                )
            with _lock(repository):
                # Another process may have been waited for.
                found = None if newest else self._find_cached(repository, names)
                return found or self._download(repository, names)

    def _find_cached(self, repository: Repository, names: Sequence[str]) -> Path | None:
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            path = self._get(repository, RECORD, local_files_only=True)
        except LocalEntryNotFoundError:
            return None
        if not _is_as_named(path):
            return None
        folder, record = path.parent, read_record(path.parent)
        wanted = _with_what_is_there(folder, names, record)
        return folder if all(is_as_recorded(folder, name, record) for name in wanted) else None

    def _download(self, repository: Repository, names: Sequence[str]) -> Path:
        found = self._get(repository, RECORD, dry_run=True)
        if found.will_download and found.file_size > LARGEST:
            raise ValueError(
                f"This is larger than any record, so it was not downloaded. Received: {RECORD} of {str(repository)!r}, "
                f"with {found.file_size} bytes, more than {LARGEST}; tell its owner"
            )
        path = self._get(repository, RECORD)
        if not _is_as_named(path):
            self._renew(repository, path)
        folder, record = path.parent, read_record(path.parent)
        if absent := [name for name in names if name not in record.files]:
            raise FileNotFoundError(
                f"This checkpoint has no {', '.join(absent)}. Received: {str(repository)!r}, which has "
                f"{', '.join(record.files) or 'nothing'}"
            )
        # All from the record's own commit, whatever is published meanwhile.
        commit = Repository(repository.name, folder.name)
        for name in _with_what_is_there(folder, names, record):
            if not (folder / name).exists():
                self._refuse_another_size(commit, name, record.files[name].bytes)
                self._get(commit, name)
            if not is_as_recorded(folder, name, record):
                self._renew(commit, folder / name)
            if not is_as_recorded(folder, name, record):
                raise ValueError(
                    "A file of this checkpoint is not the one that its record describes, also when fetched anew. "
                    f"Received: {name} of {str(commit)!r}, with another SHA-256 than {record.files[name].sha256}; "
                    "tell its owner"
                )
        return folder

    def _refuse_another_size(self, repository: Repository, name: str, size: int) -> None:
        found = self._get(repository, name, dry_run=True)
        if found.file_size != size:
            raise ValueError(
                "A file of this checkpoint is not the one that its record describes, so it was not downloaded. "
                f"Received: {name} of {str(repository)!r}, with {found.file_size} bytes, not {size}; tell its owner"
            )

    def _renew(self, repository: Repository, path: Path) -> None:
        try:
            self._get(repository, path.name, force_download=True)
            if not path.is_symlink():
                # The client leaves what has taken the place of its link.
                path.unlink()
                self._get(repository, path.name)
        except Exception as error:
            raise ValueError(
                f"A file in the cache is not as recorded, and could not be fetched anew. Received: {str(path)!r}; "
                f"{explain(error, str(repository))}"
            ) from None

    def _get(self, repository: Repository, name: str, **options: Any) -> Any:
        from huggingface_hub import hf_hub_download

        options = {"local_files_only": self.local_files_only, **options}
        found = hf_hub_download(repository.name, name, revision=repository.revision, token=self.token, **options)
        return Path(found) if isinstance(found, str) else found


def refuse_to_change_a_download(name: str, folder: Path) -> None:
    """Files in the cache are the Hub's own, and everything that reads them compares them with it.

    Raises:
        ValueError: if a folder lies in the cache.
    """
    from huggingface_hub.constants import HF_HUB_CACHE

    if folder.resolve().is_relative_to(Path(HF_HUB_CACHE).expanduser().resolve()):
        raise ValueError(
            f"A download is never changed. Received: {name!r}, which is in the cache at {str(folder)!r}; copy that "
            "folder and give the copy"
        )


def _with_what_is_there(folder: Path, names: Sequence[str], record: Record) -> list[str]:
    """What is asked for, and what is there from earlier: whoever reads the folder verifies all of it."""
    return [*names, *(name for name in record.files if name not in names and (folder / name).exists())]


def _is_as_named(path: Path) -> bool:
    """Whether a file of the cache has the digest by which the Hub names it: SHA-256, or Git's own for small files."""
    from huggingface_hub.utils.sha import git_hash

    if not path.is_symlink():
        # Somebody's edit in place of a link; but where the system has no links, all files are here and no blobs.
        blobs = path.parents[2] / "blobs"
        return not (blobs.is_dir() and any(blobs.iterdir()))
    blob = path.resolve()
    if blob.stat().st_size > LARGEST:
        return False
    content = blob.read_bytes()
    if len(blob.name) == hashlib.sha256().digest_size * 2:
        return hashlib.sha256(content).hexdigest() == blob.name
    if len(blob.name) == hashlib.sha1().digest_size * 2:
        return git_hash(content) == blob.name
    return True


@contextlib.contextmanager
def _lock(repository: Repository) -> Iterator[None]:
    """Keep other processes from downloading the same checkpoint; the system frees the lock of one that was killed."""
    from filelock import FileLock
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE, ".locks", f"models--{repository.name.replace('/', '--')}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "recurzoo.lock").acquire()
    except OSError:
        # Where nothing can be written, nothing will be downloaded either: what is there may do.
        yield
        return
    with lock:
        yield
