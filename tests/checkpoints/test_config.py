"""What a config may ask for, and that the rest is refused before it takes time or memory, whoever opens it."""

from __future__ import annotations

import contextlib
import json
import resource
import time

import keras
import pytest

import recurzoo
from recurzoo import layers, models, sharing
from recurzoo.catalog.names import name_of
from recurzoo.checkpoints.config import check_architecture, read_config, write_config
from recurzoo.checkpoints.folder import measure, read_record
from recurzoo.families.deferring import deferred_weights

SECONDS, KILOBYTES = 5, 400_000


def rewrite(folder, document, architecture=None):
    """Another config in a checkpoint that its record vouches for, as whoever publishes one can write it."""
    (folder / "config.json").write_text(json.dumps(document))
    record = read_record(folder)
    record = record.replace(
        architecture=architecture or record.architecture,
        files={**record.files, "config.json": measure(folder / "config.json")},
    )
    (folder / "record.json").write_text(record.to_json())


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def an_object(name, config, module="recurzoo", registered=None):
    return {"module": module, "class_name": name, "config": config, "registered_name": registered or f"recurzoo>{name}"}


@pytest.fixture
def refused(folder, tmp_path):
    """Wants a config to be refused at once and in one sentence, by `recurzoo.load` and through core Keras."""

    def refused(document, match, architecture=None):
        rewrite(folder, document, architecture)
        (tmp_path / "core").mkdir()
        (tmp_path / "core" / "config.json").write_text(json.dumps(document))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for attempt in (lambda: recurzoo.load(folder), lambda: keras.saving.load_model(tmp_path / "core")):
            start = time.process_time()
            with pytest.raises(ValueError, match=match) as error:
                attempt()
            assert time.process_time() - start < SECONDS
            assert "\n" not in str(error.value)
            assert len(str(error.value)) < 2_000
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < KILOBYTES
        # Nothing waits for its values, to take memory when the next network is built.
        assert not keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables")

    return refused


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"width": 10**5}, "A network has at most"),
        ({"width": 2**20, "depth": 22}, "A network has at most"),
        ({"width": 10**12}, "width of SWRN is at most"),
        ({"depth": 10**6 * 6 + 4}, "depth of SWRN is at most 1202"),
        ({"num_templates": 10**9}, "num_templates of SWRN is at most"),
        ({"num_classes": 2**62}, "num_classes of SWRN is at most"),
        ({"input_shape": [10**5, 10**5, 3]}, "No network takes images"),
        ({"input_shape": [-1, 8, 3]}, "No network takes images"),
        ({"dropout": "__import__('os')"}, "dropout: Input should be a valid number"),
        ({"width": True}, "width: Input should be a valid integer"),
        ({"width": "1"}, "width: Input should be a valid integer"),
        ({"layers": {"head": True}}, "Settings of layers"),
        ({"sharing": {"stage_1": {"class_name": "__lambda__", "config": {"value": "x"}}}}, "A stage's sharing is"),
        ({"sharing": "stage_1"}, "sharing: Input should be"),
        ({"sharing": {"no_stage": an_object("SoftSharing", {"num_templates": 2})}}, "no stages of these names"),
        ({"depth": 17}, "A Wide ResNet has a depth of"),
    ],
)
def test_unreasonable_arguments(folder, refused, arguments, match):
    document = config_of(folder)
    document["config"] |= arguments
    refused(document, match)


@pytest.mark.parametrize(
    "bank",
    [
        an_object("Stage", {}),
        an_object("Lambda", {"function": "f"}, "keras.layers", "Lambda"),
        an_object("SoftSharing", {"num_templates": 2, "recurrence": "much"}),
        an_object("SoftSharing", {"num_templates": {"class_name": "Lambda"}}),
        an_object("SoftSharing", {"num_templates": 2**40}),
        an_object("HardSharing", {"index": [0, 2**40]}),
        an_object("HardSharing", {"index": [0] * 100_000}),
        [[an_object("HardSharing", {"index": [0]})]],
        "SoftSharing",
    ],
)
def test_only_sharings_that_fit_are_in_models(folder, refused, bank):
    document = config_of(folder)
    document["config"]["sharing"] = {"stage_1": bank}
    refused(document, "Received")


DEEP = {
    "RC": {"steps": 1202, "width": 4},
    "SWRN": {"depth": 1198, "width": 1, "num_templates": "all", "unroll": False},
    "SCNN": {"depth": 1202},
    "PreActivationResNet": {"depth": 1202, "unshared": 5, "normalization": "independent"},
    "RelaxedResNet": {"blocks": [1202, 1202, 1202], "method": "relaxed", "death_rate": 0.5},
    "FRNN": {"states": [[32, 4], [16, 8], [8, 16]], "edges": "full", "readout": 1202},
}


@pytest.mark.parametrize("name", DEEP)
def test_the_deepest_networks_are_compared_at_once(folder, name):
    """They take time and maybe no weights, so that their shapes alone would not keep them out."""
    document = an_object(name, DEEP[name])
    with contextlib.suppress(KeyError), deferred_weights():
        architecture = name_of(name, read_config_of(document, folder).architecture)
        raise KeyError
    rewrite(folder, document, architecture)
    start = time.process_time()
    with pytest.raises(ValueError, match="do not fit this model"):
        recurzoo.load(folder)
    assert time.process_time() - start < SECONDS


def read_config_of(document, folder):
    path = folder.parent / "config.json"
    path.write_text(json.dumps(document))
    kind, arguments = read_config(path)
    return kind.from_config(arguments)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"states": [[1, 1]] * 30_000, "edges": "full", "readout": 3}, "at most 16 states"),
        ({"states": [[32, 4]] * 16, "edges": "full", "readout": 1202}, "at most 200000 transitions"),
        ({"states": [[32, 4]] * 16, "edges": "full", "readout": 40}, "A network has at most"),
        ({"states": [[32, 4]], "edges": [[0, 0]] * 1000, "readout": 1202}, "at most 200000 transitions"),
        ({"states": [[32, 4]], "edges": "full", "readout": 5, "schedule": [[[[0, 0]], 10**9]]}, "schedule of FRNN"),
        ({"states": [[2**20, 4], [1, 4]], "edges": "full", "readout": 1}, "No FRNN can be built"),
        ({"states": [["a"]], "edges": "full", "readout": 3}, "states.0.0"),
        ({"states": [[]], "edges": "full", "readout": 3}, "No FRNN can be built"),
    ],
)
def test_unreasonable_graphs(refused, arguments, match):
    refused(an_object("FRNN", arguments), match)


@pytest.mark.parametrize(
    "named",
    [
        an_object("Lambda", {"function": {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}}, "keras"),
        an_object("Sequential", {"layers": []}, "keras", "Sequential"),
        an_object("function", "system", "os", "system"),
        an_object("Stage", {}),
        an_object("ZooModel", {}),
        an_object("Popen", {"args": "ls"}, "subprocess", "Popen"),
        an_object("SWRN", {}, registered="other>SWRN"),
        an_object("RC", {}, registered="recurzoo>SWRN"),
        an_object("SWRN", []),
        an_object("SWRN", {}, module=[]),
        an_object("SoftSharing", {"num_templates": 2}),
        {**an_object("SWRN", {}), "compile_config": {"optimizer": "adam"}},
        {**an_object("SWRN", {}), "build_config": {"input_shape": [1]}},
        {"class_name": "SWRN"},
        [],
        "SWRN",
    ],
)
def test_only_the_zoos_models_are_built(folder, named, monkeypatch):
    rewrite(folder, named)
    monkeypatch.setattr(models.ZooModel, "from_config", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(ValueError, match="no config of a model of the zoo"):
        recurzoo.load(folder)


def test_a_config_is_of_the_architecture_that_the_record_names(folder):
    rewrite(folder, config_of(folder), "swrn-16-1-1")
    with pytest.raises(ValueError, match=r"config of 'swrn-16-1-2' with a record of 'swrn-16-1-1'"):
        recurzoo.load(folder)


@pytest.mark.parametrize(
    ("layer", "changes", "match"),
    [
        (lambda: layers.Stage(layers.PostActivationBlock(4), 2, sharing.tied(2)), {"steps": 10**9}, "1 to 1202 steps"),
        (lambda: layers.StepNormalization(2), {"steps": 10**9}, "at most 1202 steps"),
        (lambda: layers.StepNormalization(2), {"sharing": [0, 2**40]}, "names every row"),
    ],
)
def test_our_layers_bound_what_they_are_given(layer, changes, match):
    document = keras.saving.serialize_keras_object(layer())
    document["config"] |= changes
    start = time.process_time()
    # Keras makes a TypeError of what the constructor of a plain layer raises.
    with pytest.raises((ValueError, TypeError), match=match):
        keras.saving.deserialize_keras_object(document)
    assert time.process_time() - start < 1


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
def test_what_every_family_writes_is_read_and_built(model, folder):
    model = model()
    built = read_config_of(json.loads(write_config(model)), folder)
    check_architecture(built, name_of(type(model).__name__, model.architecture))
    assert json.dumps(built.get_config()) == json.dumps(model.get_config())
    assert [(v.path, v.shape) for v in built.weights] == [(v.path, v.shape) for v in model.weights]
