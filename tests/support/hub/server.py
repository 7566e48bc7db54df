"""A small Hub on 127.0.0.1, for the real `huggingface_hub` client: what publishing and downloading ask of it.

Two ports, as the Hub has two hosts: one for the API and small files, one ("storage") for the bytes of large files, to
which downloads are redirected and which refuses a token that leaks to it. Everything is kept in memory.

    with HubServer() as hub:
        commit = hub.add("user/net", folder)                # or {"config.json": b"..."}; private=True, gated=True
        hub.repositories["user/net"].tags["v1"] = commit    # revisions: branches, tags, commit ids
        hub.accounts["hf_token"] = Account("user")          # hf_owner, of the account `user`, is there already
        environment = hub.environment(tmp_path)             # for a subprocess: HF_ENDPOINT is read at import
        subprocess.run([sys.executable, "-c", SCRIPT], env=environment | {"HF_TOKEN": "hf_owner"})
        hub.fail("*/model.weights.h5", cut=True, times=1)   # see `Fault`; hub.mend() ends all faults
        hub.count("GET", "*/model.weights.h5")              # requests, by pattern
        hub.downloads["user/net/config.json"]               # how often a file's bytes were asked for
        hub.bytes_served                                    # bytes of files' contents that were sent
        hub.repositories["user/net"].commits                # each with .id, .files, .changes
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import threading
from collections import Counter
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.support.hub.api import ApiHandler
from tests.support.hub.faults import Fault
from tests.support.hub.repositories import Account, HubError, Repository, new_repository, read_folder

__all__ = ["Account", "Fault", "HubServer"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    hub: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are killed or time out leave in the middle; that is no news."""


class HubServer:
    """The server, and what tests set and see of it."""

    def __init__(self) -> None:
        self.accounts = {"hf_owner": Account("user")}
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.requests: Counter[tuple[str, str]] = Counter()
        self.downloads: Counter[str] = Counter()
        self.bytes_served = 0
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._servers = [_Server(("127.0.0.1", 0), ApiHandler) for _ in range(2)]
        self.url, self.storage_url = (f"http://127.0.0.1:{server.server_address[1]}" for server in self._servers)

    def __enter__(self) -> Self:
        for server in self._servers:
            server.hub = self
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.closing.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def environment(self, home: Path, **more: str) -> dict[str, str]:
        """The environment of a client that knows this Hub, keeps its cache under `home` and has no token."""
        # Neither a proxy nor a token, mirror or cache of the machine.
        hidden = ("HF_", "HUGGING", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        kept = {key: value for key, value in os.environ.items() if not key.upper().startswith(hidden)}
        return kept | {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **more,
        }

    def add(self, name: str, content: Path | dict[str, bytes], private: bool = False, gated: bool = False) -> str:
        """Put files into a repository in one commit, without HTTP; the repository is made. Gives the commit's id."""
        with self.lock:
            repository = self.repositories.setdefault(name, new_repository(name))
            repository.private, repository.gated = private, gated
            files = read_folder(content) if isinstance(content, Path) else content
            for data in files.values():
                repository.objects[hashlib.sha256(data).hexdigest()] = data
            return repository.commit("Add files", dict(files)).id

    def fail(self, path: str = "*", **fault: Any) -> None:
        """Switch a fault on."""
        with self.lock:
            self.faults.append(Fault(path, **fault))

    def mend(self) -> None:
        """Switch all faults off."""
        with self.lock:
            self.faults.clear()

    def count(self, method: str = "*", path: str = "*") -> int:
        """How many requests there were; patterns of method and path."""
        with self.lock:
            return sum(
                number
                for (asked, where), number in self.requests.items()
                if fnmatch.fnmatchcase(asked, method) and fnmatch.fnmatchcase(where, path)
            )

    def fault_for(self, method: str, path: str) -> Fault | None:
        """The fault that strikes a request, which uses up one of its times."""
        with self.lock:
            fault = next((fault for fault in self.faults if fault.strikes(method, path)), None)
            if fault is not None and fault.times is not None:
                fault.times -= 1
            return fault

    def account(self, token: str | None) -> Account | None:
        if token is None:
            return None
        if token not in self.accounts:
            raise HubError(401, "Invalid credentials in Authorization header")
        return self.accounts[token]

    def readable(self, name: str, account: Account | None) -> Repository:
        """A repository that an account may see; to others, what is private is not there."""
        repository = self.repositories.get(name)
        if repository is None or (repository.private and not may_write(account, repository.namespace)):
            raise HubError(404 if account else 401, "Repository not found", "RepoNotFound")
        return repository

    def open_to_read(self, name: str, account: Account | None) -> Repository:
        """A repository whose files an account may read."""
        repository = self.readable(name, account)
        if repository.gated and not may_write(account, repository.namespace):
            message = f"Access to model {name} is restricted. You must be authenticated and on its list to access it."
            raise HubError(403 if account else 401, message, "GatedRepo")
        return repository

    def writable(self, name: str, account: Account | None) -> Repository:
        """A repository that an account may commit to."""
        repository = self.readable(name, account)
        if account is None:
            raise HubError(401, "Invalid username or password.")
        if not (account.writes and may_write(account, repository.namespace)):
            raise HubError(403, "You don't have write access to this repository")
        return repository

    def signed(self, name: str, oid: str, file: str = "") -> str:
        """The address of an object in the storage, open to whoever has it."""
        return f"{self.storage_url}/storage/{name}/{oid}/{quote(file)}?signature={self.signature(oid)}"

    def signature(self, oid: str) -> str:
        return hashlib.sha256(f"signed {oid}".encode()).hexdigest()


def may_write(account: Account | None, namespace: str) -> bool:
    return account is not None and namespace in (account.name, *account.organizations)
