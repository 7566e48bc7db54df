"""Softened networks as checkpoints: a graph of core Keras layers and ours alone, checked before it is built."""

import copy
import json
import time

import keras
import numpy as np
import pytest
from keras import layers

import recurzoo
from recurzoo.families.softened.graph_config import LAYERS, MOST_LAYERS, check_graph
from recurzoo.models import Softened
from recurzoo.rewriting import fold, materialize, soften
from tests.support.routes import assert_same, outputs

SHAPE = (8, 8, 3)


def network(*extra, name="net"):
    images = x = keras.Input(SHAPE, name="images")
    x = layers.Rescaling(1 / 255)(x)
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
def softened(randomize):
    return soften(randomize(network()), 2)


def test_a_checkpoint_comes_back_as_it_was(softened, images, tmp_path):
    assert type(softened) is Softened
    record = recurzoo.save(softened, tmp_path / "softened.digits")
    assert record.architecture == "softened"
    assert record.parameters == softened.soften_report.parameters_after
    loaded = recurzoo.load(tmp_path / "softened.digits")
    assert type(loaded) is Softened
    assert_same(loaded, softened, images)
    assert [bank.slots for stage in loaded.stages for bank in stage.banks] == [3]
    assert {file.name for file in (tmp_path / "softened.digits").iterdir()} == {
        "config.json",
        "model.safetensors",
        "record.json",
        "README.md",
    }
    # Sharing is in the file: a template for two convolutions is there once.
    from safetensors.numpy import load_file

    shapes = [array.shape for array in load_file(tmp_path / "softened.digits" / "model.safetensors").values()]
    assert shapes.count((2, 3, 3, 4, 4)) == 1
    assert (3, 3, 4, 4) not in shapes
    card = (tmp_path / "softened.digits" / "README.md").read_text()
    assert "Savarese" in card
    assert "num_classes=20" not in card


def test_what_is_made_of_it_is_a_checkpoint_too(softened, images, tmp_path):
    for made, words in (
        (fold(softened, 0.5), "hard"),
        (materialize(softened), "hard"),
        (soften(softened, 1), "soft"),
        (keras.models.clone_model(softened), "soft"),
    ):
        assert type(made) is Softened
        folder = tmp_path / f"{made.name}-{words}-{time.monotonic_ns()}"
        recurzoo.save(made, folder)
        assert_same(recurzoo.load(folder), made, images)
    with pytest.raises(ValueError, match=r"build on its layers instead. Received: .*num_classes"):
        recurzoo.load(folder, num_classes=5)


def test_core_keras_opens_the_folder(softened, images, tmp_path):
    recurzoo.save(softened, tmp_path / "net", keras=True)
    assert_same(keras.saving.load_model(tmp_path / "net"), softened, images)


def test_statistics_that_were_adapted_come_back(images, tmp_path, randomize):
    normalization = layers.Normalization(name="normalization")
    normalization.adapt(images)
    inputs = keras.Input(SHAPE)
    x = normalization(inputs)
    for number in range(2):
        x = layers.Conv2D(3, 3, name=f"conv_{number}")(x)
    softened = soften(keras.Model(inputs, x), 1)
    recurzoo.save(softened, tmp_path / "net")
    assert_same(recurzoo.load(tmp_path / "net"), softened, images)


def test_layers_of_other_kinds_stay_out_of_checkpoints(tmp_path, images, randomize):
    softened = soften(randomize(network(layers.Lambda(lambda x: x * 2))), 2)
    assert not isinstance(softened, Softened)
    assert isinstance(softened, keras.Model)
    assert outputs(softened, images).shape == (4, 3)
    with pytest.raises(ValueError, match="Received"):
        recurzoo.save(softened, tmp_path / "net")
    assert not list(tmp_path.iterdir())


def test_the_layers_that_may_be_in_a_checkpoint_are_keras_own():
    for name in LAYERS:
        assert issubclass(getattr(keras.layers, name), keras.Layer)
    assert not LAYERS & {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "Wrapper", "TextVectorization", "RNN"}


@pytest.fixture
def config(softened):
    return json.loads(json.dumps(softened.get_config()))


def of_class(config, name):
    return next(layer for layer in config["layers"] if layer["class_name"] == name)


def lambda_layer(config):
    layer = of_class(config, "Rescaling")
    layer["class_name"], layer["config"] = "Lambda", {"name": "rescaling", "function": "exec", "arguments": {}}


def other_module(config):
    of_class(config, "Conv2D")["module"] = "os"


def other_package(config):
    of_class(config, "SharedConv2D")["registered_name"] = "other>SharedConv2D"


def nested_model(config):
    layer = of_class(config, "Rescaling")
    layer["class_name"], layer["module"] = "Functional", "keras"


def object_in_a_layer(config):
    of_class(config, "Conv2D")["config"]["kernel_initializer"] = {
        "module": "builtins",
        "class_name": "function",
        "config": "exec",
        "registered_name": "function",
    }


def lambda_in_a_layer(config):
    of_class(config, "Conv2D")["config"]["activation"] = {"class_name": "__lambda__", "config": {"value": "x"}}


def object_in_a_node(config):
    of_class(config, "SharedConv2D")["inbound_nodes"][0]["kwargs"]["slot"] = {"class_name": "__typespec__"}


def huge_size(config):
    of_class(config, "Conv2D")["config"]["filters"] = 2**40


def huge_layer(config):
    of_class(config, "Dense")["config"]["units"] = 2**20
    of_class(config, "Conv2D")["config"]["filters"] = 2**20


def huge_bank(config):
    of_class(config, "SharedConv2D")["config"]["kernel_shape"] = [1000, 1000, 1000, 1000]


def another_slot(config):
    of_class(config, "SharedConv2D")["inbound_nodes"][0]["kwargs"]["slot"] = 7


def a_loop(config):
    node = of_class(config, "Rescaling")["inbound_nodes"][0]
    node["args"][0]["config"]["keras_history"] = ["predictions", 0, 0]


def no_such_layer(config):
    of_class(config, "Rescaling")["inbound_nodes"][0]["args"][0]["config"]["keras_history"][0] = "other"


def twice_the_name(config):
    config["layers"].append(copy.deepcopy(of_class(config, "Dense")))


def many_layers(config):
    config["layers"] += [copy.deepcopy(of_class(config, "Dense")) for _ in range(MOST_LAYERS)]


def many_tries(config):
    """Layers in reverse order, each of which waits for the next one."""
    layer = of_class(config, "Rescaling")
    chain = []
    for number in range(MOST_LAYERS - len(config["layers"])):
        link = copy.deepcopy(layer)
        link["name"] = link["config"]["name"] = f"link_{number}"
        if number:
            link["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [f"link_{number - 1}", 0, 0]
        chain.append(link)
    config["layers"] += chain[::-1]


def no_list(config):
    config["layers"] = {"layers": config["layers"]}


def further_key(config):
    config["compile_config"] = {"optimizer": "adam"}


DAMAGES = [
    lambda_layer,
    other_module,
    other_package,
    nested_model,
    object_in_a_layer,
    lambda_in_a_layer,
    object_in_a_node,
    huge_size,
    huge_layer,
    huge_bank,
    another_slot,
    a_loop,
    no_such_layer,
    twice_the_name,
    many_layers,
    many_tries,
    no_list,
    further_key,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_strangers_graph_is_refused_before_it_costs_anything(damage, config):
    check_graph(config)
    damage(config)
    start = time.process_time()
    with pytest.raises(ValueError, match="Received") as error:
        Softened.from_config(config)
    assert time.process_time() - start < 5
    assert len(str(error.value)) < 1500
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", range(60))
def test_any_value_replaced_is_a_network_or_a_sentence(number, config):
    rng = np.random.default_rng(number)
    value = [None, -1, 2**63, "x", [], {}, 1e300, True, {"class_name": "Lambda"}, [[1]]][int(rng.integers(10))]
    place = config
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[int(rng.integers(len(keys)))]
        if not isinstance(place[key], (dict, list)) or not place[key] or rng.uniform() < 0.05:
            break
        place = place[key]
    place[key] = value
    sentence = "Received"
    try:
        assert isinstance(Softened.from_config(config), Softened)
    except ValueError as error:
        sentence = str(error)
    assert "Received" in sentence
