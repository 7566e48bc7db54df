"""Checkpoints on the Hugging Face Hub: downloaded by its own client into its own cache, and verified file by file."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recurzoo.base.documents import LARGEST, shorten
from recurzoo.checkpoints.folder import RECORD, is_as_recorded, read_record
from recurzoo.checkpoints.record import Record
from recurzoo.hub.errors import explain, may_pass
from recurzoo.hub.session import asking, progress_bar

SCHEME = "hf://"
# What an address on the Hub may begin with: its pages can be pasted.
ADDRESSES = (SCHEME, "https://", "http://")
# A branch, a tag or a commit: the client makes a path of it.
REVISION = re.compile(r"(?!.*\.\.)\w[\w.+-]*(/\w[\w.+-]*)*", re.ASCII)
TRIES = 3


@dataclass(frozen=True)
class Repository:
    """A repository of one checkpoint.

    Attributes:
        name: str, `USER/REPO`.
        revision: str, a branch, a tag or a commit; None for the newest.
        record_sha256: str, of the record that is expected there; None for any.
    """

    name: str
    revision: str | None = None
    record_sha256: str | None = None

    @classmethod
    def at(cls, address: str) -> Repository:
        """Read an address: `hf://USER/REPO`, `hf://USER/REPO@REVISION`, or that of the repository's page.

        Raises:
            ValueError: if it is none.
        """
        from huggingface_hub import constants, parse_hf_uri
        from huggingface_hub.errors import HfUriError

        try:
            uri = parse_hf_uri(address, endpoint=constants.ENDPOINT)
        except HfUriError:
            uri = None
        if uri is None or uri.type != "model" or uri.path_in_repo or not REVISION.fullmatch(uri.revision or "main"):
            raise ValueError(
                "An address is hf://USER/REPO or hf://USER/REPO@REVISION, where the revision is a branch, a tag or a "
                f"commit (%2F for a / in it). Received: {shorten(address)}"
            )
        return cls(uri.id, uri.revision)

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}" + (f"@{self.revision}" if self.revision else "")


@dataclass(frozen=True)
class Client:
    """How to reach the Hub. The client's own settings (`HF_ENDPOINT`, `HF_HUB_OFFLINE`, `HF_TOKEN`, ...) hold too.

    Attributes:
        token: str, or True or False to send the one that is logged in or none; None for the client's default.
        local_files_only: bool, whether to look in the cache alone.
    """

    token: str | bool | None = field(default=None, repr=False)
    local_files_only: bool = False

    def fetch(self, repository: Repository, names: Sequence[str]) -> tuple[Path, Record]:
        """Get files of a checkpoint, each verified against the record; what the cache has of them is not downloaded.

        A file that is not as recorded is fetched anew, once. Of a commit, the Hub is only asked for what the cache
        lacks; of a branch or a tag, always where that has got to, and the cache serves where the Hub does not answer.

        Args:
            repository: a `Repository`.
            names: the files' names; the record always comes too.

        Returns:
            The folder in the cache that has them, and the record.

        Raises:
            OSError: if they cannot be had or written: no such repository, no permission, no connection, a full disk.
            ValueError: if what the Hub has is not as recorded, or no checkpoint of the zoo.
        """
        with asking(str(repository)):
            folder = self._get(repository, RECORD, LARGEST, lambda path: _is_the_record(path, repository)).parent
            record = read_record(folder)
            if absent := [name for name in names if name not in record.files]:
                raise FileNotFoundError(
                    f"This checkpoint has no {', '.join(absent)}. Received: {str(repository)!r}, which has "
                    f"{', '.join(record.files) or 'nothing'}"
                )
            # All from the record's own commit, whatever is published meanwhile.
            commit = Repository(repository.name, folder.name)
            for name in names:
                largest = record.files[name].bytes
                self._get(commit, name, largest, lambda path: is_as_recorded(folder, path.name, record))
            return folder, record

    def _get(self, repository: Repository, name: str, largest: int, is_right: Callable[[Path], bool]) -> Path:
        path = self._download(repository, name, largest)
        if is_right(path):
            return path
        try:
            if self.local_files_only:
                raise ValueError("the Hub may not be asked")
            if path.is_symlink():
                path = self._download(repository, name, largest, force_download=True)
            else:
                # The client leaves what has taken the place of its link.
                path.unlink()
                path = self._download(repository, name, largest)
        except Exception as error:
            raise ValueError(
                f"A file in the cache is not as recorded, and could not be fetched anew. Received: {str(path)!r}; "
                f"{explain(error, str(repository))}"
            ) from None
        if not is_right(path):
            raise ValueError(
                "A file of this checkpoint is not the one that is recorded, also when fetched anew. Received: "
                f"{name} of {str(repository)!r}, with another SHA-256; tell its owner"
            )
        return path

    def _download(self, repository: Repository, name: str, largest: int, **options: Any) -> Path:
        from huggingface_hub import hf_hub_download

        options |= {"token": self.token, "local_files_only": self.local_files_only}
        options["tqdm_class"] = progress_bar(largest, f"{name} of {str(repository)!r}")
        for attempt in range(1, TRIES):
            try:
                return Path(hf_hub_download(repository.name, name, revision=repository.revision, **options))
            except Exception as error:
                if not may_pass(error):
                    raise
                time.sleep(attempt)
        return Path(hf_hub_download(repository.name, name, revision=repository.revision, **options))


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


def _is_the_record(path: Path, repository: Repository) -> bool:
    """Whether a file is the record that is expected, or else has the digest that the Hub gave and the client kept."""
    from huggingface_hub.utils.sha import git_hash

    if not path.is_file() or path.stat().st_size > LARGEST:
        return False
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    if repository.record_sha256:
        return sha256 == repository.record_sha256
    if path.is_symlink():
        return Path(os.readlink(path)).name in (sha256, git_hash(content))
    # Somebody's edit in place of a link; but where the system has no links, all files are here and no blobs.
    blobs = path.parents[2] / "blobs"
    return not (blobs.is_dir() and any(blobs.iterdir()))
