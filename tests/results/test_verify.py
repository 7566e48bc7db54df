"""Verifying: what is as recorded passes, and each single change is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

import recurzoo
from recurzoo.base.errors import MissingWeightsError
from recurzoo.checkpoints.record import Record, Score
from recurzoo.results.rows import Measured
from recurzoo.results.table import format_csv, list_results
from recurzoo.results.verify import compare_scores, verify
from tests.conftest import BACKEND
from tests.data.test_sets import write_folder
from tests.support.hub import HubServer
from tests.support.shelf import PATHS, PETS


def problems(verification):
    found = [problem for report in verification.checkpoints for problem in report.problems]
    return [*found, *verification.problems]


def test_what_is_as_recorded_passes(shelf):
    import keras

    lines = []
    found = verify(report=lines.append)
    assert not found.failed
    assert problems(found) == []
    assert lines == [f"1/2 verifying {PATHS}", f"2/2 verifying {PETS}"]
    for report in found.checkpoints:
        weights = recurzoo.load(shelf / report.checkpoint).trainable_weights
        assert report.parameters == sum(keras.ops.size(weight) for weight in weights)
        assert report.measured == ()
    assert [report.describe().split(":")[0] for report in found.checkpoints] == [PATHS, PETS]


def test_scores_are_measured_again_of_what_the_data_fit(shelf, pets):
    found = recurzoo.verify(data=str(pets))
    assert problems(found) == []
    paths, images = found.checkpoints
    assert (len(paths.measured), paths.recorded) == (0, 4)
    assert {score.metric for score in images.measured} == {"accuracy", "loss"}
    found = recurzoo.verify(data="shortest-paths")
    assert problems(found) == []
    paths, images = found.checkpoints
    assert {(score.metric, score.phase) for score in paths.measured} == {
        (metric, phase) for metric in ("f1", "f1_without_queries") for phase in (1, 2)
    }
    assert images.measured == ()


def test_other_test_images_are_not_measured_on(shelf, change, tmp_path):
    other = write_folder(tmp_path / "other")
    shutil.copyfile(other / "train" / "dog" / "0.png", other / "test" / "dog" / "0.png")
    found = verify(shelf / PETS, data=str(other))
    assert "image folder other" in found.checkpoints[0].not_measured
    # No checkpoint is wrong; but who gives data wants something measured.
    assert (found.checkpoints[0].problems, found.failed) == ((), True)
    assert "nothing was measured on these data" in str(found)
    found = verify(PETS, data=str(write_folder(tmp_path / "birds", classes=("duck", "owl"))))
    assert "duck" in found.checkpoints[0].not_measured
    for data in ("shortest-paths", str(tmp_path / "nowhere")):
        found = verify(PETS, data=data)
        assert (found.checkpoints[0].measured, found.failed) == ((), True)


def test_a_changed_figure_is_found(shelf, pets, change):
    change(shelf / PETS, {("accuracy", None): 0.87, ("loss", None): 0.1})
    change(shelf / PATHS, {("f1", 2): 0.999})
    found = verify(PETS, data=str(pets))
    assert found.failed
    assert {problem.split(" is ")[0] for problem in problems(found)} == {"accuracy", "loss"}
    assert "recorded as 0.87" in str(found)
    assert [p.split(" is ")[0] for p in problems(verify(PATHS, "shortest-paths"))] == ["F1 in phase 2"]


@pytest.mark.parametrize(
    ("metric", "recorded", "measured", "backend", "equal"),
    [
        ("accuracy", 0.8715, 0.8715, BACKEND, True),
        ("accuracy", 0.8715, 0.8716, BACKEND, False),
        ("accuracy", 0.8715, 0.8716, "another", True),
        ("accuracy", 0.8715, 0.8736, "another", False),
        ("f1", 0.96, 0.96 + 1e-12, BACKEND, False),
        ("loss", 0.38, 0.38005, BACKEND, True),
        ("loss", 0.38, 0.3802, "another", False),
        ("loss", 0.38, None, BACKEND, False),
        ("loss", None, None, BACKEND, True),
        ("loss", None, 0.38, "another", False),
    ],
)
def test_how_exact_figures_must_be(metric, recorded, measured, backend, equal):
    score, again = (Score(metric=metric, value=value) for value in (recorded, measured))
    scores = (score.replace(seed=1, value=0.0), score)
    record = Record(name="x.y", architecture="swrn-16-1-1", versions={"backend": backend}, scores=scores)
    assert (compare_scores(record, [again]) == []) is equal


def test_a_changed_file_is_found_and_not_opened(shelf, pets):
    path = shelf / PETS / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = verify(PETS, data=str(pets))
    assert found.failed
    (images,) = found.checkpoints
    assert (images.measured, images.parameters) == ((), None)
    assert "model.safetensors" in images.problems[0]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_missing_file_is_found(shelf, file):
    (shelf / PETS / file).unlink()
    found = verify()
    assert [f"{file} is missing" in problem for problem in problems(found)] == [True]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"parameters": 7}, "recorded as 7"),
        ({"name": "swrn-16-1-1.cats"}, "swrn-16-1-1.cats"),
        ({"scores": [{"metric": "accuracy", "value": "high"}]}, "scores"),
        ({"color": "blue"}, "color"),
        ({"architecture": "swrn-17-1-1"}, "swrn-17-1-1"),
        ({"architecture": "swrn-22-1-1"}, "swrn-22-1-1"),
        ({"class_names": ["one"]}, "class_names"),
        ({"files": {}}, "not in the record"),
    ],
)
def test_a_changed_record_is_found(shelf, change, changes, word):
    change(shelf / PETS, **changes)
    found = verify()
    assert found.failed
    assert found.checkpoints[0].problems == ()
    assert word in "; ".join(found.checkpoints[1].problems)
    assert found.checkpoints[1].describe().count("\n") == 0


def test_whatever_load_refuses_is_found(shelf):
    """A config that asks for other weights than the file has, with its hash in the record."""
    import hashlib

    folder = shelf / PETS
    config = folder / "config.json"
    text = config.read_text().replace('"num_templates": 1', '"num_templates": 2')
    assert text != config.read_text()
    config.write_text(text)
    record = json.loads((folder / "record.json").read_text())
    record["architecture"] = "swrn-16-1-2"
    record["files"]["config.json"] = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text)}
    (folder / "record.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="fit"):
        recurzoo.load(folder)
    assert len(verify(folder).checkpoints[0].problems) == 1


def test_a_record_that_asks_for_too_much(shelf, change):
    record = json.loads((shelf / PATHS / "record.json").read_text())
    record["recipe"]["curriculum"]["test_examples"] = 10**12
    change(shelf / PATHS, recipe=record["recipe"])
    found = verify(PATHS, "shortest-paths")
    assert found.failed
    assert "1000000000000" in str(found)
    change(shelf / PATHS, scores=[score | {"examples": 10**12} for score in record["scores"]])
    assert "examples" in problems(verify())[0]


def test_results_are_compared_with_the_records(shelf, change, run, pets):
    csv = shelf / "results.csv"
    unshipped = run(PATHS, 0.5, name="cnn-20.shortest-paths.small", architecture="cnn-20")
    csv.write_text(format_csv(list_results().rows))
    assert problems(verify()) == []

    change(shelf / PETS, epochs=200)
    (problem,) = problems(verify())
    assert problem.startswith("in results.csv")
    assert problem.endswith("epochs is 2, not 200")
    change(shelf / PETS, epochs=2)
    change(unshipped, epochs=7)
    assert [p.partition(", epochs")[2] for p in problems(verify())] == [" is 2, not 7"]
    assert problems(verify(PETS)) == []
    change(unshipped, format=2)
    assert any(unshipped.name in problem for problem in problems(verify()))
    change(unshipped, format=1, epochs=2)

    text = csv.read_text()
    csv.write_text("".join(line for line in text.splitlines(True) if PATHS not in line))
    assert problems(verify()) == [f"results.csv does not have {PATHS}"]

    csv.write_text(text)
    shutil.rmtree(shelf / PATHS)
    # Its twin's row is still that of a run.
    assert problems(verify()) == [f"results.csv has {PATHS}, which is not there"]
    assert problems(verify(PETS)) == []

    csv.write_text("name,accuracy\nresnet,1\n")
    assert "its columns are name, accuracy" in problems(verify())[0]


def test_what_is_measured_on_models_is_compared_where_they_are_loaded_anyway(shelf, pets, monkeypatch):
    rows = [row.with_measured(Measured(macs=1, folded_onnx_bytes=10**6)) for row in list_results().rows]
    (shelf / "results.csv").write_text(format_csv(rows))
    assert problems(verify(PETS)) == []
    monkeypatch.setattr("recurzoo.results.table._folded_onnx_bytes", lambda model: 10**6 + 200)
    found = problems(verify(PETS, str(pets)))
    columns = [problem.split(f"{PETS}, ")[1].split(",")[0] for problem in found]
    assert columns == ["macs is 1", "twin_parameters is None"]

    def fail(model):
        raise ImportError("the extra is not installed")

    monkeypatch.setattr("recurzoo.results.table._folded_onnx_bytes", fail)
    assert len(problems(verify(PETS, str(pets)))) == 2


def test_of_a_download_every_file_is_verified(shelf, tmp_path):
    def run():
        command = [sys.executable, "-m", "recurzoo", "verify", "hf://user/pets"]
        return subprocess.run(command, env=hub.environment(tmp_path / "home"), capture_output=True, text=True)

    with HubServer() as hub:
        hub.add("user/pets", shelf / PETS)
        assert run().returncode == 0
        hub.add("user/pets", {"model.safetensors": b"evil"})
        done = run()
    assert done.returncode == 1
    assert "model.safetensors of 'hf://user/pets" in done.stderr


def test_nothing_to_verify(tmp_path, monkeypatch):
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "no" / "package")
    monkeypatch.delenv("RECURZOO_WEIGHTS", raising=False)
    with pytest.raises(MissingWeightsError, match="no checkpoints here"):
        verify()
    with pytest.raises(FileNotFoundError, match=r"record\.json"):
        verify(tmp_path)


def test_what_is_printed_of_a_record_has_no_control_characters(shelf, change):
    change(shelf / PETS, name="\x1b[2J")
    text = str(verify())
    assert text.replace("\n", "").isprintable()
    assert "FAILED" in text
