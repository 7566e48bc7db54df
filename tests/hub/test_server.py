"""The small Hub answers the real client as the Hub does."""

from __future__ import annotations

import hashlib
import subprocess
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support.hub.server import Account, HubServer

WEIGHTS = bytes(range(256)) * 40
FILES = {"config.json": b'{"a": 1}\n', "model.weights.h5": WEIGHTS}
DOWNLOAD = "open(api.hf_hub_download('user/net', words[0], revision=words[1], cache_dir=cache), 'rb').read()"


@pytest.fixture
def hub():
    with HubServer() as hub:
        yield hub


@pytest.fixture
def ask(hub, tmp_path, monkeypatch):
    """Gives what the client says of an action: its result, or the type and the status of its error."""
    import huggingface_hub
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants

    # Settings that the client reads from the environment as it is imported.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)

    def ask(action, *words, token=None):
        api = huggingface_hub.HfApi(endpoint=hub.url, token=token)
        names = {"api": api, "words": words, "Add": CommitOperationAdd, "Delete": CommitOperationDelete}
        try:
            return eval(action, names | {"cache": tmp_path})
        except Exception as error:
            response = getattr(error, "response", None)
            return [type(error).__name__, response.status_code if response is not None else None]

    return ask


def git_hash(content):
    command = ["git", "hash-object", "--stdin"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout.decode().strip()


def test_files_and_their_facts(hub, ask):
    commit = hub.add("user/net", FILES)
    listed = ask("[[f.path, f.size, f.blob_id, f.lfs and f.lfs.sha256] for f in api.list_repo_tree('user/net')]")
    assert [row[0] for row in listed] == [".gitattributes", "config.json", "model.weights.h5"]
    assert listed[1] == ["config.json", 9, git_hash(FILES["config.json"]), None]
    assert listed[2][1:2] + listed[2][3:] == [10240, hashlib.sha256(WEIGHTS).hexdigest()]
    assert ask("[f.path for f in api.get_paths_info('user/net', ['config.json', 'no'])]") == ["config.json"]
    told = ask("[(i := api.model_info('user/net', files_metadata=True)).sha, [s.size for s in i.siblings]]")
    assert told == [commit, [len(hub.repositories["user/net"].head.files[".gitattributes"]), 9, 10240]]


def test_downloads_by_revision(hub, ask, tmp_path):
    first = hub.add("user/net", FILES)
    hub.repositories["user/net"].tags["v1"] = first
    second = hub.add("user/net", {"model.weights.h5": WEIGHTS[::-1]})
    for revision, commit, content in (
        ("v1", first, WEIGHTS),
        (first, first, WEIGHTS),
        ("main", second, WEIGHTS[::-1]),
    ):
        assert ask(DOWNLOAD, "model.weights.h5", revision) == content
        assert ask("api.model_info('user/net', revision=words[0]).sha", revision) == commit
    # Contents are kept by their hash: two downloads serve three revisions.
    assert hub.downloads == {"user/net/model.weights.h5": 2}
    assert hub.bytes_served == 2 * len(WEIGHTS)
    assert ask(DOWNLOAD, "config.json", "main") == FILES["config.json"]


@pytest.mark.parametrize(
    ("file", "revision", "error"),
    [("no.json", "main", "RemoteEntryNotFoundError"), ("config.json", "v9", "RevisionNotFoundError")],
)
def test_what_is_not_there(hub, ask, file, revision, error):
    hub.add("user/net", FILES)
    assert ask(DOWNLOAD, file, revision) == [error, 404]


def test_who_may_read(hub, ask):
    hub.add("user/net", FILES, private=True)
    hub.accounts["hf_other"] = Account("other")
    hub.accounts["hf_member"] = Account("third", organizations=("user",))
    words = (DOWNLOAD, "model.weights.h5", "main")
    assert ask(*words) == ["RepositoryNotFoundError", 401]
    assert ask(*words, token="hf_other") == ["RepositoryNotFoundError", 404]
    assert ask(*words, token="hf_wrong") == ["HfHubHTTPError", 401]
    assert ask(*words, token="hf_member") == WEIGHTS
    hub.add("user/net", {}, gated=True)
    assert ask(DOWNLOAD, "config.json", "main", token="hf_other") == ["GatedRepoError", 403]
    assert ask("api.model_info('user/nothing').id") == ["RepositoryNotFoundError", 401]


def test_publishing(hub, ask):
    create = "api.create_repo('user/net', exist_ok=True, private=True).url"
    assert ask(create) == ["HfHubHTTPError", 401]
    assert ask(create, token="hf_owner") == ask(create, token="hf_owner") == f"{hub.url}/user/net"
    add = "Add('{}', {!r})"
    operations = ", ".join(add.format(name, content) for name, content in FILES.items())
    commit = f"api.create_commit('user/net', [{operations}], commit_message='Two files').oid"
    identifier = ask(commit, token="hf_owner")
    repository = hub.repositories["user/net"]
    assert repository.private
    assert (repository.head.id, repository.head.summary, repository.head.changes) == (identifier, "Two files", 2)
    assert {name: repository.head.files[name] for name in FILES} == FILES
    assert (hub.count("PUT"), hub.count("POST", "*/commit/main")) == (1, 1)
    # The client sees that nothing changed and sends no commit.
    assert ask(commit, token="hf_owner") == identifier
    assert hub.count("POST", "*/commit/main") == 1
    remove = "api.create_commit('user/net', [Delete('config.json')], commit_message='x').oid"
    hub.accounts["hf_reader"] = Account("user", writes=False)
    assert ask(remove, token="hf_reader") == ["HfHubHTTPError", 403]
    assert ask(remove, token="hf_owner") == repository.head.id != identifier
    assert "config.json" not in repository.head.files


def test_faults(hub, ask):
    hub.add("user/net", FILES)
    words = (DOWNLOAD, "model.weights.h5", "main")
    hub.fail("*/model.weights.h5", status=403)
    assert ask(*words)[0] == "LocalEntryNotFoundError"
    hub.mend()
    hub.fail("*/model.weights.h5", truncated=True)
    assert ask(*words)[0] == "OSError"
    hub.mend()
    hub.fail("*/model.weights.h5", cut=True, times=1)
    before = hub.downloads.total()
    assert ask(*words) == WEIGHTS
    assert hub.downloads.total() == before + 2


def test_ranges(hub):
    hub.add("user/net", FILES)
    address = hub.signed("user/net", hashlib.sha256(WEIGHTS).hexdigest(), "model.weights.h5")
    for asked, start, end in (("bytes=100-", 100, 10240), ("bytes=0-9", 0, 10), ("bytes=10239-20000", 10239, 10240)):
        with urlopen(Request(address, headers={"Range": asked})) as response:
            assert (response.status, response.read()) == (206, WEIGHTS[start:end])
            assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/10240"
    with pytest.raises(HTTPError, match="416"):
        urlopen(Request(address, headers={"Range": "bytes=10240-"}))
    with pytest.raises(HTTPError, match="400"):
        urlopen(Request(address, headers={"Authorization": "Bearer hf_owner"}))
    with pytest.raises(HTTPError, match="403"):
        urlopen(address[:-1] + "-")


def test_altered_and_swapped_bytes_are_the_readers_to_find(hub, ask, tmp_path):
    hub.add("user/net", FILES)
    hub.fail("*/model.weights.h5", altered=True, times=1)
    content = ask(DOWNLOAD, "model.weights.h5", "main")
    assert len(content) == len(WEIGHTS)
    assert sum(a != b for a, b in zip(content, WEIGHTS, strict=True)) == 1
    hub.fail("*/config.json", swapped=b'{"a": 2}\n', times=1)
    assert ask(DOWNLOAD, "config.json", "main") == b'{"a": 2}\n'
