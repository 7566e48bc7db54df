"""A shelf of two small checkpoints and a few runs, whose scores are measured here by hand."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.conftest import BACKEND
from tests.data.test_sets import write_folder

CLASSES = ("dog", "cat")
PETS, PATHS = "swrn-16-1-1.pets", "scnn-20.shortest-paths"
GRIDS, PHASES, SIZE = 6, 2, 8
CURRICULUM = {"phases": PHASES, "examples": 4, "test_examples": GRIDS}


def recipe(architecture, dataset, schedule="small", **changes):
    name = f"{architecture}.{dataset}.{schedule}"
    return {"name": name, "architecture": architecture, "dataset": dataset, "epochs": 2, "seed": 3} | changes


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "pets")


@pytest.fixture(scope="session")
def shipped(tmp_path_factory, pets):
    import recurzoo

    folder = tmp_path_factory.mktemp("shelf")
    common = {"versions": {"backend": BACKEND}, "epochs": 2, "training_seconds": 5400.0, "hardware": "an abacus"}
    classifier = recurzoo.create("swrn-16-1-1", num_classes=2, input_shape=(8, 8, 3))
    record = {
        "name": PETS,
        "architecture": "swrn-16-1-1",
        # In another order than the folder's.
        "class_names": CLASSES,
        "dataset": {"name": "pets"},
        "recipe": recipe("swrn-16-1-1", "pets", image_size=8),
        "scores": image_scores(classifier, pets),
    }
    recurzoo.save(classifier, folder / PETS, common | record)
    finder = recurzoo.create("scnn-20", num_classes=1, input_shape=(SIZE, SIZE, 2))
    record = {
        "name": PATHS,
        "architecture": "scnn-20",
        "dataset": {"name": "shortest-paths"},
        "recipe": recipe("scnn-20", "shortest-paths", image_size=SIZE, curriculum=CURRICULUM),
        "scores": path_scores(finder),
    }
    recurzoo.save(finder, folder / PATHS, common | record)
    return folder


@pytest.fixture
def shelf(shipped, tmp_path, monkeypatch):
    """A copy for each test, and the only shelf there is."""
    monkeypatch.setattr("recurzoo.zoo.finding.PACKAGE", tmp_path / "no" / "package")
    monkeypatch.setenv("RECURZOO_WEIGHTS", str(tmp_path / "weights"))
    return shutil.copytree(shipped, tmp_path / "weights")


@pytest.fixture
def change():
    """Changes a checkpoint's record as with a text editor; of its scores, the values by metric and phase."""

    def change(folder, values=None, **changes):
        path = folder / "record.json"
        record = json.loads(path.read_text())
        for score in record["scores"]:
            score["value"] = (values or {}).get((score["metric"], score["phase"]), score["value"])
        path.write_text(json.dumps(record | changes))

    return change


@pytest.fixture
def run(shelf):
    """Writes the record of a run whose weights do not ship, like a checkpoint's but for some of its recipe."""

    def run(like, value, **changes):
        record = json.loads((shelf / like / "record.json").read_text())
        record["recipe"] |= changes
        record["architecture"] = architecture = record["recipe"]["architecture"]
        record |= {"name": f"{architecture}.{record['dataset']['name']}", "files": {}}
        record["scores"] = [score | {"value": value} for score in record["scores"]]
        folder = shelf / "runs" / f"{record['recipe']['name']}.seed-{record['recipe']['seed']}"
        folder.mkdir(parents=True)
        (folder / "record.json").write_text(json.dumps(record))
        return folder

    return run


def image_scores(model, root):
    files = sorted((root / "test").glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = np.array([CLASSES.index(file.parent.name) for file in files], "<i4")
    logits = model.predict(images, verbose=0).astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    examples = {
        "examples": len(labels),
        "fingerprint": hashlib.sha256(repr(images.shape).encode() + images.tobytes() + labels.tobytes()).hexdigest(),
    }
    return [
        {"metric": "accuracy", "value": float(np.mean(logits.argmax(axis=1) == labels)), **examples},
        {
            "metric": "loss",
            "value": float(-np.mean(np.log(probabilities[range(len(labels)), labels]))),
            **examples,
        },
    ]


def path_scores(model):
    from sklearn.metrics import f1_score

    from recurzoo.tasks.grids import generate_grids

    scores = []
    for phase in range(1, PHASES + 1):
        images, targets = generate_grids(GRIDS, phase, np.random.default_rng([phase, 1]), SIZE)
        answers = model.predict(images, verbose=0)[..., 0] > 0
        inner = images[..., 0] == 0
        of = {"phase": phase, "examples": GRIDS}
        scores.append({"metric": "f1", "value": float(f1_score(targets.ravel(), answers.ravel())), **of})
        value = float(f1_score(targets[inner], answers[inner]))
        scores.append({"metric": "f1_without_queries", "value": value, **of})
    return scores
