"""What an answer of the Hub may do: write nothing outside the client's cache, and keep nobody waiting for ever.

The client takes the digests in an answer for names of files, honours any `Retry-After`, and retries what is silent for
six minutes and more. So its session gets two hooks, which do nothing outside `asking`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from recurzoo.base.documents import printable
from recurzoo.hub.errors import explained

# Seconds in all without a byte from the Hub: time-outs, tries and the pauses between them.
LONGEST_WAIT = 120.0
COMMIT = re.compile(r"[0-9a-f]{40}")
# Of a small file Git's, of a large one SHA-256.
DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Patience:
    """How long the Hub may still be silent; what comes from it renews the time."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self._end = time.monotonic() + LONGEST_WAIT

    @property
    def left(self) -> float:
        return self._end - time.monotonic()


_patience: ContextVar[Patience | None] = ContextVar("patience", default=None)
_installing = threading.Lock()


@contextlib.contextmanager
def asking(repo: str) -> Iterator[None]:
    """Let the client ask the Hub, within bounds; whatever goes wrong leaves the block explained.

    Args:
        repo: str, the repository, with its revision where there is one, to be named in errors.
    """
    _install_hooks()
    # Here the client says that it waits for another process, and for which lock.
    logging.getLogger("huggingface_hub.utils._fixes").setLevel(logging.INFO)
    token = _patience.set(Patience())
    try:
        with explained(repo):
            yield
    finally:
        _patience.reset(token)


def progress_bar(largest: int, what: str) -> type:
    """A class of progress bars for a download, which ends one that is larger than it may be.

    Args:
        largest: int, bytes.
        what: str, the file, to be named in the error.
    """
    from huggingface_hub.utils import tqdm

    class Progress(tqdm):  # type: ignore[misc, valid-type]
        received = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += n or 0
            if self.received > largest:
                raise ValueError(
                    f"This is larger than it may be, so it was not downloaded. Received: {what}, with more than "
                    f"{largest} bytes; tell its owner"
                )
            if patience := _patience.get():
                patience.renew()
            return super().update(n)

    return Progress


def _install_hooks() -> None:
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    with _installing:
        # The user may have set a factory, with a proxy or certificates; the client has no public way to ask for it.
        factory = _http._GLOBAL_CLIENT_FACTORY
        if getattr(factory, "func", None) is not _with_hooks:
            set_client_factory(functools.partial(_with_hooks, factory))


def _with_hooks(factory: Any) -> Any:
    client = factory()
    client.event_hooks["request"].append(_bound_request)
    client.event_hooks["response"].append(_check_response)
    return client


def _bound_request(request: Any) -> None:
    if (patience := _patience.get()) is None:
        return
    if patience.left <= 0:
        raise TimeoutError(f"nothing came for {LONGEST_WAIT:.0f} seconds")
    timeouts = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: min(timeouts.get(kind) or LONGEST_WAIT, patience.left) for kind in ("connect", "read", "write", "pool")
    }


def _check_response(response: Any) -> None:
    from huggingface_hub.errors import FileMetadataError
    from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers

    if (patience := _patience.get()) is None:
        return
    headers = response.headers
    for name, value in headers.items():
        # The client prints some, such as warnings.
        if not value.isprintable():
            headers[name] = printable(value)
    if (commit := headers.get("X-Repo-Commit")) is not None and response.request.method == "HEAD":
        digest = headers.get("X-Linked-Etag") or headers.get("ETag")
        if not COMMIT.fullmatch(commit):
            raise FileMetadataError(f"{commit!r} is no commit")
        if digest is not None and not DIGEST.fullmatch(digest.removeprefix("W/").strip('"')):
            raise FileMetadataError(f"{digest!r} is no digest")
    if response.is_error:
        rate = parse_ratelimit_headers(headers)
        pause = headers.get("Retry-After", "")
        seconds = rate.reset_in_seconds if rate and not rate.remaining else float(pause if pause.isdecimal() else 0)
        if seconds > patience.left:
            hf_raise_for_status(response)
    elif response.request.method != "HEAD":
        patience.renew()
