"""Classifying images, in Python and by command: one bad file costs no other its answer."""

import io
import json
import os
import sys

import numpy as np
import pytest
from PIL import Image

import recurzoo
from recurzoo.checkpoints.record import Record
from recurzoo.cli.main import main
from recurzoo.zoo import predicting

NAMES = ("ant", "bee", "cat", "dog", "emu")


@pytest.fixture
def model(tiny, monkeypatch):
    """A model that stands for a checkpoint with names of classes."""
    record = Record(name="tiny.pets", architecture="swrn-16-1-2", class_names=NAMES)
    found = predicting.model_and_record
    monkeypatch.setattr(predicting, "model_and_record", lambda name: (tiny, record) if name == "tiny" else found(name))
    return tiny


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more" / "deep").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png", "more/c.png", "more/deep/d.PNG", "more/._x.png"):
        Image.fromarray(generator.integers(0, 256, (8, 8, 3)).astype("uint8")).save(name)
    (tmp_path / "bad.png").write_bytes(b"no image")
    return tmp_path


def expected(model, path):
    """The probabilities in float64, of the pixels as Pillow alone reads them."""
    logits = model.predict(np.asarray(Image.open(path))[None], verbose=0)[0].astype("float64")
    return np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()


def test_a_prediction(model, photos):
    (prediction,) = recurzoo.predict("tiny", "a.png", top=3).predictions
    probabilities = expected(model, "a.png")
    order = np.argsort(-probabilities)[:3]
    assert (prediction.image, prediction.error) == ("a.png", None)
    assert [guess.label for guess in prediction.guesses] == [NAMES[i] for i in order]
    assert [guess.probability for guess in prediction.guesses] == pytest.approx(probabilities[order], abs=1e-5)


def test_a_model_without_a_checkpoint_numbers_its_classes(model, photos):
    (prediction,) = recurzoo.predict(model, photos / "a.png", top=99).predictions
    assert sorted(guess.label for guess in prediction.guesses) == list("01234")
    assert prediction.guesses[0].label == str(expected(model, "a.png").argmax())


@pytest.mark.parametrize(
    ("images", "names"),
    [
        ([b"..."], ["-"]),
        ("more", ["more/c.png", "more/deep/d.PNG"]),
        ([".", "a.png"], ["a.png", "b.png", "bad.png", "more/c.png", "more/deep/d.PNG", "a.png"]),
        ("?.png", ["a.png", "b.png"]),
        ("**/*.[pP][nN][gG]", ["a.png", "b.png", "bad.png", "more/c.png", "more/deep/d.PNG"]),
        (["a.png", "[ab].png"], ["a.png", "a.png", "b.png"]),
    ],
)
def test_folders_wildcards_and_bytes(model, photos, images, names, monkeypatch):
    # More than fit into one batch.
    monkeypatch.setattr(predicting, "BATCH", 2)
    images = [(photos / "a.png").read_bytes()] if images == [b"..."] else images
    predictions = recurzoo.predict("tiny", images, top=1).predictions
    assert [prediction.image for prediction in predictions] == names
    for prediction in predictions:
        assert bool(prediction.error) == (prediction.image == "bad.png")
        if not prediction.error:
            probabilities = expected(model, "a.png" if prediction.image == "-" else prediction.image)
            assert prediction.guesses[0].probability == pytest.approx(probabilities.max(), abs=1e-5)


def test_a_file_may_have_a_wildcard_in_its_name(model, photos):
    (photos / "a.png").rename("[b].png")
    assert [p.image for p in recurzoo.predict("tiny", "[b].png").predictions] == ["[b].png"]


def test_one_bad_file_costs_no_other_its_answer(model, photos):
    os.mkfifo("pipe.jpg")
    os.mkdir("empty")
    images = ["pipe.jpg", "a.png", "bad.png", b"", "empty", "nowhere/*.png", "b.png"]
    report = recurzoo.predict("tiny", images)
    assert report.failed
    assert [not prediction.error for prediction in report.predictions] == [False, True, *[False] * 4, True]
    for image, prediction in zip(images, report.predictions, strict=True):
        assert prediction.image == (image or "-")
        assert len(prediction.guesses) == (0 if prediction.error else 5)
        assert prediction.error is None or (image or "0 bytes") in prediction.error


def test_outputs_that_are_not_finite_are_no_answer(model, photos):
    model.get_layer("head").bias.assign([np.nan] * 5)
    with pytest.raises(ValueError, match=r"no finite probabilities.*a\.png"):
        recurzoo.predict("tiny", "a.png")


@pytest.mark.parametrize(
    ("images", "top", "received"),
    [
        ("bad.png", 5, "'bad.png'"),
        (["bad.png", "x.png"], 5, "'x.png'"),
        ([], 5, "none at all"),
        ("a.png", 0, "top=0"),
        (np.zeros((2, 8, 8, 3)), 5, "array"),
        ([None], 5, "None"),
    ],
)
def test_what_is_refused(model, photos, images, top, received):
    with pytest.raises(ValueError, match="Received: ") as caught:
        recurzoo.predict("tiny", images, top)
    assert received in str(caught.value)


def test_the_command(model, photos, capsys):
    assert main(["predict", "tiny", "a.png", "more", "--top", "1"]) == 0
    captured = capsys.readouterr()
    assert [line.split()[0] for line in captured.out.splitlines()] == [
        "image",
        "a.png",
        "more/c.png",
        "more/deep/d.PNG",
    ]
    assert main(["predict", "tiny", "bad.png", "a.png", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    bad, good = report["predictions"]
    assert (bad["image"], bad["guesses"]) == ("bad.png", [])
    assert "bad.png" in bad["error"]
    assert good["guesses"][0]["label"] in NAMES
    assert main(["predict", "tiny", "bad.png"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'bad.png'" in captured.err


def test_standard_input(model, photos, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((photos / "a.png").read_bytes())))
    assert main(["predict", "tiny", "-", "b.png", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["predictions"]
    assert (first["image"], second["image"]) == ("-", "b.png")
    assert first["guesses"][0]["probability"] == pytest.approx(expected(model, "a.png").max(), abs=1e-5)


@pytest.mark.parametrize("name", ["\x1b[31mred.png", "two\nlines.png", "[red]x.png", b"\xff\xfe.png"])
def test_names_of_files_are_printed_escaped(model, photos, capsys, name):
    name = os.fsdecode(name)
    (photos / "a.png").rename(name)
    (photos / "bad.png").rename(f"bad{name}")
    assert main(["predict", "tiny", name, f"bad{name}", "--top", "1"]) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    if name.isprintable():
        assert lines[1].startswith(name)
    assert main(["predict", "tiny", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"][0]["image"] == name
