"""A shelf of two small checkpoints, whose metrics are measured here by hand."""

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


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("data") / "pets")


@pytest.fixture(scope="session")
def shipped(tmp_path_factory, pets):
    import recurzoo

    folder = tmp_path_factory.mktemp("shelf")
    common = {
        "versions": {"backend": BACKEND},
        "seed": 3,
        "epochs": 2,
        "training_seconds": 90.0,
        "hardware": "an abacus",
    }
    classifier = recurzoo.create("swrn-16-1-1", num_classes=2, input_shape=(8, 8, 3))
    record = {
        "name": PETS,
        "architecture": "swrn-16-1-1",
        # In another order than the folder's.
        "class_names": CLASSES,
        "dataset": {"name": "pets", "note": "drawn by a generator"},
        "metrics": image_metrics(classifier, pets),
    }
    recurzoo.save(classifier, folder / PETS, common | record)
    finder = recurzoo.create("scnn-20", num_classes=1, input_shape=(SIZE, SIZE, 2))
    record = {
        "name": PATHS,
        "architecture": "scnn-20",
        "dataset": {"name": "shortest-paths"},
        "recipe": {"baseline": "cnn-20"},
        "metrics": path_metrics(finder) | {"cnn-20_test_f1_phase_1": 0.5, "cnn-20_test_f1_phase_2": 0.25},
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
    """Changes a checkpoint's record as with a text editor."""

    def change(folder, **changes):
        path = folder / "record.json"
        record = json.loads(path.read_text())
        record["metrics"] |= changes.pop("metrics", {})
        path.write_text(json.dumps(record | changes))

    return change


def image_metrics(model, root):
    files = sorted((root / "test").glob("*/*.png"))
    images = np.stack([np.asarray(Image.open(file)) for file in files])
    labels = np.array([CLASSES.index(file.parent.name) for file in files], "<i4")
    logits = model.predict(images, verbose=0).astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return {
        "test_accuracy": float(np.mean(logits.argmax(axis=1) == labels)),
        "test_loss": float(-np.mean(np.log(probabilities[range(len(labels)), labels]))),
        "test_images": len(labels),
        "test_fingerprint": hashlib.sha256(
            repr(images.shape).encode() + images.tobytes() + labels.tobytes()
        ).hexdigest(),
    }


def path_metrics(model):
    from sklearn.metrics import f1_score

    from recurzoo.tasks.grids import generate_grids

    metrics = {"test_grids_a_phase": GRIDS}
    for phase in range(1, PHASES + 1):
        images, targets = generate_grids(GRIDS, phase, np.random.default_rng([phase, 1]), SIZE)
        answers = model.predict(images, verbose=0)[..., 0] > 0
        inner = images[..., 0] == 0
        metrics[f"test_f1_phase_{phase}"] = float(f1_score(targets.ravel(), answers.ravel()))
        metrics[f"test_f1_without_queries_phase_{phase}"] = float(f1_score(targets[inner], answers[inner]))
    return metrics
