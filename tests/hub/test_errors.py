"""What goes wrong on the way to the Hub is one sentence each: real errors of the real client."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest

from recurzoo.hub.errors import explain, explained
from tests.support.hub.server import Account, HubServer

# Runs each action and prints the type and the text of what becomes of its error.
ACTIONS = """
import json, resource, sys, time
from huggingface_hub import CommitOperationAdd, HfApi, constants
from recurzoo.hub.errors import explained

# The client waits between its attempts.
time.sleep = lambda seconds: None
cache = sys.argv[1]
api = HfApi()

def get(name, repo="user/net", **options):
    HfApi(**{key: options.pop(key) for key in ("endpoint", "token") if key in options}).hf_hub_download(
        repo, name, cache_dir=cache, **options)

def commit():
    content = CommitOperationAdd("model.weights.h5", bytes(100))
    HfApi(token="hf_owner").create_commit("user/net", [content], commit_message="x")

def with_small_files(action):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    try:
        action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

def offline():
    constants.HF_HUB_OFFLINE = True
    api.model_info("user/net")

actions = {
    "missing": lambda: api.model_info("user/nothing"),
    "private": lambda: get("config.json", "user/private", token="hf_other"),
    "revision": lambda: api.model_info("user/net", revision="v9"),
    "entry": lambda: get("no.json"),
    "gated": lambda: get("config.json", "user/gated", token="hf_other"),
    "forbidden": lambda: api.model_info("user/forbidden"),
    "forbidden download": lambda: get("config.json", "user/forbidden"),
    "broken": lambda: api.model_info("user/broken"),
    "busy": lambda: api.model_info("user/busy"),
    "wrong token": lambda: HfApi(token="hf_wrong").model_info("user/net"),
    "no token": lambda: api.whoami(),
    "name": lambda: api.model_info("user/net/more"),
    "cache": lambda: get("config.json", local_files_only=True),
    "slow": lambda: api.model_info("user/slow", timeout=0.2),
    "nobody": lambda: HfApi(endpoint="http://127.0.0.1:1").model_info("user/net"),
    "nobody to download from": lambda: get("config.json", endpoint="http://127.0.0.1:1"),
    "portal": lambda: api.model_info("user/portal"),
    "truncated": lambda: get("config.json"),
    "upload": commit,
    "large": lambda: with_small_files(lambda: get("model.weights.h5")),
    "offline": offline,
}
told = {}
for name, action in actions.items():
    try:
        with explained("user/net@v1"):
            action()
    except Exception as error:
        told[name] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with HubServer() as hub:
        hub.accounts["hf_other"] = Account("other")
        for name in ("net", "private", "gated", "forbidden", "broken", "busy", "slow", "portal"):
            files = {"config.json": b'{"a": 1}', "model.weights.h5": bytes(5000)}
            hub.add(f"user/{name}", files, private=name == "private", gated=name == "gated")
        hub.fail("*/user/forbidden*", status=403)
        hub.fail("*/user/broken*", status=500)
        hub.fail("*/user/busy*", status=429)
        hub.fail("*/user/slow*", stall=2)
        hub.fail("*/user/portal*", swapped=b"<html>Please log in</html>")
        hub.fail("*/user/net/*/config.json", truncated=True)
        hub.fail("/storage/user/net/*", method="PUT", status=403)
        words = [sys.executable, "-c", ACTIONS, str(home / "cache")]
        run = subprocess.run(words, env=hub.environment(home), capture_output=True, text=True, timeout=100)
        assert run.returncode == 0, run.stderr
        yield json.loads(run.stdout), hub.url


@pytest.mark.parametrize(
    ("case", "kind", "words"),
    [
        ("missing", "FileNotFoundError", "no such repository on {hub}, or it is private"),
        ("private", "FileNotFoundError", "no such repository on {hub}, or it is private"),
        ("revision", "FileNotFoundError", "no such revision"),
        ("entry", "FileNotFoundError", "without no.json"),
        ("gated", "PermissionError", "ask for it on {hub}/user/net,"),
        ("forbidden", "PermissionError", "status 403"),
        ("forbidden download", "PermissionError", "status 403"),
        ("broken", "ConnectionError", "status 500"),
        ("busy", "OSError", "too many requests"),
        ("wrong token", "PermissionError", "does not accept this token"),
        ("no token", "PermissionError", "set HF_TOKEN"),
        ("name", "ValueError", "USER/NAME"),
        ("cache", "FileNotFoundError", "not in the cache"),
        ("slow", "TimeoutError", "in time"),
        ("nobody", "ConnectionError", "cannot be reached"),
        ("nobody to download from", "ConnectionError", "cannot be reached"),
        ("portal", "ConnectionError", "is not the Hub"),
        ("truncated", "ConnectionError", "incomplete"),
        ("upload", "PermissionError", "status 403"),
        ("large", "OSError", "larger than the system lets"),
        ("offline", "ConnectionError", "HF_HUB_OFFLINE"),
    ],
)
def test_each_has_a_sentence(told, case, kind, words):
    cases, hub = told
    name, text = cases[case]
    assert name == kind
    assert words.format(hub=hub) in text
    assert "Received" in text
    assert "user/net@v1" in text
    assert "\n" not in text
    assert "hf_" not in text


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "Permission"),
        (errno.EIO, "cache cannot be used"),
    ],
)
def test_a_disk_that_says_no(number, words):
    error = OSError(number, "no", "/cache/file")
    told = explain(error, "user/net")
    assert words in str(told)
    assert "/cache/file" in str(told)
    assert type(told) is type(error)


def test_other_errors_stay_what_they_are():
    for error in (ValueError("ours"), FileNotFoundError("ours"), KeyError("a bug")):
        assert explain(error, "user/net") is error
        with pytest.raises(type(error)) as caught, explained("user/net"):
            raise error
        assert caught.value is error


@pytest.mark.parametrize(
    ("said", "kind", "told"),
    [
        (
            "Task error: File reconstruction error: CAS Client Error: HTTP status client error (403)",
            ConnectionError,
            "403",
        ),
        ("Task error: IO Error: No space left on device (os error 28)", OSError, "disk is full"),
    ],
)
def test_the_library_for_large_files_says_it_in_other_words(said, kind, told):
    error = explain(RuntimeError(said), "user/net")
    assert isinstance(error, kind)
    assert told in str(error)
    assert "Received: 'user/net'" in str(error)
