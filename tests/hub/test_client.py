"""Downloads, with the real client, from a small Hub on this machine."""

from __future__ import annotations

import ctypes
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest

import recurzoo
from recurzoo.base.documents import LARGEST
from recurzoo.base.errors import MissingWeightsError
from recurzoo.catalog import catalog
from recurzoo.catalog.facts import PublishedFacts
from recurzoo.checkpoints.folder import CONFIG, EXPORTS, RECORD, REQUIRED
from recurzoo.hub import session
from recurzoo.hub.client import Client, Repository
from tests.support.hub import altered, halved

NAME = "swrn-28-10-4.cifar10"
ONNX = EXPORTS["onnx"]
(WEIGHTS,) = set(REQUIRED) - {CONFIG}
CONTENT = {**dict.fromkeys(REQUIRED, b"{}"), ONNX: b"a graph", WEIGHTS: bytes(range(256)) * 4000}
NET = "hf://user/net"


def as_checkpoint(content: dict[str, bytes], **record) -> dict[str, bytes]:
    files = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in content.items()}
    record = {"name": NAME, "architecture": NAME.partition(".")[0], "files": files, **record}
    return {**content, RECORD: json.dumps(record).encode()}


@pytest.fixture(autouse=True)
def _net(hub, cache, monkeypatch, tmp_path):
    # Whatever ships, names are looked for on the Hub here, and no test reaches the repository's weights.
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "no" / "package")
    hub.add("user/net", as_checkpoint(CONTENT))


@pytest.fixture
def naps(monkeypatch):
    """The seconds that are slept, without sleeping."""
    naps = []
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


@pytest.fixture
def offline(monkeypatch):
    """Switches the Hub off for the client."""
    from huggingface_hub import constants

    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


@pytest.fixture
def publish(hub, monkeypatch):
    """Enters a checkpoint of the small Hub into the catalog."""

    def publish(repo="user/net", **facts):
        head = hub.repositories[repo].commits[-1]
        facts = {"commit": head.id, "record_sha256": sha256(head.files[RECORD]).hexdigest(), **facts}
        monkeypatch.setitem(catalog.families()["swrn"].published, NAME, PublishedFacts(repo=repo, **facts))

    return publish


def fetch(*words, **options):
    return recurzoo.fetch(*words, **options).folder


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_published_name_is_downloaded_once_and_then_needs_no_hub(hub, publish, offline):
    publish()
    fetched = recurzoo.fetch(NAME)
    assert fetched.files == {name: len(CONTENT[name]) for name in REQUIRED}
    assert set(files(fetched.folder)) == {*REQUIRED, RECORD}
    assert files(fetched.folder)[WEIGHTS] == CONTENT[WEIGHTS]
    asked = hub.count()
    # Whatever the repository has become meanwhile.
    hub.add("user/net", as_checkpoint({**CONTENT, WEIGHTS: b"another"}))
    assert recurzoo.fetch("swrn-28-10-4") == fetched
    assert hub.count() == asked
    offline()
    assert recurzoo.fetch(NAME) == fetched


def test_a_name_that_is_not_published_asks_nobody(hub, monkeypatch):
    for name in (NAME, "swrn-28-10-4"):
        with pytest.raises(MissingWeightsError, match=name):
            recurzoo.fetch(name)
    assert hub.count() == 0
    # With a namespace, whoever sets it says that all names are there.
    monkeypatch.setenv("RECURZOO_NAMESPACE", "somebody")
    with pytest.raises(MissingWeightsError, match=f"hf://somebody/{NAME}"):
        recurzoo.fetch(NAME)
    hub.add(f"somebody/{NAME}", as_checkpoint(CONTENT))
    assert files(fetch(NAME))[WEIGHTS] == CONTENT[WEIGHTS]


@pytest.mark.parametrize("record", [{"name": "swrn-28-10-1.cifar10"}, {"architecture": "swrn-28-10-1"}])
def test_another_checkpoint_under_a_name_is_refused(hub, publish, record):
    hub.add("user/net", as_checkpoint(CONTENT, **record))
    publish()
    with pytest.raises(ValueError, match=r"swrn-28-10-4"):
        recurzoo.fetch(NAME)


def test_the_record_of_a_published_name_is_the_one_that_was_published(hub, publish):
    publish(record_sha256="0" * 64)
    with pytest.raises(ValueError, match=RECORD):
        recurzoo.fetch(NAME)


def test_an_export_is_fetched_alone_and_everything_together():
    folder = fetch(NET, "onnx")
    assert files(folder) == {name: data for name, data in as_checkpoint(CONTENT).items() if name in (ONNX, RECORD)}
    with pytest.raises(FileNotFoundError, match=EXPORTS["litert"]):
        recurzoo.fetch(NET, "litert")
    with pytest.raises(ValueError, match="pickle"):
        recurzoo.fetch(NET, "pickle")
    assert files(fetch(NET, everything=True)) == as_checkpoint(CONTENT)


def test_an_address_follows_its_repository_unless_it_is_pinned(hub, naps, offline):
    commits = hub.repositories["user/net"].commits
    second = hub.add("user/net", as_checkpoint({**CONTENT, WEIGHTS: b"better"}))
    hub.repositories["user/net"].tags["v1"] = commits[1].id
    for revision in (commits[1].id, "v1"):
        assert files(fetch(f"{NET}@{revision}"))[WEIGHTS] == CONTENT[WEIGHTS]
    assert fetch(f"{hub.url}/user/net/tree/v1").endswith(commits[1].id)
    assert fetch(NET).endswith(second)
    # Where the Hub does not answer, what was last seen of it.
    for fault in ({"status": 500}, {"status": 429, "headers": {"Retry-After": "100000"}}, {"headers": {"ETag": ""}}):
        hub.faults.clear()
        hub.fail(**fault)
        assert fetch(NET).endswith(second)
    offline()
    assert fetch(NET).endswith(second)
    assert naps == []


@pytest.mark.parametrize(
    "address",
    [
        "hf://nobody",
        "hf://user/net@",
        "hf://user/net@/etc/passwd",
        "hf://user/net@%2Fetc%2Fpasswd",
        "hf://user/net@..%2F..%2Fx",
        "hf://user/net@-x",
        "hf://user/net/config.json",
        "hf://datasets/user/net",
        "hf://../net",
        "https://example.com/user/net",
    ],
)
def test_what_is_no_address_of_a_repository_is_refused(hub, address):
    with pytest.raises(ValueError, match="Received: ") as error:
        recurzoo.fetch(address)
    assert repr(address) in str(error.value)
    assert hub.count() == 0


@pytest.mark.parametrize(
    ("address", "name", "revision"),
    [
        ("hf://user/net", "user/net", None),
        ("hf://models/user/net@v1.0", "user/net", "v1.0"),
        ("hf://user/net@refs/pr/1", "user/net", "refs/pr/1"),
        ("hf://user/net@mine%2Fnew", "user/net", "mine/new"),
        ("https://huggingface.co/user/net/tree/v1", "user/net", "v1"),
    ],
)
def test_addresses(address, name, revision):
    assert Repository.at(address) == Repository(name, revision)


def test_a_private_repository_opens_with_its_token_which_is_never_shown(hub, monkeypatch):
    hub.repositories["user/net"].private = True
    with pytest.raises(FileNotFoundError, match="HF_TOKEN"):
        recurzoo.fetch(NET)
    assert files(fetch(NET, token="hf_owner"))[WEIGHTS] == CONTENT[WEIGHTS]
    assert "hf_owner" not in repr(Client("hf_owner"))
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    recurzoo.fetch(NET)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_file_altered_in_the_cache_is_fetched_anew(hub, offline, monkeypatch, name):
    folder = fetch(NET)
    Path(folder, name).write_bytes(altered(CONTENT[name]))
    with monkeypatch.context() as context:
        context.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(ValueError, match=name):
            recurzoo.fetch(NET)
    with pytest.raises(ValueError, match=name):
        recurzoo.fetch(NET, local_files_only=True)
    assert fetch(NET) == folder
    assert files(folder)[name] == CONTENT[name]
    assert hub.count("GET", f"*/{name}") == 2


@pytest.mark.parametrize("pinned", [True, False])
def test_a_record_altered_in_the_cache_is_fetched_anew(hub, publish, pinned):
    publish()
    name = NAME if pinned else NET
    path = Path(fetch(name), RECORD)
    record = as_checkpoint(CONTENT)[RECORD]
    path.write_bytes(record.replace(b"swrn", b"wwrn"))
    fetch(name)
    assert path.read_bytes() == record
    # As editors do, with a file in place of the cache's link.
    path.unlink()
    path.write_bytes(record.replace(b"swrn", b"wwrn"))
    fetch(name)
    assert path.read_bytes() == record
    assert path.is_symlink()


def test_a_folder_is_verified_as_well(tmp_path):
    for name, data in as_checkpoint(CONTENT).items():
        (tmp_path / name).write_bytes(data)
    assert fetch(tmp_path) == str(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"evil")
    with pytest.raises(ValueError, match=WEIGHTS):
        recurzoo.fetch(tmp_path)


@pytest.mark.parametrize("body", [altered, halved, b"x" * len(CONTENT[WEIGHTS])])
@pytest.mark.parametrize("name", [RECORD, WEIGHTS])
def test_a_file_spoiled_on_the_way_is_fetched_anew_and_otherwise_refused(hub, naps, body, name):
    # Honest digests and sizes, another content.
    hub.fail(f"*/{name}", body=body, times=1)
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]
    hub.add("user/net", as_checkpoint({**CONTENT, WEIGHTS: b"better"}, epochs=1))
    hub.fail(f"*/{name}", body=body)
    with pytest.raises((ValueError, ConnectionError), match="Received"):
        recurzoo.fetch(NET)
    hub.faults.clear()
    assert files(fetch(NET))[WEIGHTS] == b"better"


def test_a_file_of_another_commit_than_the_record_is_refused(hub):
    hub.fail(f"*/{WEIGHTS}", headers={"X-Repo-Commit": "0" * 40})
    with pytest.raises(ValueError, match=WEIGHTS):
        recurzoo.fetch(NET)
    hub.faults.clear()
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


def test_what_is_larger_than_it_may_be_is_not_kept(hub, cache):
    hub.add("user/huge", {RECORD: b" " * (LARGEST + 1)})
    hub.add("user/other", as_checkpoint(CONTENT) | {WEIGHTS: bytes(2_000_000)})
    for repo, largest in (("huge", LARGEST), ("other", len(CONTENT[WEIGHTS]))):
        with pytest.raises(ValueError, match=f"{largest} bytes"):
            recurzoo.fetch(f"hf://user/{repo}")
    assert not [path for path in cache.rglob("*") if path.is_file() and path.stat().st_size > len(CONTENT[WEIGHTS])]


@pytest.mark.parametrize("content", [{CONFIG: b"{}"}, {RECORD: b"{"}, {RECORD: b"[]"}, {RECORD: b'{"files": 3}'}])
def test_what_is_no_checkpoint_is_refused(hub, content):
    hub.add("user/other", content)
    with pytest.raises((FileNotFoundError, ValueError), match=RECORD):
        recurzoo.fetch("hf://user/other")


@pytest.mark.parametrize("name", ["../../../../../escaped.json", "/tmp/escaped.json", "README.md"])
def test_a_record_names_no_other_files(hub, tmp_path, name):
    hub.add("user/other", as_checkpoint({**CONTENT, name: b"{}"}))
    with pytest.raises(ValueError, match="no files of the names"):
        recurzoo.fetch("hf://user/other", everything=True)
    assert not list(tmp_path.rglob("escaped.json"))


@pytest.mark.parametrize("value", ["../../../../escaped", "{outside}/escaped", "", '""', "x" * 40, "W/../x"])
@pytest.mark.parametrize("header", ["ETag", "X-Linked-Etag", "X-Repo-Commit"])
@pytest.mark.parametrize(("path", "status"), [(RECORD, 200), (WEIGHTS, 200), (RECORD, 404)])
def test_a_digest_that_is_none_is_never_a_path(hub, cache, tmp_path, naps, header, value, path, status):
    outside = tmp_path / "outside"
    outside.mkdir()
    headers = {"ETag": '"' + "0" * 40 + '"', "X-Repo-Commit": "0" * 40, header: value.format(outside=outside)}
    if status == 404:
        headers["X-Error-Code"] = "EntryNotFound"
    hub.fail(f"*/{path}", status=status if status != 200 else 0, headers=headers)
    if not (header == "X-Linked-Etag" and not value):
        with pytest.raises(OSError, match="Received: 'hf://user/net"):
            recurzoo.fetch(NET)
    assert not list(outside.iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {"outside", "home"}
    assert {path.name for path in cache.glob("*")} <= {"models--user--net", ".locks", "CACHEDIR.TAG"}
    hub.faults.clear()
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


def test_a_pause_is_kept_within_patience(hub, naps):
    fault = {"path": "*/resolve/*", "status": 429, "headers": {"Retry-After": "30"}}
    hub.fail(**fault, times=2)
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]
    assert naps == [31]
    hub.add("user/net", as_checkpoint(CONTENT, epochs=1))
    for headers in ({"Retry-After": "100000"}, {"Retry-After": "9" * 5000}, {"RateLimit": '"api";r=0;t=100000'}):
        hub.faults.clear()
        hub.fail("*/resolve/*", status=429, headers=headers)
        with pytest.raises(OSError, match="429"):
            fetch(f"{NET}@{hub.repositories['user/net'].commits[-1].id}")
    assert naps == [31]


@pytest.mark.parametrize("fault", [{"reset": True}, {"cut": True}, {"status": 500}, {"status": 503}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_fails_once_is_asked_for_again(hub, naps, fault, method):
    hub.fail(f"*/{WEIGHTS}", method=method, **fault, times=1)
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


@pytest.mark.parametrize("fault", [{"reset": True}, {"cut": True}, {"status": 500}, {"status": 429}])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_always_fails_ends_after_a_few_tries(hub, naps, fault, method):
    hub.fail(f"*/{WEIGHTS}", method=method, **fault)
    with pytest.raises(OSError, match="Received: 'hf://user/net"):
        recurzoo.fetch(NET)
    assert sum(naps) < 60
    assert hub.count(method, f"*/{WEIGHTS}") < 20
    hub.faults.clear()
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_silence_is_waited_for_so_long_and_no_longer(hub, monkeypatch, method):
    monkeypatch.setattr(session, "LONGEST_WAIT", 2.0)
    hub.fail(f"*/{WEIGHTS}", method=method, stall=60.0)
    start = time.monotonic()
    with pytest.raises(TimeoutError, match="Received: 'hf://user/net"):
        recurzoo.fetch(NET)
    assert 2 <= time.monotonic() - start < 6


def test_what_comes_slowly_comes(hub, monkeypatch):
    monkeypatch.setattr(session, "LONGEST_WAIT", 1.0)
    # Longer in all than the patience, but never silent for so long.
    for name in (RECORD, *REQUIRED):
        hub.fail(f"*/{name}", method="GET", stall=0.6)
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


def test_outside_of_our_calls_the_client_is_as_it_was(hub):
    import huggingface_hub

    recurzoo.fetch(NET)
    hub.fail("*", headers={"X-Repo-Commit": "v1", "X-HF-Warning": "\x1b[31m"})
    metadata = huggingface_hub.get_hf_file_metadata(huggingface_hub.hf_hub_url("user/net", CONFIG), timeout=5)
    assert metadata.commit_hash == "v1"


def test_a_users_own_client_is_kept_and_bounded_as_well(hub):
    import huggingface_hub
    from huggingface_hub.utils import _http

    clients = []
    before = _http._GLOBAL_CLIENT_FACTORY

    def factory():
        clients.append(before())
        return clients[-1]

    huggingface_hub.set_client_factory(factory)
    try:
        recurzoo.fetch(NET)
        hub.fail(f"*/{ONNX}", headers={"ETag": "../../x"})
        with pytest.raises(ConnectionError):
            recurzoo.fetch(NET, "onnx")
    finally:
        huggingface_hub.set_client_factory(before)
    assert clients


def test_threads_fetch_at_once(hub):
    with ThreadPoolExecutor(16) as pool:
        folders = set(pool.map(fetch, [NET] * 48))
    assert len(folders) == 1
    assert hub.count("GET", f"*/{WEIGHTS}") == 1


def test_nothing_that_a_hub_says_moves_the_terminal(hub, caplog):
    headers = {"X-HF-Warning": "color; \x1b[31mred", "X-Error-Message": "\x1b]0;title\x07"}
    hub.fail(status=403, headers=headers, body=b'{"error": "\\u001b[2J"}')
    with pytest.raises(PermissionError) as error:
        recurzoo.fetch(NET)
    assert str(error.value).isprintable()
    assert [text for text in caplog.messages if "red" in text]
    assert all(text.isprintable() for text in caplog.messages)


def test_a_full_disk_gives_one_sentence_and_leaves_no_rest(cache):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="Received: 'hf://user/net"):
            recurzoo.fetch(NET)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(cache.rglob("*.incomplete"))
    assert files(fetch(NET))[WEIGHTS] == CONTENT[WEIGHTS]


def test_a_cache_that_cannot_be_made_gives_one_sentence(cache):
    cache.parent.write_text("in the way")
    with pytest.raises(OSError, match="HF_HOME"):
        recurzoo.fetch(NET)


# Of processes.


SCRIPT = """
import sys
from huggingface_hub import constants
constants.FILELOCK_LOG_EVERY_SECONDS = 0.5
import recurzoo
try:
    print(recurzoo.fetch(sys.argv[1]).folder)
except OSError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def start(hub, tmp_path):
    def start(name, **options) -> subprocess.Popen:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = hub.environment(tmp_path / "home")
        return subprocess.Popen([sys.executable, "-c", SCRIPT, name], env=environment, **streams, **options)

    return start


def end(process: subprocess.Popen, status: int = 0) -> str:
    """The folder, or what standard error says."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == status, err
    return out.strip() if status == 0 else err


def await_request(hub, method, path):
    deadline = time.monotonic() + 30
    while not hub.count(method, path):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [6, pytest.param(16, marks=pytest.mark.slow)])
def test_processes_make_one_download_a_file(hub, start, number):
    processes = [start(NET) for _ in range(number)]
    assert len({end(process) for process in processes}) == 1
    for name in (*REQUIRED, RECORD):
        assert hub.count("GET", f"*/{name}") == 1


@pytest.mark.parametrize("name", [RECORD, WEIGHTS])
def test_who_waits_for_a_killed_download_takes_over(hub, start, name):
    hub.fail(f"*/{name}", method="GET", stall=60.0, times=1)
    first = start(NET)
    await_request(hub, "GET", f"*/{name}")
    second = start(NET)
    # Until it says what it waits for.
    line = ""
    while "lock" not in line:
        line = second.stderr.readline()
        assert line
    assert "user--net" in line
    first.kill()
    first.communicate()
    assert files(end(second))[WEIGHTS] == CONTENT[WEIGHTS]


@pytest.mark.slow
def test_kills_lose_nothing(hub, start):
    randomly = random.Random(0)
    hub.fail("*", stall=0.2)
    for _ in range(40):
        process = start(NET)
        time.sleep(randomly.uniform(0.3, 3.0))
        process.kill()
        process.communicate()
    hub.faults.clear()
    assert files(end(start(NET)))[WEIGHTS] == CONTENT[WEIGHTS]


def test_a_read_only_cache_gives_what_it_has(hub, start, tmp_path):
    def obey_permissions() -> None:
        """Take from a process of root, who writes everywhere, the right to do so."""
        if os.geteuid() == 0:
            drop_from_bounding_set, dac_override = 24, 1
            ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override)

    folder = end(start(NET))
    hub.add("user/other", as_checkpoint(CONTENT))
    subprocess.run(["chmod", "-R", "a-w", tmp_path / "home"], check=True)
    try:
        assert end(start(NET, preexec_fn=obey_permissions)) == folder
        assert "HF_HOME" in end(start("hf://user/other", preexec_fn=obey_permissions), status=1)
    finally:
        subprocess.run(["chmod", "-R", "u+w", tmp_path / "home"], check=True)
