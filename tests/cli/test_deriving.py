"""`recurzoo soften`, as typed."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import recurzoo
from recurzoo.cli.main import main
from tests.support.routes import outputs


def run(capsys, *words):
    status = main([str(word) for word in words])
    found = capsys.readouterr()
    return status, found.out, found.err


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    images = x = keras.Input((8, 8, 3))
    for number in range(3):
        x = layers.Conv2D(3, 3, padding="same", name=f"conv_{number}")(x)
    for number in range(2):
        x = layers.Dense(3, name=f"dense_{number}")(x)
    path = tmp_path_factory.mktemp("models") / "mine.keras"
    keras.Model(images, layers.GlobalAveragePooling2D()(x), name="mine").save(path)
    return path


def test_a_plan_is_printed_and_nothing_written(capsys, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "soften", file, "--plan", "--json", "--templates", 2)
    assert status == 0
    plan = json.loads(out)
    assert [(group["members"], group["templates"], len(group["errors"])) for group in plan["groups"]] == [
        (["conv_0", "conv_1", "conv_2"], 2, 3),
        (["dense_0", "dense_1"], 2, 2),
    ]
    assert plan["parameters_before"] == 3 * 84 + 2 * 12
    assert plan["parameters_after"] == 2 * 81 + 6 + 9 + 2 * 9 + 4 + 6
    status, out, _ = run(capsys, "soften", file, "--plan")
    assert status == 0
    assert "shared_conv2d_3x3x3x3" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (["--templates", "all"], [3, 2]),
        (["--templates", "3"], [3, None]),
        (["--templates", "*conv*=2", "--templates", "*dense*=1"], [2, 1]),
        (["--templates", "1", "--exclude", "dense_*"], [1]),
        (["--budget", "200"], [1, None]),
    ],
)
def test_the_checkpoint_loads(capsys, file, tmp_path, words, chosen):
    status, out, _ = run(capsys, "soften", file, *words, "--out", tmp_path / "softened.mine", "--json")
    assert status == 0
    assert [group["templates"] for group in json.loads(out)["groups"]] == chosen
    loaded = recurzoo.load(tmp_path / "softened.mine")
    if words[-1] == "all":
        images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
        original = keras.saving.load_model(file)
        np.testing.assert_allclose(outputs(loaded, images), outputs(original, images), atol=1e-5)
    record = json.loads((tmp_path / "softened.mine" / "record.json").read_text())
    assert record["parent"] == {"action": "soften", "checkpoint": "mine", "threshold": None}
    assert record["parameters"] == json.loads(out)["parameters_after"]


def test_a_plain_network_of_the_zoo_gets_the_name_it_has_then(capsys, tmp_path):
    recurzoo.save(recurzoo.create("wrn-16-1", num_classes=2, input_shape=(8, 8, 3)), tmp_path / "wrn-16-1.pets")
    status, _, _ = run(capsys, "soften", tmp_path / "wrn-16-1.pets", "--templates", 1, "--out", tmp_path / "soft")
    assert status == 0
    record = json.loads((tmp_path / "soft" / "record.json").read_text())
    assert (record["architecture"], record["scores"]) == ("swrn-16-1-1", [])
    assert record["parent"]["checkpoint"] == "wrn-16-1.pets"
    words = ["soften", tmp_path / "wrn-16-1.pets", "--templates", "stage_1*=1", "--out", tmp_path / "partly"]
    assert run(capsys, *words)[0] == 0
    record = json.loads((tmp_path / "partly" / "record.json").read_text())
    assert (record["architecture"], record["sharing"]) == ("wrn-16-1", "soft: stage_1 has 1 template")
    assert recurzoo.load(tmp_path / "partly").stages[1].banks[0].sharing.num_templates == 1


@pytest.mark.parametrize(
    ("status", "words", "sentence"),
    [
        (2, "--templates 2", "--out"),
        (2, "--templates 2 --templates 3 --plan", "2 3"),
        (1, "--out {}", "Received: neither"),
        (1, "--templates 4 --out {}", "templates=4"),
        (1, "--templates 2 --budget 100 --out {}", "budget=100"),
        (1, "--budget 10 --out {}", "budget=10"),
        (1, "--templates many --plan", "templates='many'"),
        (1, "--templates 99999999999999999999 --plan", "templates='9999"),
        (1, "--templates 2 --method pca --plan", "pca"),
    ],
)
def test_errors_are_one_sentence_with_a_status(capsys, file, tmp_path, status, words, sentence):
    found, out, err = run(capsys, "soften", file, *words.format(tmp_path / "x").split())
    assert (found, out) == (status, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_an_unknown_model_is_wrong_words(capsys):
    status, _, err = run(capsys, "soften", "NoSuchNet", "--templates", 2, "--plan")
    assert status == 2
    assert "NoSuchNet" in err
