"""A checkpoint with files in int8: what they reach by NumPy's count, what is verified, and what a failure leaves."""

import json
import sys

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.checkpoints.folder import EXPORTS, read_record
from recurzoo.checkpoints.record import Parent
from recurzoo.cli.main import main
from recurzoo.data.sets import load_data
from recurzoo.exporting.exporter import ExportError
from recurzoo.exporting.formats import FORMATS
from recurzoo.zoo.saving import write_record

pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")
pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", (8, 8))


@pytest.fixture(scope="module")
def net(digits, tmp_path_factory):
    """A checkpoint that tells digits apart."""
    keras.utils.set_random_seed(0)
    model = recurzoo.create("swrn-16-1-2", num_classes=10, input_shape=(8, 8, 3))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(digits.train.images, digits.train.labels, epochs=4, verbose=0)
    recurzoo.save(model, folder := tmp_path_factory.mktemp("net") / "net")
    return folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_are_recorded_with_what_they_reach_and_verified(net, digits, tmp_path, capsys, monkeypatch):
    found = recurzoo.quantize(net, "digits", tmp_path / "small")
    record = read_record(tmp_path / "small")
    assert record.parent == Parent(action="quantize", checkpoint="net", threshold=0.93)
    assert record.headline == found.score
    assert found.score.value > 0.8
    assert set(EXPORTS.values()) <= set(record.files)
    for format, file in zip(EXPORTS, found.files, strict=True):
        path = tmp_path / "small" / EXPORTS[format]
        assert (file.path, file.bytes) == (str(path), path.stat().st_size)
        logits = FORMATS[format].load(path).run_all(digits.test.images)
        right = np.mean(logits.argmax(axis=1) == digits.test.labels)
        assert file.score.value == pytest.approx(right)
        assert file.score in record.scores
        assert right > found.score.value - 0.05
    assert str(found.files[0].score.rounded) in (tmp_path / "small" / "README.md").read_text()

    (report,) = recurzoo.verify(tmp_path / "small", "digits").checkpoints
    assert not report.problems
    assert len(report.measured) == len(record.scores) == 6
    assert report.not_measured is None
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "onnxruntime", None)
        patched.setitem(sys.modules, "ai_edge_litert", None)
        patched.setitem(sys.modules, "ai_edge_litert.interpreter", None)
        (report,) = recurzoo.verify(tmp_path / "small", "digits").checkpoints
    # The network itself.
    assert not report.problems
    assert [score.model for score in report.measured] == [None, None]
    assert "not installed" in str(report.not_measured)
    wrong = found.files[0].score.replace(value=0.5)
    write_record(tmp_path / "small", record.with_scores(wrong))
    (report,) = recurzoo.verify(tmp_path / "small", "digits").checkpoints
    assert "model.onnx" in "".join(report.problems)

    words = ["quantize", str(net), "--data", "digits", "--out", str(tmp_path / "one"), "--format", "litert"]
    capsys.readouterr()
    assert main([*words, "--limit", "50", "--json"]) == 0
    (file,) = json.loads(capsys.readouterr().out)["files"]
    assert file["score"]["examples"] == 50


def test_a_failure_leaves_what_was_there(net, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError):
        recurzoo.quantize(net, "digits", tmp_path / "other", overwrite=True)
    with pytest.raises(ValueError, match="saved_model"):
        recurzoo.quantize(net, "digits", tmp_path / "new", ["saved_model"])
    recurzoo.save(recurzoo.load(net), tmp_path / "mine")
    before = contents(tmp_path / "mine")
    with pytest.raises(FileExistsError):
        recurzoo.quantize(net, "digits", tmp_path / "mine")
    monkeypatch.setattr("recurzoo.exporting.exporter.INT8_TOLERANCE", 0.0)
    with pytest.raises(ExportError):
        recurzoo.quantize(net, "digits", tmp_path / "mine", overwrite=True)
    assert contents(tmp_path / "mine") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "other"]
