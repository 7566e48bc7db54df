"""What went wrong between here and the Hugging Face Hub, in one sentence each."""

from __future__ import annotations

import contextlib
import errno
import re
import traceback
from collections.abc import Iterator

from recurzoo.base.documents import one_line

TOKEN = "a token (HF_TOKEN, or `hf auth login`)"
LATE = ("The Hub at {endpoint} did not answer in time", "try again later")
UNREACHABLE = ("The Hub cannot be reached at {endpoint}", "check the network and HF_ENDPOINT")
NOT_THE_HUB = ("What answers at {endpoint} is not the Hub", "check HF_ENDPOINT and proxies")
# Python's own errors for what the client and the library below it raise, with what is wrong and what to do.
KINDS: dict[type[Exception], dict[str, tuple[str, str]]] = {
    PermissionError: {
        "GatedRepoError": ("The owner grants access to this repository", f"ask on {{page}}, and give {TOKEN}"),
        "LocalTokenNotFoundError": ("The Hub wants to know who asks", f"give {TOKEN}"),
    },
    FileNotFoundError: {
        "RepositoryNotFoundError": ("There is no such repository on {endpoint}, or it is private", f"give {TOKEN}"),
        "RevisionNotFoundError": ("The repository has no such revision", "name a branch, a tag or a commit of it"),
        "RemoteEntryNotFoundError": ("The repository lacks {file}", "only what recurzoo publishes can be fetched"),
        "LocalEntryNotFoundError": ("This is not in the cache, and the Hub may not be asked", "fetch it beforehand"),
    },
    TimeoutError: {"TimeoutError": LATE, "TimeoutException": LATE},
    ConnectionError: {
        "OfflineModeIsEnabled": ("HF_HUB_OFFLINE forbids to ask the Hub", "unset it, or fetch this beforehand"),
        "TransportError": UNREACHABLE,
        "InvalidURL": UNREACHABLE,
        **dict.fromkeys(("DecodingError", "FileMetadataError", "JSONDecodeError", "TooManyRedirects"), NOT_THE_HUB),
    },
    ValueError: {"HFValidationError": ("A repository is named USER/REPO", "mind the spelling")},
}
# By the status of an answer.
STATUS = {
    401: (PermissionError, "The Hub does not accept this token, or wants one", f"give {TOKEN}"),
    403: (PermissionError, "The Hub forbids this", "give a token with the right to it"),
    409: (OSError, "Something else is being done to this repository", "try again"),
    412: (OSError, "The repository has changed meanwhile", "try again"),
    429: (OSError, "The Hub has had too many requests from here", "try again later"),
}
# What a disk says no with.
ELSEWHERE = "let HF_HOME name a folder that can be written"
DISK = {
    errno.ENOSPC: ("The disk is full", "make room, or let HF_HOME name a cache elsewhere"),
    errno.EDQUOT: ("The disk's quota is used up", "make room, or let HF_HOME name a cache elsewhere"),
    errno.EFBIG: ("A file is larger than the system lets this process write", "raise the limit (ulimit -f)"),
    errno.EROFS: ("The cache is read-only", ELSEWHERE),
    errno.EACCES: ("Permission to a file is missing", ELSEWHERE),
    errno.EPERM: ("Permission to a file is missing", ELSEWHERE),
}
# Whose frames tell where an error comes from.
BETWEEN = ("recurzoo", "huggingface_hub")
INCOMPLETE = "Consistency check failed"


def explain(error: Exception, repo: str) -> Exception:
    """Put an error of the Hub's client into one of Python's own, with a sentence that says what to do.

    Args:
        error: what the client raised; errors that it wraps are looked into.
        repo: str, the repository, with its revision where there is one, to be named in the sentence.

    Returns:
        An exception to raise: an OSError (FileNotFoundError, PermissionError, ConnectionError, TimeoutError) or a
        ValueError; `error` itself where it is none that a client, a connection or a disk raises.
    """
    links = list(_chain(error))
    for link in links:
        if (found := _find(link)) is not None:
            kind, problem, advice = found
            return _sentence(kind, problem, advice, repo, link)
    if _comes_from_the_client(links[-1]):
        return _sentence(ConnectionError, *NOT_THE_HUB, repo, links[-1])
    return error


@contextlib.contextmanager
def explained(repo: str) -> Iterator[None]:
    """Let errors of the Hub's client leave a `with` block explained, and others as they are."""
    try:
        yield
    except Exception as error:
        explanation = explain(error, repo)
        if explanation is error:
            raise
        raise explanation from error


def may_pass(error: Exception) -> bool:
    """Whether what broke a download off, and the client did not retry, may succeed when it is asked for again."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status = error.response.status_code if "HfHubHTTPError" in names else 0  # type: ignore[attr-defined]
    return status >= 500 or bool(names & {"NetworkError", "RemoteProtocolError"}) or INCOMPLETE in str(error)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what caused it, without those that only say that something failed."""
    link: BaseException | None = error
    while link is not None:
        cause = link.__cause__
        if cause is None or not isinstance(link, (FileNotFoundError, RuntimeError, ValueError)):
            yield link
        link = cause


def _find(error: BaseException) -> tuple[type[Exception], str, str] | None:
    names = [kind.__name__ for kind in type(error).__mro__]
    for name in names:
        for kind, problems in KINDS.items():
            if name in problems:
                return kind, *problems[name]
    if "HfHubHTTPError" in names:
        status = error.response.status_code  # type: ignore[attr-defined]
        if status >= 500:
            return ConnectionError, f"The Hub is in trouble, not this request (status {status})", "try again later"
        kind, problem, advice = STATUS.get(status, (OSError, "The Hub refuses this request", "see what it says"))
        return kind, f"{problem} (status {status})", advice
    if INCOMPLETE in str(error):
        return ConnectionError, "A file came incomplete from {endpoint}", "try again"
    # The library that moves large files has one error for all.
    number = error.errno if isinstance(error, OSError) else None
    if type(error) is RuntimeError and (found := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(found[1])
    if number is None:
        return None
    kind = type(error) if isinstance(error, OSError) else OSError  # type: ignore[assignment]
    return kind, *DISK.get(number, ("The cache cannot be used", ELSEWHERE))


def _sentence(kind: type[Exception], problem: str, advice: str, repo: str, error: BaseException) -> Exception:
    from huggingface_hub import constants

    answer = getattr(error, "response", None)
    facts = {
        "endpoint": constants.ENDPOINT,
        "page": f"{constants.ENDPOINT}/{repo.removeprefix('hf://').partition('@')[0]}",
        "file": str(answer.url.path).rpartition("/")[2] if answer is not None else "a file",
    }
    # What the client makes of an answer is a page; what the Hub itself says is a line.
    says = getattr(error, "server_message", None) or "" if answer is not None else str(error) or type(error).__name__
    received = f"{repo!r}: {one_line(says)}" if says else repr(repo)
    return kind(f"{one_line(problem.format(**facts))}. Received: {received}; {advice.format(**facts)}")


def _comes_from_the_client(error: BaseException) -> bool:
    """Whether it was raised by the client, and not by what we do with it: as it meets an answer it cannot read."""
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = [name for name in (module.partition(".")[0] for module in modules) if name in BETWEEN]
    return packages[-1:] == ["huggingface_hub"]
