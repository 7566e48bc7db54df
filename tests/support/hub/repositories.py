"""The state of the small Hub that tests run: accounts, repositories, commits, and faults to switch on."""

from __future__ import annotations

import datetime
import fnmatch
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

# What the Hub writes into each new repository, cut to the suffixes that matter here.
GIT_ATTRIBUTES = b"".join(
    b"*.%s filter=lfs diff=lfs merge=lfs -text\n" % suffix for suffix in (b"h5", b"onnx", b"safetensors", b"tflite")
)
REGULAR_LIMIT = 10_000_000


class HubError(Exception):
    """An answer other than 200, with the code that the Hub's clients tell errors apart by."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


@dataclass(frozen=True)
class Account:
    """Whom a token belongs to; it may write to its own namespace and those of its organizations."""

    name: str
    organizations: tuple[str, ...] = ()
    writes: bool = True


@dataclass(frozen=True)
class Commit:
    """A commit: all files after it, and how many it added, changed or removed (0 is an empty commit)."""

    id: str
    summary: str
    files: dict[str, bytes]
    changes: int


@dataclass
class Repository:
    """A model repository with one history; branches and tags point into it."""

    name: str
    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return self.name.partition("/")[0]

    def commit(self, summary: str, changes: dict[str, bytes | None], branch: str = "main") -> Commit:
        """Add a commit to a branch; None removes a file."""
        head = self.branches.get(branch)
        before = self.at(head).files if head else {}
        files = {name: content for name, content in (before | changes).items() if content is not None}
        changed = sum(before.get(name) != files.get(name) for name in changes)
        tree = sorted((name, git_blob_id(content)) for name, content in files.items())
        # As in git, an id follows from the content, the parent and the time; the number stands for the time.
        content = json.dumps([tree, head, summary, len(self.commits)]).encode()
        commit = Commit(hashlib.sha1(content).hexdigest(), summary, files, changed)
        self.commits.append(commit)
        self.branches[branch] = commit.id
        return commit

    def at(self, revision: str) -> Commit:
        """The commit that a branch, a tag or a commit id names."""
        wanted = self.branches.get(revision) or self.tags.get(revision) or revision
        for commit in self.commits:
            if commit.id == wanted:
                return commit
        raise HubError(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    @property
    def head(self) -> Commit:
        return self.at("main")

    def is_large(self, name: str, size: int, sample: bytes, files: dict[str, bytes]) -> bool:
        """Whether the Hub would keep a file as a large one, beside git."""
        lines = files.get(".gitattributes", b"").decode().splitlines()
        patterns = [line.split()[0] for line in lines if "filter=lfs" in line]
        return size > REGULAR_LIMIT or b"\0" in sample or any(fnmatch.fnmatch(name, p) for p in patterns)

    def keeps_large(self, commit: Commit, name: str) -> bool:
        content = commit.files[name]
        return self.is_large(name, len(content), content[:512], commit.files)


def new_repository(name: str, private: bool = False) -> Repository:
    """A repository as the Hub creates it."""
    repository = Repository(name, private)
    repository.commit("initial commit", {".gitattributes": GIT_ATTRIBUTES})
    return repository


def git_blob_id(content: bytes) -> str:
    """The id that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(repository: Repository, commit: Commit, name: str) -> dict[str, object]:
    """A file as the Hub's lists of files tell of it."""
    content = commit.files[name]
    told: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": git_blob_id(content)}
    if repository.keeps_large(commit, name):
        digest = hashlib.sha256(content).hexdigest()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n".encode()
        told |= {
            "oid": git_blob_id(pointer),
            "lfs": {"oid": digest, "size": len(content), "pointerSize": len(pointer)},
        }
    return told


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
