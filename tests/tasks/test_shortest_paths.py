"""Learning shortest paths: phases, both scores, Adam, and a run with its baseline."""

import csv
import json

import keras
import numpy as np
import pytest
from recurzoo.tasks.path_finding import PathFinding

import recurzoo
from recurzoo.catalog.recipe import Recipe, load_recipe
from recurzoo.checkpoints.folder import read_record
from recurzoo.cli.main import main
from recurzoo.tasks.classification import Classification
from recurzoo.tasks.grids import f1_scores, generate_grids
from recurzoo.training.optimizers import make_optimizer
from recurzoo.training.run import train

SMALL = {
    "name": "r",
    "architecture": "scnn-2",
    "dataset": "shortest-paths",
    "image_size": 8,
    "epochs": 4,
    "batch_size": 8,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
    "curriculum": {"phases": 2, "examples": 16, "test_examples": 10},
}


def test_each_phase_has_examples_of_its_own_and_harder_ones():
    task = PathFinding(Recipe(**{**SMALL, "curriculum": {"phases": 2, "examples": 400, "test_examples": 10}}))
    first, second = task.examples(0), task.examples(2)
    assert task.examples(1) is first
    assert task.examples(3) is second
    assert second.labels.mean() > first.labels.mean() * 1.3
    assert task.targets(first).shape == (400, 8, 8, 1)
    assert task.test[0].images.shape == (10, 8, 8, 2)
    again = PathFinding(Recipe(**SMALL, seed=1))
    assert again.fingerprint != PathFinding(Recipe(**SMALL)).fingerprint
    # One and the same test for all seeds.
    np.testing.assert_array_equal(again.test[1].images, task.test[1].images)


@pytest.mark.parametrize("seed", range(6))
def test_no_network_is_trained_on_what_it_is_tested_with(seed):
    """Of 16x16 cells, so that two grids are never equal by chance."""
    curriculum = {"phases": 2, "examples": 200, "test_examples": 200}
    task = PathFinding(Recipe(**{**SMALL, "image_size": 16, "curriculum": curriculum}, seed=seed))
    seen = {grid.tobytes() for phase in task.train for grid in phase.images}
    assert not seen & {grid.tobytes() for phase in task.test for grid in phase.images}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"epochs": 5}, "epochs=5, phases=2"),
        ({"augmentation": {"flip": True}}, "flip=True"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        PathFinding(Recipe(**{**SMALL, **changes}))
    with pytest.raises(ValueError, match="curriculum"):
        Classification(Recipe(**SMALL), "digits")


def test_adam_is_keras_adam_and_takes_no_settings_of_sgd():
    optimizer = make_optimizer(Recipe(**SMALL), 10)
    assert isinstance(optimizer, keras.optimizers.Adam)
    optimizer.build([keras.Variable(np.zeros(2, "float32"))])
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="Adam has no weight_decay here"):
        load_recipe("scnn-20.shortest-paths.paper", ["optimizer.weight_decay=1e-4"])


def test_the_papers_recipe():
    recipe = load_recipe("scnn-20-r.shortest-paths.paper")
    assert (recipe.epochs, recipe.optimizer.learning_rate, recipe.optimizer.kind) == (250, 0.01, "adam")
    assert recipe.curriculum.model_dump() == {"phases": 5, "examples": 5000, "test_examples": 1000}
    assert load_recipe("scnn-20.shortest-paths.small").baseline == "cnn-20"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    recipe = Recipe(**SMALL, baseline="cnn-2")
    return folder, train(recipe, "shortest-paths", folder / "run")


def test_the_record_shows_both_networks_by_both_scores(run):
    folder, result = run
    record, baseline = read_record(result.folder), read_record(folder / "run" / "cnn-2" / "cnn-2.shortest-paths")
    assert record.architecture == "scnn-2"
    assert (record.epochs, record.class_names) == (4, ("path",))
    for phase in (1, 2):
        for name in (f"test_f1_phase_{phase}", f"test_f1_without_queries_phase_{phase}"):
            assert record.metrics[f"cnn-2_{name}"] == baseline.metrics[name]
    grids = generate_grids(10, 2, np.random.default_rng([2, 1]), 8)
    logits = keras.ops.convert_to_numpy(recurzoo.load(result.folder)(grids.images))
    expected = f1_scores(logits, grids)
    assert record.metrics["test_f1_phase_2"] == pytest.approx(expected["f1"])
    assert record.metrics["test_f1_without_queries_phase_2"] == pytest.approx(expected["f1_without_queries"])


def test_the_log_has_a_line_an_epoch_with_its_phase(run):
    rows = list(csv.DictReader((run[0] / "run" / "training.csv").open()))
    assert [float(row["phase"]) for row in rows] == [1, 1, 2, 2]
    assert {"train_loss", "test_f1", "test_f1_without_queries"} <= set(rows[0])


def test_evaluate_measures_what_the_record_says(run, capsys):
    assert main(["evaluate", run[1].folder, "--data", "shortest-paths", "--limit", "10", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [phase["phase"] for phase in report["phases"]] == [1, 2, 3, 4, 5]
    assert report["phases"][1]["f1"] == pytest.approx(run[1].metrics["test_f1_phase_2"])
    recurzoo.save(recurzoo.create("resnet-12", input_shape=(8, 8, 3)), run[0] / "resnet")
    assert main(["evaluate", str(run[0] / "resnet"), "--data", "shortest-paths"]) == 1
    assert "two channels" in capsys.readouterr().err


def test_a_fold_is_measured_on_the_grids_of_the_record(run, tmp_path, capsys):
    assert main(["fold", run[1].folder, "--out", str(tmp_path / "folded"), "--data", "shortest-paths"]) == 0
    told = capsys.readouterr()
    folded = read_record(tmp_path / "folded")
    assert folded.metrics["test_grids_a_phase"] == 10
    grids = generate_grids(10, 2, np.random.default_rng([2, 1]), 8)
    expected = f1_scores(keras.ops.convert_to_numpy(recurzoo.load(tmp_path / "folded")(grids.images)), grids)["f1"]
    assert folded.metrics["test_f1_phase_2"] == pytest.approx(expected)
    assert f"{expected:.3f} F1 in phase 2" in told.err
    assert "cnn-2_test_f1_phase_2" not in folded.metrics


def test_commands_for_classifiers_say_that_they_are(run, capsys):
    for words in (["evaluate", run[1].folder, "--data", "digits"], ["predict", run[1].folder, "x.png"]):
        assert main(words) == 1
        assert "classify colour images" in capsys.readouterr().err
