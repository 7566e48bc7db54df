"""The commands that work on a checkpoint, on a tiny one, as typed."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

import recurzoo
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.record import Parent
from recurzoo.cli.main import main
from tests.data.test_sets import write_folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "swrn-16-1-1.pets"
    model = recurzoo.create("swrn-16-1-1", num_classes=2, input_shape=(8, 8, 3))
    # Classes in another order than the folder's.
    recurzoo.save(model, folder, {"name": folder.name, "architecture": "swrn-16-1-1", "class_names": ("dog", "cat")})
    return folder


@pytest.fixture(scope="module")
def misfits(tmp_path_factory):
    """Checkpoints that the images of a data set do not fit: of five classes without names, of no size, of no head."""
    folder = tmp_path_factory.mktemp("misfits")
    for name, own in {
        "five": {"num_classes": 5, "input_shape": (8, 8, 3)},
        "sizeless": {"input_shape": (None, None, 3)},
        "headless": {"input_shape": (8, 8, 3), "include_top": False, "pooling": "avg"},
    }.items():
        recurzoo.save(recurzoo.create("swrn-16-1-1", **own), folder / name)
    # As a record says that a text editor has been at.
    shutil.copytree(folder / "five", folder / "misnamed")
    record = read_record(folder / "misnamed")
    text = record.replace(class_names=("cat", "dog")).to_json()
    (folder / "misnamed" / "record.json").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("evaluate {}/five --data digits", "which does not name its 5. Received: scikit-learn digits with 10 classes"),
        ("fold {}/five --data digits --out {tmp}/x", "which does not name its 5"),
        ("evaluate {}/sizeless --data digits", "no fixed image size"),
        ("fold {}/sizeless --data digits --out {tmp}/x", "no fixed image size"),
        ("predict {}/sizeless x.png", "no fixed image size"),
        ("evaluate {}/headless --data digits", "classify color images"),
        ("predict {}/misnamed x.png", "2 class_names in 'five' for 5 outputs"),
        ("evaluate {}/misnamed --data digits", "2 class_names in 'five' for 5 outputs"),
    ],
)
def test_a_checkpoint_and_images_that_do_not_fit(capsys, misfits, tmp_path, words, sentence):
    status, _, err = run(capsys, *words.format(misfits, tmp=tmp_path).split())
    assert status == 1
    assert sentence in err
    assert "Unexpected" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "pets")


def run(capsys, *words):
    status = main([str(word) for word in words])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return status, captured.out, captured.err


def test_predict(capsys, checkpoint, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png")
    status, out, _ = run(capsys, "predict", checkpoint, tmp_path / "a.png", "--top", 1, "--json")
    assert status == 0
    guesses = json.loads(out)["predictions"][0]["guesses"]
    logits = recurzoo.load(checkpoint).predict(pixels[None], verbose=0)[0]
    probabilities = np.exp(logits) / np.exp(logits).sum()
    assert len(guesses) == 1
    assert guesses[0]["label"] == ("dog", "cat")[logits.argmax()]
    assert guesses[0]["probability"] == pytest.approx(probabilities.max(), abs=1e-4)


def test_evaluate_matches_classes_by_name(capsys, checkpoint, pets):
    status, out, _ = run(capsys, "evaluate", checkpoint, "--data", pets, "--json")
    assert status == 0
    report = json.loads(out)
    files = sorted((pets / "test").glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    guesses = recurzoo.load(checkpoint).predict(images, verbose=0).argmax(axis=1)
    right = [("dog", "cat")[guess] == file.parent.name for guess, file in zip(guesses, files, strict=True)]
    (accuracy,) = [score for score in report["scores"] if score["metric"] == "accuracy"]
    assert accuracy["value"] == pytest.approx(np.mean(right))
    assert accuracy["examples"] == 4


def test_fold_writes_a_checkpoint_that_loads(capsys, checkpoint, pets, tmp_path):
    status, out, _ = run(capsys, "fold", checkpoint, "--out", tmp_path / "folded", "--data", pets, "--json")
    assert status == 0
    report = json.loads(out)
    assert report["layers_after"] < report["layers_before"]
    record = read_record(tmp_path / "folded")
    assert record.parent == Parent(action="fold", checkpoint="swrn-16-1-1.pets", threshold=0.9)
    assert record.headline.value == pytest.approx(report["score_reestimated"])
    assert all(len(set(stage.banks[0].sharing.index)) == 1 for stage in recurzoo.load(tmp_path / "folded").stages)
    # The record's figures are told again of the same images, and of no others.
    _, out, _ = run(capsys, "evaluate", tmp_path / "folded", "--data", pets, "--json")
    assert json.loads(out)["recorded"] == [score.to_dict() for score in record.scores]
    _, out, _ = run(capsys, "evaluate", tmp_path / "folded", "--data", pets, "--limit", 2, "--json")
    assert json.loads(out)["recorded"] == []


@pytest.mark.tensorflow
def test_export(capsys, checkpoint, tmp_path):
    pytest.importorskip("onnxruntime")
    status, out, _ = run(capsys, "export", checkpoint, "--format", "onnx", "--out", tmp_path / "x.onnx", "--json")
    assert status == 0
    assert json.loads(out)["bytes"] == (tmp_path / "x.onnx").stat().st_size


@pytest.mark.tensorflow
def test_export_with_an_output_a_step(capsys, checkpoint, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    status, _, _ = run(capsys, "export", checkpoint, "--format", "onnx", "--steps", "--out", tmp_path / "x.onnx")
    assert status == 0
    moments = recurzoo.trajectory(recurzoo.load(checkpoint), np.zeros((1, 32, 32, 3)))
    outputs = runtime.InferenceSession(tmp_path / "x.onnx").get_outputs()
    assert [output.name for output in outputs] == [name for name, m in moments.items() if m.logits is not None]
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    words = ("export", folder, "--format", "onnx", "--steps", "--out", folder / "model.onnx")
    status, _, err = run(capsys, *words)
    assert status == 1
    assert "--steps" in err


@pytest.mark.tensorflow
def test_an_export_into_the_checkpoints_own_folder_is_recorded(capsys, checkpoint, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = shutil.copytree(checkpoint, tmp_path / "mine")
    status, _, _ = run(capsys, "export", folder, "--format", "onnx", "--out", folder / "model.onnx")
    assert status == 0
    content = (folder / "model.onnx").read_bytes()
    recorded = read_record(folder).files["model.onnx"]
    assert (recorded.bytes, recorded.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    recurzoo.load(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, kind in (("other.onnx", "onnx"), ("model.tflite", "onnx"), ("model.weights.h5", "onnx"), ("x", "litert")):
        status, _, err = run(capsys, "export", folder, "--format", kind, "--out", folder / name)
        assert status == 1
        assert "model.onnx for onnx, model.tflite for litert" in err
    status, _, err = run(capsys, "export", checkpoint, "--format", "onnx", "--out", folder / "model.onnx")
    assert status == 1
    assert "of that checkpoint alone" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("status", "words", "sentence"),
    [
        (2, ["predict", "swrn-16-1-9", "x.png"], "templates"),
        (1, ["predict", "{checkpoint}", "nowhere.png"], "no such image"),
        (1, ["evaluate", "{checkpoint}", "--data", "nowhere"], "no folder"),
        (1, ["evaluate", "{checkpoint}", "--data", "digits"], "classes are not the checkpoint's"),
        (1, ["fold", "{checkpoint}", "--out", "{tmp}/x", "--threshold", "2"], "between 0 and 1"),
        (2, ["export", "{checkpoint}", "--format", "pickle", "--out", "x"], "pickle"),
        (2, ["train", "swrn-22-1-2.cifar10.slow", "--data", "digits", "--out", "x"], "no such recipe"),
        (1, ["train", "swrn-22-1-2.cifar10.cpu", "--data", "nowhere", "--out", "{tmp}/run"], "no folder"),
    ],
)
def test_errors_are_one_sentence_with_a_status(capsys, checkpoint, tmp_path, status, words, sentence):
    got, out, err = run(capsys, *(word.format(checkpoint=checkpoint, tmp=tmp_path) for word in words))
    assert (got, out) == (status, "")
    assert sentence in err.strip().splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
