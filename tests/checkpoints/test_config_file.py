"""What a config may ask for, and that the rest is refused before anything is built or takes memory."""

from __future__ import annotations

import dataclasses
import json
import resource
import time

import keras
import pytest

import recurzoo
from recurzoo import models, sharing
from recurzoo.catalog.names import name_of
from recurzoo.checkpoints import config as config_file
from recurzoo.checkpoints.folder import read_record
from recurzoo.checkpoints.stored_files import measure


def rewrite(folder, document, architecture=None):
    """Another config in a checkpoint that its record vouches for, as whoever publishes one can write it."""
    (folder / "config.json").write_text(json.dumps(document))
    record = read_record(folder)
    record = dataclasses.replace(
        record,
        architecture=architecture or record.architecture,
        files={**record.files, "config.json": measure(folder / "config.json")},
    )
    (folder / "record.json").write_text(record.to_json())


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.fixture
def refused(folder, monkeypatch):
    """Rewrites the config's arguments, and wants loading to fail at once, with nothing built if `built` is False."""

    def refused(match, built=False, **arguments):
        document = config_of(folder)
        document["config"] |= arguments
        rewrite(folder, document, name_of(document["class_name"], document["config"]))
        with monkeypatch.context() as patch:
            if not built:
                patch.setattr(keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("it was built"))
            start, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with pytest.raises(ValueError, match=match) as error:
                recurzoo.load(folder)
        assert "\n" not in str(error.value)
        assert time.monotonic() - start < 10
        # In kilobytes.
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000
        assert not keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables")

    return refused


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"width": 10**6}, r"of another shape: .* not \(1, 3, 3, 16, 16000000\)"),
        ({"width": 2**20, "depth": 22}, "do not fit this model"),
        ({"num_classes": 10**6}, r"head/kernel is \(64, 5\), not \(64, 1000000\)"),
        ({"depth": 1198, "num_templates": 1, "unroll": False}, "of another shape"),
    ],
)
def test_what_the_weights_file_does_not_hold_takes_no_memory(refused, arguments, match):
    refused(match, built=True, **arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"width": 10**12}, "width of SWRN is at most"),
        ({"depth": 10**6 * 6 + 4}, "depth of SWRN is at most 1202"),
        ({"num_templates": 10**9}, "num_templates of SWRN is at most"),
        ({"num_classes": 2**62}, "num_classes of SWRN is at most"),
        ({"input_shape": [10**5, 10**5, 3]}, r"no network here takes images"),
        ({"input_shape": [-1, 8, 3]}, r"no network here takes images"),
        ({"dropout": "__import__('os')"}, "dropout of SWRN: Input should be a valid number"),
        ({"width": True}, "width of SWRN: Input should be a valid integer"),
        ({"width": "1"}, "width of SWRN: Input should be a valid integer"),
        ({"dtype": "float16"}, "dtype of SWRN: Extra inputs are not permitted"),
        ({"sharing": {"stage_1": {"class_name": "__lambda__", "config": {"value": "x"}}}}, "an object has the keys"),
        ({"sharing": "stage_1"}, "sharing of SWRN"),
    ],
)
def test_unreasonable_arguments_are_refused_unbuilt(refused, arguments, match):
    refused(match, **arguments)


def an_object(name, config, module="keras.layers", registered=None):
    return {"module": module, "class_name": name, "config": config, "registered_name": registered or name}


@pytest.mark.parametrize(
    "named",
    [
        an_object("Lambda", {"function": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}}),
        an_object("Sequential", {"layers": []}, "keras"),
        an_object("function", "system", "os", "system"),
        an_object("Stage", {}, "recurzoo.layers.stage", "recurzoo>Stage"),
        an_object("ZooModel", {}, "recurzoo.families.base", "recurzoo>ZooModel"),
        an_object("Popen", {"args": "ls"}, "subprocess", "Popen"),
        an_object("SWRN", {}, "recurzoo.families.swrn.network", "other>SWRN"),
        an_object("SoftSharing", {"num_templates": 2}, "recurzoo.sharing.soft", "recurzoo>SoftSharing"),
        {**an_object("SWRN", {}, "m", "recurzoo>SWRN"), "compile_config": {"optimizer": "adam"}},
        {**an_object("SWRN", {}, "m", "recurzoo>SWRN"), "build_config": {"input_shape": [1]}},
        {"class_name": "SWRN"},
        [],
        "SWRN",
    ],
)
def test_only_the_zoos_models_are_built(folder, named, monkeypatch):
    rewrite(folder, named)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(ValueError, match="no config of a model of the zoo"):
        recurzoo.load(folder)


@pytest.mark.parametrize(
    "bank",
    [
        an_object("Stage", {}, "recurzoo.layers.stage", "recurzoo>Stage"),
        an_object("Lambda", {"function": "f"}),
        an_object("SoftSharing", {"num_templates": 2, "recurrence": float("1e400")}, "m", "recurzoo>SoftSharing"),
        an_object("SoftSharing", {"num_templates": {"class_name": "Lambda"}}, "m", "recurzoo>SoftSharing"),
        an_object("HardSharing", {"index": [0, 2**21]}, "m", "recurzoo>HardSharing"),
        [[an_object("HardSharing", {"index": [0]}, "m", "recurzoo>HardSharing")]],
    ],
)
def test_only_sharings_are_in_models(folder, bank):
    document = config_of(folder)
    document["config"]["sharing"] = {"stage_1": bank}
    rewrite(folder, document)
    with pytest.raises(ValueError, match="no config of a model of the zoo"):
        recurzoo.load(folder)


def test_a_config_is_of_the_architecture_that_the_record_names(folder):
    document = config_of(folder)
    rewrite(folder, document, "swrn-16-1-1")
    with pytest.raises(ValueError, match=r"its record names, 'swrn-16-1-1', but of 'swrn-16-1-2'"):
        recurzoo.load(folder)


def test_a_model_too_deep_to_be_loaded_is_not_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(config_file, "MOST_STEPS", 15)
    with pytest.raises(ValueError, match=r"could not be loaded: depth of SWRN is at most 15"):
        recurzoo.save(recurzoo.create("swrn-16-1-1", input_shape=(8, 8, 3)), tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "model",
    [
        lambda: models.SWRN(16, 1, "all", dropout=0.3, input_shape=(8, 8, 3), unroll=False),
        lambda: models.SWRN(16, 1, 2, sharing={"stage_1": sharing.partly([0, 0]), "stage_2": (sharing.tied(2),)}),
        lambda: models.SCNN(3, None, input_shape=(None, None, 2)),
        lambda: models.RC(2, 4, "none", include_top=False, pooling="avg"),
        lambda: models.PreActivationResNet(20, 1, "shared"),
        lambda: models.RelaxedResNet((2, 2, 2), "relaxed", death_rate=0.5),
        lambda: models.FRNN(((32, 8), (16, 16)), "full", 3, prenet=1),
        lambda: models.FRNN(((32, 8), (16, 16)), "full", 5, (2, 1), "sum", "independent", "no_affine", 1),
        lambda: models.BottleneckSWRN(50, 1, 2, input_shape=(32, 32, 3), num_classes=3),
    ],
)
def test_what_every_family_writes_is_read_and_built(model, tmp_path):
    model = model()
    (tmp_path / "config.json").write_text(config_file.write_config(model))
    name = name_of(type(model).__name__, model.architecture)
    built = config_file.build(config_file.read_config(tmp_path / "config.json", name))
    assert json.dumps(built.get_config()) == json.dumps(model.get_config())
    assert [(v.path, v.shape) for v in built.weights] == [(v.path, v.shape) for v in model.weights]
