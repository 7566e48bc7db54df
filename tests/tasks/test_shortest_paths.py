"""Learning shortest paths: phases, both scores, Adam, and a run."""

import csv
import json

import keras
import numpy as np
import pytest

import recurzoo
from recurzoo.catalog.recipe import Recipe, load_recipe
from recurzoo.checkpoints.folder import read_record
from recurzoo.cli.main import main
from recurzoo.tasks.classification import Classification
from recurzoo.tasks.grids import f1_scores, generate_grids
from recurzoo.tasks.shortest_paths import ShortestPaths, held_out_grids
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
    task = ShortestPaths.of_recipe(
        Recipe(**{**SMALL, "curriculum": {"phases": 2, "examples": 400, "test_examples": 10}})
    )
    first, second = task.examples(0), task.examples(2)
    assert task.examples(1) is first
    assert task.examples(3) is second
    assert second.labels.mean() > first.labels.mean() * 1.3
    assert task.targets(first.labels).shape == (400, 8, 8, 1)
    again = ShortestPaths.of_recipe(Recipe(**SMALL, seed=1))
    assert again.fingerprint != ShortestPaths.of_recipe(Recipe(**SMALL)).fingerprint
    np.testing.assert_array_equal(task.sample(None), second.images)


@pytest.mark.parametrize("seed", range(6))
def test_no_network_is_trained_on_what_it_is_tested_with(seed):
    """Of 16x16 cells, so that two grids are never equal by chance."""
    curriculum = {"phases": 2, "examples": 200, "test_examples": 200}
    task = ShortestPaths.of_recipe(Recipe(**{**SMALL, "image_size": 16, "curriculum": curriculum}, seed=seed))
    trained = {grid.tobytes() for epoch in range(4) for grid in task.examples(epoch).images}
    assert not trained & {grid.tobytes() for phase in (1, 2) for grid in held_out_grids(200, phase, 16).images}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 5}, "epochs=5, phases=2"),
        ({"augmentation": {"flip": True}}, "flip=True"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1"),
    ],
)
def test_recipes_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        ShortestPaths.of_recipe(Recipe(**{**SMALL, **changes}))
    with pytest.raises(ValueError, match="curriculum"):
        Classification.of_recipe(Recipe(**SMALL), "digits")


def test_adam_is_keras_adam_and_takes_no_settings_of_sgd():
    optimizer = make_optimizer(Recipe(**SMALL), 10)
    assert isinstance(optimizer, keras.optimizers.Adam)
    optimizer.build([keras.Variable(np.zeros(2, "float32"))])
    assert float(optimizer.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"optimizer\.weight_decay"):
        load_recipe("scnn-20.shortest-paths.paper", ["optimizer.weight_decay=1e-4"])


def test_the_papers_recipe():
    recipe = load_recipe("scnn-20-r.shortest-paths.paper")
    assert (recipe.epochs, recipe.optimizer.learning_rate, recipe.optimizer.kind) == (250, 0.01, "adam")
    assert recipe.curriculum.model_dump() == {"phases": 5, "examples": 5000, "test_examples": 1000}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    return folder, train(Recipe(**SMALL), "shortest-paths", folder / "run")


def f1(scores, phase, metric="f1"):
    return next(score.value for score in scores if (score.metric, score.phase) == (metric, phase))


def test_the_record_has_both_scores_of_each_phase(run):
    _, result = run
    record = read_record(result.folder)
    assert record.architecture == "scnn-2"
    assert (record.epochs, record.class_names) == (4, ("path",))
    assert [(score.metric, score.phase) for score in record.scores] == [
        (metric, phase) for phase in (1, 2) for metric in ("f1", "f1_without_queries")
    ]
    assert {score.examples for score in record.scores} == {10}
    assert record.headline == next(score for score in record.scores if (score.metric, score.phase) == ("f1", 2))
    grids = generate_grids(10, 2, np.random.default_rng([2, 1]), 8)
    logits = keras.ops.convert_to_numpy(recurzoo.load(result.folder)(grids.images))
    expected = f1_scores(logits, grids)
    assert f1(record.scores, 2) == pytest.approx(expected["f1"])
    assert f1(record.scores, 2, "f1_without_queries") == pytest.approx(expected["f1_without_queries"])


def test_the_log_has_a_line_an_epoch_with_its_phase(run):
    rows = list(csv.DictReader((run[0] / "run" / "training.csv").open()))
    assert [float(row["phase"]) for row in rows] == [1, 1, 2, 2]
    assert {"train_loss", "test_f1", "test_f1_without_queries"} <= set(rows[0])


def test_evaluate_measures_what_the_record_says(run, capsys):
    assert main(["evaluate", run[1].folder, "--data", "shortest-paths", "--limit", "10", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [score["phase"] for score in report["scores"]] == [1, 1, 2, 2]
    assert report["scores"][2]["value"] == pytest.approx(f1(run[1].scores, 2))
    assert report["recorded"] == [score.to_dict() for score in run[1].scores]
    recurzoo.save(recurzoo.create("resnet-12", input_shape=(8, 8, 3)), run[0] / "resnet")
    assert main(["evaluate", str(run[0] / "resnet"), "--data", "shortest-paths"]) == 1
    assert "two channels" in capsys.readouterr().err


def test_a_fold_is_measured_on_the_grids_of_the_record(run, tmp_path, capsys):
    assert main(["fold", run[1].folder, "--out", str(tmp_path / "folded"), "--data", "shortest-paths"]) == 0
    capsys.readouterr()
    folded = read_record(tmp_path / "folded")
    assert (folded.parent.action, folded.parent.checkpoint) == ("fold", "scnn-2.shortest-paths")
    grids = generate_grids(10, 2, np.random.default_rng([2, 1]), 8)
    expected = f1_scores(keras.ops.convert_to_numpy(recurzoo.load(tmp_path / "folded")(grids.images)), grids)["f1"]
    assert f1(folded.scores, 2) == pytest.approx(expected)


def test_commands_for_classifiers_say_that_they_are(run, capsys):
    for words in (["evaluate", run[1].folder, "--data", "digits"], ["predict", run[1].folder, "x.png"]):
        assert main(words) == 1
        assert "classify color images" in capsys.readouterr().err
