"""Downloads, with the real client, from a small Hub on this machine."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.hub.server import Account, HubServer

NAME = "swrn-28-10-2.cifar10"
REPOSITORY = f"recurzoo/{NAME}"
WEIGHTS = "model.weights.h5"
CONTENT = {
    "config.json": b"{}",
    "metadata.json": b'{"keras_version": "3"}',
    "model.onnx": b"a graph",
    WEIGHTS: bytes(range(256)) * 4000,
}


def as_checkpoint(content: dict[str, bytes], **record) -> dict[str, bytes]:
    files = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in content.items()}
    record = {"name": NAME, "architecture": NAME.partition(".")[0], "files": files, **record}
    return {**content, "record.json": json.dumps(record).encode()}


@pytest.fixture
def hub():
    with HubServer() as hub:
        hub.add(REPOSITORY, as_checkpoint(CONTENT))
        yield hub


@pytest.fixture
def environment(hub, tmp_path):
    return hub.environment(tmp_path / "home", HF_HUB_OFFLINE="0")


def start(environment, *words, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "recurzoo", "fetch", *words, "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, **options)


def end(process: subprocess.Popen) -> Path:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return Path(json.loads(out)["folder"])


def fetch(environment, *words, **options) -> Path:
    return end(start(environment, *words, **options))


def refusal(environment, *words, status: int = 1, **options) -> str:
    process = start(environment, *words, **options)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, ""), err
    *_progress, sentence = err.strip().splitlines()
    assert sentence.startswith("recurzoo: ")
    assert "Received: " in sentence
    assert "Traceback" not in err
    return sentence


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_name_is_downloaded_once_and_then_needs_no_hub(hub, environment):
    folder = fetch(environment, NAME)
    assert files(folder) == {"config.json", "metadata.json", WEIGHTS, "record.json"}
    assert (folder / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]
    asked = hub.count()
    assert fetch(environment, "swrn-28-10-2") == folder
    assert fetch(environment, NAME) == folder
    assert hub.count() == asked


def test_an_export_is_fetched_by_name_and_alone(hub, environment):
    folder = fetch(environment, NAME, "--export", "onnx")
    assert files(folder) == {"model.onnx", "record.json"}
    assert (folder / "model.onnx").read_bytes() == CONTENT["model.onnx"]
    assert "model.tflite" in refusal(environment, NAME, "--export", "litert")
    # It is not among what ships, so it would come from the Hub.
    assert "swrn-22-1-2.cifar10" in refusal(environment, "swrn-22-1-2", "--export", "onnx")


def test_the_namespace_is_a_setting(hub, environment):
    hub.add(f"somebody/{NAME}", as_checkpoint(CONTENT, hardware="another"))
    folder = fetch(environment | {"RECURZOO_NAMESPACE": "somebody"}, NAME)
    assert "another" in (folder / "record.json").read_text()


def test_an_address_follows_the_repository_unless_it_is_pinned(hub, environment):
    first = hub.repositories[REPOSITORY].commits[-1].id
    address = f"hf://{REPOSITORY}"
    assert fetch(environment, address).name == first
    second = hub.add(REPOSITORY, as_checkpoint({**CONTENT, WEIGHTS: b"better"}))
    assert fetch(environment, address).name == second
    folder = fetch(environment, f"{address}@{first}")
    assert (folder / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]
    # Without the Hub, what was last seen of it.
    assert fetch(environment | {"HF_HUB_OFFLINE": "1"}, address).name == second
    hub.fail(status=500)
    assert fetch(environment, address).name == second


def test_a_private_repository_opens_with_its_token(hub, environment):
    hub.accounts["hf_friend"] = Account("recurzoo")
    hub.repositories[REPOSITORY].private = True
    assert "token" in refusal(environment, f"hf://{REPOSITORY}")
    assert (fetch(environment | {"HF_TOKEN": "hf_friend"}, NAME) / WEIGHTS).is_file()


@pytest.mark.parametrize("spoiled", ["config.json", WEIGHTS])
def test_a_file_altered_in_the_cache_is_fetched_anew(hub, environment, spoiled):
    folder = fetch(environment, NAME)
    content = CONTENT[spoiled]
    (folder / spoiled).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert spoiled in refusal(environment | {"HF_HUB_OFFLINE": "1"}, f"hf://{REPOSITORY}")
    assert fetch(environment, NAME) == folder
    assert (folder / spoiled).read_bytes() == content
    assert hub.downloads[f"{REPOSITORY}/{spoiled}"] == 2


def test_a_record_altered_in_the_cache_is_fetched_anew(hub, environment):
    folder = fetch(environment, NAME)
    path = folder / "record.json"
    record = path.read_bytes()
    path.write_bytes(record.replace(b"swrn", b"wwrn"))
    assert fetch(environment, NAME) == folder
    assert path.read_bytes() == record
    # As editors do, with a file in place of the cache's link.
    path.unlink()
    path.write_bytes(record.replace(b"swrn", b"wwrn"))
    assert fetch(environment, NAME) == folder
    assert path.read_bytes() == record
    assert path.is_symlink()


def test_a_record_larger_than_any_is_not_downloaded(hub, environment):
    hub.add("user/huge", {"record.json": b" " * 5_000_000})
    assert "larger" in refusal(environment, "hf://user/huge")
    assert hub.downloads["user/huge/record.json"] == 0


def test_what_is_there_beside_what_is_asked_for_is_mended_too(hub, environment):
    folder = fetch(environment, NAME)
    assert fetch(environment, NAME, "--export", "onnx") == folder
    (folder / "model.onnx").write_bytes(b"evil")
    assert fetch(environment, NAME) == folder
    assert (folder / "model.onnx").read_bytes() == CONTENT["model.onnx"]
    assert files(fetch(environment, NAME, "--all")) == {*CONTENT, "record.json"}


def test_a_folder_is_verified_as_well(tmp_path, environment):
    for name, data in as_checkpoint(CONTENT).items():
        (tmp_path / name).write_bytes(data)
    assert fetch(environment, str(tmp_path)) == tmp_path
    (tmp_path / WEIGHTS).write_bytes(b"evil")
    assert WEIGHTS in refusal(environment, str(tmp_path))


@pytest.mark.parametrize("fault", [{"altered": True}, {"truncated": True}, {"swapped": CONTENT[WEIGHTS][::-1]}])
def test_a_file_spoiled_on_the_way_is_fetched_anew_once_and_then_refused(hub, environment, fault):
    hub.fail(f"*/{WEIGHTS}", **fault)
    assert WEIGHTS in refusal(environment, NAME) or "truncated" in fault
    hub.mend()
    assert (fetch(environment, NAME) / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]


def test_a_file_spoiled_once_costs_a_second_download(hub, environment):
    hub.fail(f"*/{WEIGHTS}", altered=True, times=1)
    assert (fetch(environment, NAME) / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]
    assert hub.downloads[f"{REPOSITORY}/{WEIGHTS}"] == 2


def test_a_file_of_another_size_than_recorded_is_not_even_downloaded(hub, environment):
    hub.add(REPOSITORY, as_checkpoint(CONTENT) | {WEIGHTS: b"x" * 5_000_000})
    assert f"{WEIGHTS} of" in refusal(environment, NAME)
    assert hub.downloads[f"{REPOSITORY}/{WEIGHTS}"] == 0


def test_another_checkpoint_under_a_name_is_refused(hub, environment):
    hub.add(REPOSITORY, as_checkpoint(CONTENT, name="swrn-28-10-4.cifar10"))
    assert "swrn-28-10-4.cifar10" in refusal(environment, NAME)


def test_what_is_no_checkpoint_is_refused(hub, environment):
    hub.add("user/other", {"config.json": b"{}"})
    assert "record.json" in refusal(environment, "hf://user/other")
    hub.add("user/broken", {"record.json": b"{"})
    assert "record" in refusal(environment, "hf://user/broken")


def test_paths_in_a_record_stay_in_the_cache(hub, environment, tmp_path):
    content = {**CONTENT, "../../../../../escaped.json": b"{}"}
    hub.add("user/net", {**CONTENT, "record.json": as_checkpoint(content)["record.json"]})
    start(environment, "hf://user/net").communicate(timeout=60)
    assert not list(tmp_path.rglob("escaped.json"))


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({"status": 404, "code": "RepoNotFound"}, "no such repository"),
        ({"status": 403}, "forbids"),
        # The client tries these again for a while.
        pytest.param({"status": 500}, "trouble", marks=pytest.mark.slow),
        pytest.param({"stall": 3.0, "method": "GET"}, "time", marks=pytest.mark.slow),
    ],
)
def test_a_hub_that_fails_gives_one_sentence_and_loses_nothing(hub, environment, fault, word):
    patient = environment | {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
    hub.fail("*/record.json", **fault)
    assert word in refusal(patient, NAME)
    hub.mend()
    assert (fetch(environment, NAME) / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]


def test_nothing_published_and_wrong_names(hub, environment):
    sentence = refusal(environment, "swrn-28-10-4")
    assert "hf://recurzoo/swrn-28-10-4.cifar10 has none to give (There is no such repository" in sentence
    assert "swrn-22-1-2.cifar10" in sentence
    assert "swrn-28-10-2" in refusal(environment, "swrm-28-10-2", status=2)
    assert "hf://USER/REPO" in refusal(environment, "hf://nobody")


@pytest.mark.slow
def test_nobody_answers(environment):
    assert "reached" in refusal(environment | {"HF_ENDPOINT": "http://127.0.0.1:9"}, NAME)


def obey_permissions() -> None:
    """Take from a process of root, who writes everywhere, the right to do so."""
    if os.geteuid() == 0:
        drop_from_bounding_set, dac_override = 24, 1
        ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override)


def test_a_read_only_cache_gives_what_it_has(hub, environment, tmp_path):
    folder = fetch(environment, NAME)
    hub.add("user/other", as_checkpoint(CONTENT))
    cache = tmp_path / "home"
    subprocess.run(["chmod", "-R", "a-w", cache], check=True)
    try:
        assert fetch(environment, NAME, preexec_fn=obey_permissions) == folder
        assert fetch(environment, f"hf://{REPOSITORY}", preexec_fn=obey_permissions) == folder
        assert "HF_HOME" in refusal(environment, "hf://user/other", preexec_fn=obey_permissions)
    finally:
        subprocess.run(["chmod", "-R", "u+w", cache], check=True)


def test_a_cache_that_cannot_be_made_gives_one_sentence(environment, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert "file" in refusal(environment | {"HF_HOME": str(tmp_path / "file" / "home")}, NAME)


def test_a_full_disk_gives_one_sentence_and_leaves_no_rest(environment, tmp_path):
    import resource

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    assert "file" in refusal(environment, NAME, preexec_fn=fill)
    assert not list(tmp_path.rglob("*.incomplete"))
    assert (fetch(environment, NAME) / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]


def test_eight_processes_make_one_download(hub, environment):
    processes = [start(environment, NAME) for _ in range(8)]
    assert len({end(process) for process in processes}) == 1
    assert hub.downloads[f"{REPOSITORY}/{WEIGHTS}"] == 1
    assert hub.downloads[f"{REPOSITORY}/record.json"] == 1


@pytest.mark.parametrize("path", ["*/record.json", f"*/{WEIGHTS}"])
def test_a_killed_download_leaves_a_cache_that_works(hub, environment, path):
    hub.fail(path, stall=30.0, method="GET")
    process = start(environment, NAME)
    deadline = time.monotonic() + 30
    while not hub.count("GET", path):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    waiting = start(environment, NAME)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hub.mend()
    assert (end(waiting) / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]
