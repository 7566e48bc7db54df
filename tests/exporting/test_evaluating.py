"""Exported files measured on data: what the network reaches, by NumPy's count of it."""

import json

import numpy as np
import pytest

import recurzoo
from recurzoo.cli.main import main
from recurzoo.data.sets import load_data
from recurzoo.exporting.evaluating import evaluate_file, measure_int8

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", (32, 32), train=False).test


@pytest.fixture(scope="module")
def share_right(digits):
    logits = recurzoo.load("rc-4-w16").predict(digits.images.astype("float32"), verbose=0)
    return float(np.mean(logits.argmax(axis=1) == digits.labels))


@pytest.mark.parametrize("name", ["rc.onnx", "rc.tflite"])
def test_a_file_reaches_what_its_network_does(tmp_path, name, share_right, capsys):
    recurzoo.export("rc-4-w16", tmp_path / name, "onnx" if name.endswith("onnx") else "litert")
    found = evaluate_file(tmp_path / name, "digits")
    (accuracy,) = [score for score in found.scores if score.metric == "accuracy"]
    assert accuracy.value == pytest.approx(share_right, abs=1 / 360)
    assert accuracy.examples == 360
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / name), "--data", "digits", "--limit", "20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"][0]["examples"] == 20


def test_a_file_of_grids(tmp_path):
    recurzoo.export("scnn-20", tmp_path / "scnn.onnx")
    found = evaluate_file(tmp_path / "scnn.onnx", "shortest-paths", limit=4)
    wanted = recurzoo.evaluate("scnn-20", "shortest-paths", limit=4)
    assert [score.value for score in found.scores] == pytest.approx([score.value for score in wanted.scores], abs=1e-3)


def test_what_is_no_such_file(tmp_path):
    (tmp_path / "x.txt").write_text("")
    for path in (tmp_path / "x.txt", tmp_path / "none.onnx"):
        with pytest.raises(ValueError, match=path.name):
            evaluate_file(path, "digits")
    recurzoo.export(recurzoo.with_readouts(recurzoo.load("rc-4-w16")), tmp_path / "steps.onnx")
    with pytest.raises(ValueError, match="cell_2"):
        evaluate_file(tmp_path / "steps.onnx", "digits")


def test_int8_of_a_checkpoint_on_other_classes_is_refused():
    with pytest.raises(ValueError, match="classes"):
        measure_int8("rc-4-w16", "digits")
