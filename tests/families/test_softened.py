"""Softened networks as checkpoints: a graph of core Keras layers and ours alone, checked before it is built."""

import copy
import json
import time

import keras
import numpy as np
import pytest
from keras import layers
from safetensors.numpy import load_file

import recurzoo
from recurzoo.families.softened.graph_config import LAYERS, MOST_LAYERS, check_graph
from recurzoo.models import Softened
from recurzoo.rewriting import fold, materialize, soften
from tests.support.routes import assert_same, outputs

SHAPE = (8, 8, 3)


def network(*extra, name="net"):
    images = x = keras.Input(SHAPE, name="images")
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(np.random.default_rng(1).uniform(0, 255, (4, *SHAPE)))
    x = layers.Rescaling(2.0)(normalization(x))
    x = layers.Conv2D(4, 3, padding="same", name="stem", kernel_regularizer="l2")(x)
    for number in range(3):
        y = layers.Conv2D(4, 3, padding="same", name=f"conv_{number}", activation="relu")(x)
        x = layers.BatchNormalization(name=f"bn_{number}")(x + 0.5 * y)
    for layer in extra:
        x = layer(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(3, name="predictions")(x), name=name)


@pytest.fixture
def images(rng):
    return rng.uniform(0, 255, (4, *SHAPE)).astype("float32")


@pytest.fixture
def softened(rng):
    model = network()
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    return soften(model, 2)


def test_a_checkpoint_comes_back_as_it_was(softened, images, tmp_path):
    assert type(softened) is Softened
    record = recurzoo.save(softened, tmp_path / "softened.digits", keras=True)
    assert (record.architecture, record.parameters) == ("softened", softened.soften_report.parameters_after)
    loaded = recurzoo.load(tmp_path / "softened.digits")
    assert type(loaded) is Softened
    assert_same(loaded, softened, images)
    assert_same(keras.saving.load_model(tmp_path / "softened.digits"), softened, images)
    assert [bank.slots for stage in loaded.stages for bank in stage.banks] == [3]
    # Sharing is in the file: a template for two convolutions is there once.
    shapes = [array.shape for array in load_file(tmp_path / "softened.digits" / "model.safetensors").values()]
    assert shapes.count((2, 3, 3, 4, 4)) == 1
    assert (3, 3, 4, 4) not in shapes
    card = (tmp_path / "softened.digits" / "README.md").read_text()
    assert "Savarese" in card
    assert "num_classes=20" not in card
    with pytest.raises(ValueError, match=r"Received: .*num_classes"):
        recurzoo.load(tmp_path / "softened.digits", num_classes=5)
    fresh = softened.with_architecture()
    assert type(fresh) is Softened
    assert fresh.get_config() == softened.get_config()
    with pytest.raises(ValueError, match=r"Received: \['num_classes'\]"):
        softened.with_architecture(num_classes=5)


def test_what_is_made_of_it_is_a_checkpoint_too(softened, images, tmp_path):
    made = (fold(softened, 0.5), materialize(softened), soften(softened, 1), keras.models.clone_model(softened))
    for number, model in enumerate(made):
        assert type(model) is Softened
        recurzoo.save(model, tmp_path / str(number))
        assert_same(recurzoo.load(tmp_path / str(number)), model, images)


def test_layers_of_other_kinds_stay_out_of_checkpoints(tmp_path, images):
    softened = soften(network(layers.Lambda(lambda x: x * 2)), 2)
    assert not isinstance(softened, Softened)
    assert outputs(softened, images).shape == (4, 3)
    with pytest.raises(ValueError, match="Received"):
        recurzoo.save(softened, tmp_path / "net")
    assert not list(tmp_path.iterdir())
    assert all(issubclass(getattr(keras.layers, name), keras.Layer) for name in LAYERS)
    assert not LAYERS & {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "Wrapper", "TextVectorization", "RNN"}


@pytest.fixture
def config(softened):
    return json.loads(json.dumps(softened.get_config()["graph"]))


def of_class(config, name):
    return next(layer for layer in config["layers"] if layer["class_name"] == name)


CODE = {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}
HISTORY = "inbound_nodes 0 args 0 config keras_history"
# For each a layer, a place in it, and what stands there then.
DAMAGES = {
    "a layer of code": ("Rescaling", "class_name", "Lambda"),
    "a nested model": ("Rescaling", "class_name", "Functional"),
    "another module": ("Conv2D", "module", "os"),
    "another package": ("SharedConv2D", "registered_name", "other>SharedConv2D"),
    "an object in a layer": ("Conv2D", "config kernel_initializer", CODE),
    "code in a layer": ("Conv2D", "config activation", {"class_name": "__lambda__", "config": {"value": "x"}}),
    "an object in a node": ("SharedConv2D", "inbound_nodes 0 kwargs slot", {"class_name": "__typespec__"}),
    "a huge number": ("Conv2D", "config filters", 2**40),
    "a huge layer": ("Conv2D", "config kernel_size", [2**18, 2**18]),
    "a huge bank": ("SharedConv2D", "config kernel_shape", [1000, 1000, 1000, 1000]),
    "another slot": ("SharedConv2D", "inbound_nodes 0 kwargs slot", 7),
    "a loop": ("Rescaling", HISTORY, ["predictions", 0, 0]),
    "no such layer": ("Rescaling", HISTORY, ["other", 0, 0]),
}


def twice_the_name(config):
    config["layers"].append(copy.deepcopy(of_class(config, "Dense")))


def many_layers(config):
    config["layers"] += [copy.deepcopy(of_class(config, "Dense")) for _ in range(MOST_LAYERS)]


def many_tries(config):
    """Layers in reverse order, each of which waits for the next one."""
    chain = []
    for number in range(MOST_LAYERS - len(config["layers"])):
        link = copy.deepcopy(of_class(config, "Rescaling"))
        link["name"] = link["config"]["name"] = f"link_{number}"
        if number:
            link["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [f"link_{number - 1}", 0, 0]
        chain.append(link)
    config["layers"] += chain[::-1]


def no_list(config):
    config["layers"] = {"layers": config["layers"]}


def further_key(config):
    config["compile_config"] = {"optimizer": "adam"}


@pytest.mark.parametrize("damage", [*DAMAGES, twice_the_name, many_layers, many_tries, no_list, further_key])
def test_a_strangers_graph_is_refused_before_it_costs_anything(damage, config):
    check_graph(config)
    if damage in DAMAGES:
        kind, place, value = DAMAGES[damage]
        *path, last = [int(key) if key.isdecimal() else key for key in place.split()]
        item = of_class(config, kind)
        for key in path:
            item = item[key]
        item[last] = value
    else:
        damage(config)
    start = time.process_time()
    with pytest.raises(ValueError, match="Received") as error:
        Softened.from_config({"graph": config})
    assert time.process_time() - start < 5
    assert len(str(error.value)) < 1500
    assert "\n" not in str(error.value)


def test_any_value_replaced_is_a_network_or_a_sentence(config):
    values = [None, -1, 2**63, "x", [], {}, 1e300, True, {"class_name": "Lambda"}, [[1]]]
    refused = 0
    for number in range(24):
        rng = np.random.default_rng(number)
        changed = place = copy.deepcopy(config)
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = keys[int(rng.integers(len(keys)))]
            if not isinstance(place[key], (dict, list)) or not place[key] or rng.uniform() < 0.05:
                break
            place = place[key]
        place[key] = values[int(rng.integers(len(values)))]
        try:
            assert isinstance(Softened.from_config({"graph": changed}), Softened)
        except ValueError as error:
            refused += "Received" in str(error)
            assert "Received" in str(error), changed  # noqa: PT017
    assert 5 < refused < 24
