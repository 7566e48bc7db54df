"""Verifying: what is as recorded passes, and each single change is found and named."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from recurzoo.base.errors import MissingWeightsError
from recurzoo.results import verify
from recurzoo.results.collecting import collect
from recurzoo.results.remeasuring import compare_metrics
from recurzoo.results.table_file import format_csv
from tests.data.test_sets import write_folder
from tests.results.conftest import PATHS, PETS
from tests.support.hub.server import HubServer


def problems(verification):
    found = [problem for report in verification.checkpoints for problem in report.problems]
    return [*found, *verification.problems]


def test_what_is_as_recorded_passes(shelf):
    import keras

    import recurzoo

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


def test_metrics_are_measured_again(shelf, pets):
    found = verify(data=str(pets))
    assert problems(found) == []
    paths, images = found.checkpoints
    # All but the baseline's, which is not in the checkpoint.
    assert (len(paths.measured), paths.metrics) == (5, 7)
    assert set(images.measured) == {"test_accuracy", "test_loss", "test_images", "test_fingerprint"}


def test_other_test_images_are_not_measured_on(shelf, change, tmp_path):
    other = write_folder(tmp_path / "other")
    shutil.copyfile(other / "train" / "dog" / "0.png", other / "test" / "dog" / "0.png")
    found = verify(shelf / PETS, data=str(other))
    assert "its test images are not those of the data, image folder other" in found.checkpoints[0].not_measured
    # No checkpoint is wrong; but who gives data wants something measured.
    assert (found.checkpoints[0].problems, found.failed) == ((), True)
    assert "nothing was measured on these data" in str(found)
    found = verify(PETS, data=str(write_folder(tmp_path / "birds", classes=("duck", "owl"))))
    assert "its classes are not those of the data" in found.checkpoints[0].not_measured
    change(shelf / PETS, class_names=[])
    found = verify(PETS, data=str(write_folder(tmp_path / "three", classes=("cat", "dog", "owl"))))
    assert "its classes are not those of the data" in found.checkpoints[0].not_measured
    assert "have no images" in verify(PETS, data="shortest-paths").checkpoints[0].not_measured
    with pytest.raises(ValueError, match=r"no folder"):
        verify(PETS, data=str(tmp_path / "nowhere"))


def test_a_changed_figure_is_found(shelf, pets, change):
    change(shelf / PETS, metrics={"test_accuracy": 0.87, "test_loss": 0.1})
    change(shelf / PATHS, metrics={"test_f1_phase_2": 0.999})
    found = verify(data=str(pets))
    assert found.failed
    paths, images = found.checkpoints
    assert [problem.split(" is ")[0] for problem in paths.problems] == ["test_f1_phase_2"]
    assert [problem.split(" is ")[0] for problem in images.problems] == ["test_accuracy", "test_loss"]
    assert "recorded as 0.87" in str(found)


@pytest.mark.parametrize(
    ("name", "recorded", "measured", "same_backend", "equal"),
    [
        ("test_accuracy", 0.8715, 0.8715, True, True),
        ("test_accuracy", 0.8715, 0.8716, True, False),
        ("test_accuracy", 0.8715, 0.8716, False, True),
        ("test_accuracy", 0.8715, 0.8736, False, False),
        ("test_f1_phase_5", 0.96, 0.96 + 1e-12, True, False),
        ("test_loss", 0.38, 0.38005, True, True),
        ("test_loss", 0.38, 0.3802, False, False),
        ("test_loss", 0.38, float("nan"), True, False),
        ("test_loss", "low", 0.38, True, False),
        ("test_images", 10000, 9999, False, False),
        ("test_images", None, 10000, True, False),
    ],
)
def test_how_exact_figures_must_be(name, recorded, measured, same_backend, equal):
    assert (compare_metrics({name: recorded}, {name: measured}, same_backend) == []) is equal


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
    ("changes", "sentence"),
    [
        ({"parameters": 7}, "recorded as 7"),
        ({"name": "swrn-16-1-1.cats"}, "another checkpoint than its name says"),
        ({"metrics": {"test_accuracy": "high"}}, "not a ResultRow"),
        ({"colour": "blue"}, "record cannot be read"),
        ({"architecture": "swrn-17-1-1"}, "has a depth of"),
        ({"files": {}}, "not in the record"),
    ],
)
def test_a_changed_record_is_found(shelf, change, changes, sentence):
    change(shelf / PETS, **changes)
    found = verify()
    assert found.failed
    assert found.checkpoints[0].problems == ()
    assert sentence in "; ".join(found.checkpoints[1].problems)
    assert found.checkpoints[1].describe().count("\n") == 0


def test_a_record_that_asks_for_too_much(shelf, change):
    change(shelf / PATHS, metrics={"test_grids_a_phase": 10**12})
    assert "test_grids_a_phase=1000000000000" in problems(verify(PATHS, "shortest-paths"))[0]


def test_results_are_compared_with_the_records(shelf, change, pets):
    csv = shelf / "results.csv"
    csv.write_text(format_csv(collect().rows))
    assert problems(verify()) == []

    change(shelf / PETS, epochs=200)
    assert problems(verify()) == ["in results.csv, epochs is 2, not 200"]
    change(shelf / PETS, epochs=2)

    # Operations are counted and files weighed when a model is loaded anyway.
    assert [problem.partition(", not ")[0] for problem in problems(verify(PETS, str(pets)))] == [
        "in results.csv, macs is None",
        "in results.csv, folded_onnx_bytes is None",
    ]

    text = csv.read_text()
    csv.write_text("".join(line for line in text.splitlines(True) if PATHS not in line))
    assert problems(verify()) == ["results.csv does not have it"]

    csv.write_text(text)
    shutil.rmtree(shelf / PATHS)
    assert problems(verify()) == [f"results.csv has {PATHS}, which is not there"]
    assert problems(verify(PETS)) == []

    csv.write_text("name,accuracy\nresnet,1\n")
    assert "its columns are name, accuracy" in problems(verify())[0]


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


def test_data_that_are_not_there_are_refused_whatever_is_verified(shelf):
    with pytest.raises(ValueError, match="no folder"):
        verify(PATHS, "./nowhere")
