"""A small Hub on 127.0.0.1, in memory, for the real `huggingface_hub` client: what downloads and `publish` ask of it.

    with HubServer() as hub:
        commit = hub.add("user/net", folder)                # or {"config.json": b"..."}; private=True
        environment = hub.environment(tmp_path)             # for a subprocess: HF_ENDPOINT is read at import
        hub.fail("*/model.onnx", reset=True, times=1)       # see `Fault`; hub.faults.clear() ends all
        hub.count("GET", "*/model.onnx")                    # requests, by pattern
        hub.repositories["user/net"].commits[-1].files

The token `hf_owner` belongs to `user`; any other is refused.
"""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import json
import os
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import pytest

LARGE = (".h5", ".onnx", ".safetensors", ".tflite")


@dataclass
class Fault:
    """What goes wrong with requests for a path.

    Args:
        path: pattern of the requested path, such as `"*/model.onnx"` or `"/api/*/commit/*"`.
        method: `"GET"`, `"HEAD"`, ..., or a pattern.
        status: int, answered instead of the content.
        headers: dict, of headers in place of the Hub's; None for no such header.
        body: what becomes of the bytes of an answer, or the bytes themselves.
        cut: bool, whether the connection closes after half of a body, or without an answer to a HEAD.
        reset: bool, whether it is reset there.
        stall: float, seconds of silence there, and before any other answer.
        times: int, after how many requests all is well again; None for never.
    """

    path: str
    method: str = "*"
    status: int = 0
    headers: dict[str, str | None] = field(default_factory=dict)
    body: Callable[[bytes], bytes] | bytes | None = None
    cut: bool = False
    reset: bool = False
    stall: float = 0.0
    times: int | None = None


def altered(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


@dataclass
class Commit:
    files: dict[str, bytes]
    changes: int
    id: str = field(default_factory=lambda: os.urandom(20).hex())


@dataclass
class Repository:
    """One branch, `main`."""

    private: bool = False
    commits: list[Commit] = field(default_factory=lambda: [Commit({".gitattributes": b""}, 0)])
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, changes: dict[str, bytes | None]) -> Commit:
        """Add a commit; None removes a file."""
        files = {name: content for name, content in (self.commits[-1].files | changes).items() if content is not None}
        self.commits.append(Commit(files, len(changes)))
        return self.commits[-1]

    def at(self, revision: str) -> Commit:
        wanted = self.commits[-1].id if revision == "main" else self.tags.get(revision, revision)
        for commit in self.commits:
            if commit.id == wanted:
                return commit
        raise HubError(404, f"Invalid rev id: {revision}", X_Error_Code="RevisionNotFound")


class HubError(Exception):
    """An answer other than 200, with headers, such as the code that the Hub's clients tell errors apart by."""

    def __init__(self, status: int, message: str, url: str = "", **headers: str) -> None:
        self.status, self.body = status, {"error": message, "url": url}
        self.headers = {"X-Error-Message": message} | {key.replace("_", "-"): text for key, text in headers.items()}


class HubServer:
    """The server, and what tests set and see of it."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.requests: Counter[tuple[str, str]] = Counter()
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.handle_error = lambda *client: None  # type: ignore[method-assign]  # Killed clients are no news.
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a client that knows this Hub, keeps its cache under `home` and has no token."""
        hidden = ("HF_", "HUGGING", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(hidden)}
        off = ("DISABLE_XET", "DISABLE_PROGRESS_BARS", "DISABLE_TELEMETRY")
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}
        return kept | own | {f"HF_HUB_{name}": "1" for name in off} | more

    def add(self, name: str, content: Path | dict[str, bytes], private: bool = False) -> str:
        """Commit files without HTTP; the repository is made. Gives the commit's id."""
        if isinstance(content, Path):
            content = {path.name: path.read_bytes() for path in content.iterdir()}
        with self.lock:
            repository = self.repositories.setdefault(name, Repository())
            repository.private = private
            return repository.commit(dict(content)).id

    def fail(self, path: str = "*", **fault: Any) -> None:
        """Switch a fault on."""
        self.faults.append(Fault(path, **fault))

    def count(self, method: str = "*", path: str = "*") -> int:
        """How many requests there were; patterns of method and path."""
        with self.lock:
            matches = fnmatch.fnmatchcase
            return sum(n for (m, p), n in self.requests.items() if matches(m, method) and matches(p, path))

    def note(self, method: str, path: str) -> Fault:
        """Count a request, and use up one of the times of the fault that strikes it."""
        with self.lock:
            self.requests[method, path] += 1
            for fault in self.faults:
                matches = fnmatch.fnmatchcase(path, fault.path) and fnmatch.fnmatchcase(method, fault.method)
                if matches and fault.times != 0:
                    fault.times = None if fault.times is None else fault.times - 1
                    return fault
        return Fault(path)

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> Any:
        """What JSON is made of, or a file with its headers."""
        for verb, pattern, endpoint in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and (verb == method or (verb, method) == ("GET", "HEAD")):
                if token not in (None, "hf_owner"):
                    raise HubError(401, "Invalid credentials in Authorization header")
                with self.lock:
                    return endpoint(self, token is not None, body, *map(unquote, filter(None, match.groups())))
        raise HubError(404, f"Sorry, we can't find the page you are looking for: {method} {path}")

    def _open(self, name: str, is_owner: bool, to_write: bool = False) -> Repository:
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not is_owner):
            raise HubError(404 if is_owner else 401, "Repository not found", X_Error_Code="RepoNotFound")
        if to_write and not (is_owner and name.startswith("user/")):
            raise HubError(403, "You don't have write access to this repository")
        return repository

    def _create(self, is_owner: bool, body: bytes) -> Any:
        asked = json.loads(body)
        name = f"{asked.get('organization') or 'user'}/{asked['name']}"
        if not is_owner or not name.startswith("user/"):
            raise HubError(403 if is_owner else 401, "You don't have the rights to create a model there")
        if name in self.repositories:
            raise HubError(409, "You already created this model repo", f"{self.url}/{name}")
        self.repositories[name] = Repository(private=asked.get("visibility") == "private")
        return {"url": f"{self.url}/{name}"}

    def _about(self, is_owner: bool, _: bytes, name: str, revision: str = "main") -> Any:
        repository = self._open(name, is_owner)
        commit = repository.at(revision)
        files = [{"rfilename": path} for path in commit.files]
        return {"id": name, "sha": commit.id, "private": repository.private, "siblings": files}

    def _tree(self, is_owner: bool, _: bytes, name: str, revision: str) -> Any:
        listed = []
        for path, content in self._open(name, is_owner).at(revision).files.items():
            listed.append({"type": "file", "path": path, "size": len(content), "oid": digest("", content)})
            if path.endswith(LARGE):
                listed[-1]["lfs"] = {"oid": digest(path, content), "size": len(content), "pointerSize": 1}
        return listed

    def _preupload(self, is_owner: bool, body: bytes, name: str, _: str) -> Any:
        self._open(name, is_owner, to_write=True)
        paths = [file["path"] for file in json.loads(body)["files"]]
        modes = {path: "lfs" if path.endswith(LARGE) else "regular" for path in paths}
        return {"files": [{"path": p, "uploadMode": mode, "shouldIgnore": False} for p, mode in modes.items()]}

    def _batch(self, is_owner: bool, body: bytes, name: str) -> Any:
        self._open(name, is_owner, to_write=True)
        objects = json.loads(body)["objects"]
        for item in objects:
            if item["oid"] not in self.uploads:
                item["actions"] = {"upload": {"href": f"{self.url}/storage/{item['oid']}"}}
        return {"transfer": "basic", "objects": objects}

    def _store(self, _: bool, body: bytes, oid: str) -> Any:
        self.uploads[oid] = body
        return {}

    def _commit(self, is_owner: bool, body: bytes, name: str, _: str) -> Any:
        repository = self._open(name, is_owner, to_write=True)
        lines = [json.loads(line) for line in body.splitlines()]
        if lines[0]["value"]["parentCommit"] != repository.commits[-1].id:
            raise HubError(412, "A commit has happened since. Please refresh and try again.")
        changes: dict[str, bytes | None] = {}
        for line in lines[1:]:
            value = line["value"]
            content = base64.b64decode(value["content"]) if line["key"] == "file" else None
            changes[value["path"]] = self.uploads[value["oid"]] if line["key"] == "lfsFile" else content
        made = repository.commit(changes)
        return {"commitOid": made.id, "commitUrl": f"{self.url}/{name}/commit/{made.id}"}

    def _resolve(self, is_owner: bool, _: bytes, name: str, revision: str, path: str) -> Any:
        commit = self._open(name, is_owner).at(revision)
        if path not in commit.files:
            raise HubError(404, "Entry not found", X_Error_Code="EntryNotFound", X_Repo_Commit=commit.id)
        content = commit.files[path]
        return content, {"X-Repo-Commit": commit.id, "ETag": f'"{digest(path, content)}"'}


def digest(path: str, content: bytes) -> str:
    """What the Hub knows a file by: SHA-256 for a large one, else Git's digest."""
    if path.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


REPOSITORY = "([^/]+/[^/]+)"
ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", "/api/repos/create", HubServer._create),
    ("POST", "/api/validate-yaml", lambda *_: {"errors": [], "warnings": []}),
    ("GET", f"/api/models/{REPOSITORY}(?:/revision/([^/]+))?", HubServer._about),
    ("GET", f"/api/models/{REPOSITORY}/tree/([^/]+)", HubServer._tree),
    ("POST", f"/api/models/{REPOSITORY}/preupload/([^/]+)", HubServer._preupload),
    ("POST", f"/api/models/{REPOSITORY}/commit/([^/]+)", HubServer._commit),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/batch", HubServer._batch),
    ("PUT", "/storage/([0-9a-f]+)", HubServer._store),
    ("GET", f"/{REPOSITORY}/resolve/([^/]+)/(.+)", HubServer._resolve),
]


@pytest.fixture
def hub():
    """A small Hub on this machine."""
    with HubServer() as hub:
        yield hub


@pytest.fixture
def cache(hub, monkeypatch, tmp_path):
    """Points the client in this process at the small Hub, without a token; gives the folder of its cache."""
    from huggingface_hub import constants

    # As the client reads them from the environment when it is imported.
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("HF_TOKEN", "RECURZOO_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home" / "hub"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: HubServer

    def _handle(self) -> None:
        path = urlsplit(self.path).path
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault, status = self.hub.note(self.command, path), 200
        try:
            if fault.status:
                raise HubError(fault.status, "The tests want it so")
            token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
            content, headers = self.hub.answer(self.command, path, token, body), {}
            if is_file := isinstance(content, tuple):
                content, headers = content
        except HubError as error:
            status, content, headers, is_file = error.status, error.body, error.headers, False
        data = content if is_file else json.dumps(content).encode()
        if fault.body is not None and (self.command != "HEAD" or not is_file):
            data = fault.body if isinstance(fault.body, bytes) else fault.body(data)
        start = int(re.sub(r"\D", "", self.headers.get("Range", "0")))
        halfway = max(start, len(data) // 2) if is_file and self.command == "GET" else None
        if halfway is None:
            self._strike(fault)
        if self.close_connection:
            return
        self.send_response(206 if start and status == 200 else status)
        for key, value in {**headers, "Content-Length": str(len(data) - start), **fault.headers}.items():
            if value is not None:
                self.send_header(key, value)
        self.end_headers()
        if halfway is not None:
            self.wfile.write(data[start:halfway])
            self.wfile.flush()
            self._strike(fault)
        if self.command != "HEAD" and not self.close_connection:
            self.wfile.write(data[halfway or start :])

    def _strike(self, fault: Fault) -> None:
        self.hub.closing.wait(fault.stall)
        self.close_connection |= fault.cut or fault.reset
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815

    def log_message(self, *words: Any) -> None:
        """Quiet: the requests are counted."""
