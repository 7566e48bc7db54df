"""What goes wrong on the way to the Hub is one sentence each: real errors of the real client."""

from __future__ import annotations

import errno
import time

import pytest

from recurzoo.hub.errors import explain, explained


@pytest.fixture
def api(hub, cache, monkeypatch):
    from huggingface_hub import HfApi

    # The client waits between its tries.
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    hub.add("user/net", {"config.json": b'{"a": 1}', "model.onnx": bytes(5000)})
    return HfApi(endpoint=hub.url, token=False)


def get(api):
    return api.hf_hub_download("user/net", "config.json")


def about(api):
    return api.model_info("user/net")


def commit(api):
    from huggingface_hub import CommitOperationAdd

    operation = CommitOperationAdd("config.json", bytes(100))
    return api.create_commit("user/net", [operation], commit_message="x", token="hf_owner")


@pytest.mark.parametrize(
    ("action", "fault", "kind", "words"),
    [
        (lambda api: api.model_info("user/nothing"), {}, FileNotFoundError, "{hub}"),
        (lambda api: api.model_info("user/net", token="hf_wrong"), {}, PermissionError, "HF_TOKEN"),
        (lambda api: api.model_info("user/net/more"), {}, ValueError, "USER/REPO"),
        (lambda api: api.whoami(token=True), {}, PermissionError, "HF_TOKEN"),
        (lambda api: api.hf_hub_download("user/net", "no.json"), {}, FileNotFoundError, "no.json"),
        (lambda api: api.hf_hub_download("user/net", "config.json", revision="v9"), {}, FileNotFoundError, "revision"),
        (
            lambda api: api.hf_hub_download("user/net", "config.json", local_files_only=True),
            {},
            FileNotFoundError,
            "cache",
        ),
        (lambda api: api.model_info("user/net", timeout=0.2), {"stall": 9.0}, TimeoutError, "{hub}"),
        (get, {"status": 403, "headers": {"X-Error-Code": "GatedRepo"}}, PermissionError, "{hub}/user/net,"),
        (get, {"status": 403}, PermissionError, "403"),
        (get, {"status": 500}, ConnectionError, "500"),
        (get, {"body": lambda content: content[:3]}, ConnectionError, "incomplete"),
        (get, {"headers": {"X-Repo-Commit": None}}, ConnectionError, "HF_ENDPOINT"),
        (about, {"status": 429}, OSError, "429"),
        (about, {"status": 503}, ConnectionError, "503"),
        (about, {"body": b"<html>Please log in</html>"}, ConnectionError, "HF_ENDPOINT"),
        (about, {"body": b"[]"}, ConnectionError, "HF_ENDPOINT"),
        (about, {"status": 500, "body": b"[]"}, ConnectionError, "HF_ENDPOINT"),
        (about, {"reset": True}, ConnectionError, "{hub}"),
        (commit, {"status": 412, "path": "*/commit/*"}, OSError, "412"),
        (commit, {"body": b"{}", "path": "*/commit/*"}, ConnectionError, "HF_ENDPOINT"),
    ],
)
def test_each_has_a_sentence(hub, api, action, fault, kind, words):
    if fault:
        hub.fail(**fault)
    with pytest.raises(kind) as error, explained("user/net@v1"):
        action(api)
    text = str(error.value)
    assert type(error.value) is kind
    assert words.format(hub=hub.url) in text
    assert "Received: 'user/net@v1'" in text
    assert text.isprintable()
    assert "hf_owner" not in text
    assert "hf_wrong" not in text


@pytest.mark.parametrize("action", [get, about])
def test_nobody_answers(hub, api, monkeypatch, action):
    api.endpoint = "http://127.0.0.1:1"
    with pytest.raises(ConnectionError, match="Received: 'user/net'"), explained("user/net"):
        action(api)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE"), explained("user/net"):
        action(api)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO])
def test_a_disk_that_says_no(number):
    error = OSError(number, "no", "/cache/file")
    explanation = explain(error, "user/net")
    assert "/cache/file" in str(explanation)
    assert type(explanation) is type(error)
    # The library for large files says it in other words.
    assert type(explain(RuntimeError(f"IO Error: no (os error {number})"), "user/net")) is OSError


def test_other_errors_stay_what_they_are():
    for error in (ValueError("ours"), FileNotFoundError("ours"), KeyError("a bug"), TypeError("a bug")):
        assert explain(error, "user/net") is error
        with pytest.raises(type(error)) as caught, explained("user/net"):
            raise error
        assert caught.value is error
