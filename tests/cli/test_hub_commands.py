"""`recurzoo fetch` and `recurzoo publish`: the words of the command, the report and the exit status."""

from __future__ import annotations

import json

from recurzoo.checkpoints.folder import RECORD, REQUIRED
from recurzoo.cli.main import main


def test_fetch(hub, cache, folder, capsys):
    hub.add("user/net", folder)
    assert main(["fetch", "hf://user/net", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert set(report["files"]) == {*REQUIRED}
    assert main(["fetch", "https://huggingface.co/user/net", "--all"]) == 0
    assert report["folder"] in capsys.readouterr().out
    assert main(["fetch", "hf://user/net", "--export", "onnx"]) == 1
    assert main(["fetch", "hf://user/net", "--export", "pickle"]) == 2
    assert main(["fetch", "swrn-28-10-4"]) == 1
    assert main(["fetch", "swrm-28-10-2"]) == 2


def test_publish(hub, cache, folder, capsys, monkeypatch):
    record = json.loads((folder / RECORD).read_text())
    words = ["publish", str(folder), "--repo", "user/net", "--private", "--json"]
    assert main(words) == 1
    record |= {"license": "Apache-2.0", "dataset": {"name": "digits", "license": "BSD"}}
    record["scores"] = [{"metric": "accuracy", "value": 0.5}]
    (folder / RECORD).write_text(json.dumps(record))
    assert main(words) == 1
    monkeypatch.setenv("HF_TOKEN", "hf_owner")
    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["commit"] == hub.repositories["user/net"].commits[-1].id
    assert hub.repositories["user/net"].private
    assert "hf_owner" not in out + err
