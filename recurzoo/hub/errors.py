"""What went wrong between here and the Hugging Face Hub, in one sentence each."""

from __future__ import annotations

import contextlib
import errno
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from recurzoo.base.documents import one_line

# What a disk says no with, and what to do about it.
DISK = {
    errno.ENOSPC: "The disk is full; make room, or let HF_HOME name a cache elsewhere",
    errno.EDQUOT: "The disk's quota is used up; make room, or let HF_HOME name a cache elsewhere",
    errno.EFBIG: "A file is larger than the system lets this process write; raise the limit (ulimit -f)",
    errno.EROFS: "The cache is read-only; let HF_HOME name a folder that can be written",
    errno.EACCES: "Permission to a file is missing; let HF_HOME name a folder that can be written",
    errno.EPERM: "Permission to a file is missing; let HF_HOME name a folder that can be written",
}
STATUS = {
    400: "The Hub refuses this request as malformed",
    402: "The Hub asks for payment for this",
    403: "The Hub forbids this; give a token with the right to it",
    404: "The Hub has nothing at this address",
    409: "Something else is being done to this repository; try again",
    412: "The repository has changed meanwhile; try again",
    413: "The Hub refuses this upload as too large",
    429: "The Hub has had too many requests from here; try again later",
}


def explain(error: Exception, repo: str) -> Exception:
    """Put an error of the Hub's client into one of Python's own, with a sentence that says what to do.

    Args:
        error: what the client raised; errors that it wraps are looked into.
        repo: str, the repository, with its revision where there is one, to be named in the sentence.

    Returns:
        An exception to raise: an OSError (FileNotFoundError, PermissionError, ConnectionError, TimeoutError) or a
        ValueError; `error` itself where it is none that a client, a connection or a disk raises.

    Example:
        >>> try:
        ...     huggingface_hub.hf_hub_download("user/net", "config.json")
        ... except Exception as error:
        ...     raise explain(error, "user/net") from error
    """
    links = list(_chain(error))
    for link in links:
        told = _explain_answer(link, repo) or _explain_connection(link, repo) or _explain_disk(link, repo)
        if told is not None:
            return told
    return _explain_transfer(links[-1], repo) or error


@contextlib.contextmanager
def explained(repo: str) -> Iterator[None]:
    """Let errors of the Hub's client leave a `with` block explained, and others as they are.

    Args:
        repo: str, as `explain` takes it.
    """
    try:
        yield
    except Exception as error:
        told = explain(error, repo)
        if told is error:
            raise
        raise told from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, without those that only say that something failed."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    link: BaseException | None = error
    while link is not None:
        if link.__cause__ is None or not isinstance(link, LocalEntryNotFoundError):
            yield link
        link = link.__cause__


def _explain_answer(error: BaseException, repo: str) -> Exception | None:
    """For what the Hub answered."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        page = f"{_endpoint()}/{repo.removeprefix('hf://').partition('@')[0]}"
        return PermissionError(
            f"Access to this repository is granted by its owner. Received: {repo!r}; ask for it on {page}, and give a "
            "token (HF_TOKEN, or `hf auth login`)"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return FileNotFoundError(
            f"There is no such repository on {_endpoint()}, or it is private. Received: {repo!r}; mind the spelling, "
            "or give a token that may see it (HF_TOKEN, or `hf auth login`)"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return FileNotFoundError(
            f"The repository has no such revision. Received: {repo!r}; name a branch, a tag or a commit of it"
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        name = str(error.response.url.path).rpartition("/")[2]
        return FileNotFoundError(
            f"The repository lacks a file. Received: {repo!r}, without {name}; only what recurzoo publishes can be "
            "fetched"
        )
    if isinstance(error, errors.HFValidationError):
        return ValueError(f"A repository is named USER/NAME. Received: {repo!r}: {one_line(str(error))}")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return PermissionError(
            f"The Hub wants to know who asks. Received no token for {repo!r}; set HF_TOKEN, or run `hf auth login`"
        )
    if isinstance(error, errors.HfHubHTTPError):
        return _explain_status(error, repo)
    return None


def _explain_status(error: Any, repo: str) -> Exception:
    status = error.response.status_code
    said = f", which says: {one_line(str(error.server_message))}" if error.server_message else ""
    received = f"Received: {repo!r} and status {status} from {_endpoint()}{said}"
    if status == 401:
        return PermissionError(
            f"The Hub does not accept this token, or wants one. {received}; set HF_TOKEN, or run `hf auth login`"
        )
    if status >= 500:
        return ConnectionError(f"The Hub is in trouble, not this request; try again later. {received}")
    kind = PermissionError if status == 403 else OSError
    return kind(f"{STATUS.get(status, 'The Hub refuses this request')}. {received}")


def _explain_connection(error: BaseException, repo: str) -> Exception | None:
    """For where no proper answer came."""
    from huggingface_hub import errors

    http = _http_library()
    if isinstance(error, errors.OfflineModeIsEnabled):
        return ConnectionError(
            f"The Hub may not be asked, because HF_HUB_OFFLINE is set. Received: {repo!r}; unset it, or fetch this "
            "beforehand"
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return FileNotFoundError(
            f"This is not in the cache, and the Hub may not be asked. Received: {repo!r}; fetch it beforehand, or "
            "allow downloads"
        )
    if isinstance(error, http.TimeoutException):
        return TimeoutError(
            f"The Hub at {_endpoint()} did not answer in time. Received: {repo!r}; try again, or allow more time with "
            "HF_HUB_DOWNLOAD_TIMEOUT=SECONDS"
        )
    if isinstance(error, (http.TransportError, http.InvalidURL)):
        return ConnectionError(
            f"The Hub cannot be reached at {_endpoint()}: {one_line(str(error)) or type(error).__name__}. Received: "
            f"{repo!r}; check the network and HF_ENDPOINT"
        )
    # JSON that is none is a ValueError of Python's own; the client parses nothing but answers.
    not_a_hub = type(error).__name__ == "JSONDecodeError" or isinstance(error, errors.FileMetadataError)
    if not_a_hub or isinstance(error, (http.DecodingError, http.TooManyRedirects)):
        return ConnectionError(
            f"What answers at {_endpoint()} is not the Hub. Received: {repo!r}: {one_line(str(error))}; check "
            "HF_ENDPOINT and proxies"
        )
    if isinstance(error, OSError) and "Consistency check failed" in str(error):
        return ConnectionError(f"A file came incomplete from {_endpoint()}. Received: {repo!r}; try again")
    return None


def _explain_disk(error: BaseException, repo: str) -> Exception | None:
    if not isinstance(error, OSError) or error.errno is None:
        return None
    advice = DISK.get(error.errno, "The cache cannot be used; let HF_HOME name a folder that can be written")
    return type(error)(f"{advice}. Received: {repo!r}: {one_line(str(error))}")


def _explain_transfer(error: BaseException, repo: str) -> Exception | None:
    """For the library that moves large files, whose every error is a RuntimeError."""
    if type(error) is not RuntimeError:
        return None
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        return _explain_disk(OSError(int(found[1]), one_line(str(error))), repo)
    return ConnectionError(
        f"The Hub's storage did not give or take a file. Received: {repo!r}: {one_line(str(error))}; try again, or "
        "without Xet (HF_HUB_DISABLE_XET=1)"
    )


def _endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _http_library() -> ModuleType:
    """The library that the client speaks HTTP with: httpx in its version 1, httpx2 in version 2."""
    from huggingface_hub.errors import HfHubHTTPError

    return sys.modules[HfHubHTTPError.__bases__[0].__module__.partition(".")[0]]
