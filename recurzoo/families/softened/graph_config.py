"""A functional model's config, from anyone: core Keras layers and ours in a graph, checked before anything is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recurzoo.base.documents import shorten

# What image networks are made of: no layer that holds code or other layers, reads files or only prepares data. In one
# text, since a line for each would be a page.
LAYERS = frozenset(
    """
    Activation Add AlphaDropout Average AveragePooling2D BatchNormalization CenterCrop Concatenate Conv2D
    Conv2DTranspose Cropping2D Dense DepthwiseConv2D Dot Dropout ELU EinsumDense Flatten GaussianDropout GaussianNoise
    GlobalAveragePooling2D GlobalMaxPooling2D GroupNormalization Identity InputLayer LayerNormalization LeakyReLU
    MaxPooling2D Maximum Minimum Multiply Normalization PReLU Permute RMSNormalization ReLU RepeatVector Rescaling
    Reshape Resizing SeparableConv2D Softmax SpatialDropout2D Subtract UnitNormalization UpSampling2D ZeroPadding2D
    """.split()  # noqa: SIM905
)
OURS = frozenset({"BiasActivation", "ChannelScale", "SharedConv2D", "SharedDense", "SharedDepthwiseConv2D"})
# + - * / between tensors, of which Keras makes operations that are no layers.
ARITHMETIC, OPERATIONS = "keras.src.ops.numpy", frozenset({"Add", "Subtract", "Multiply", "TrueDivide"})
# Objects in a layer's config: of Keras' modules, and of ours.
PARTS = ("keras.initializers", "keras.regularizers", "keras.constraints")
# What says in which numbers a layer computes, quantized ones among them.
PRECISIONS = frozenset(
    {"DTypePolicy", "QuantizedDTypePolicy", "QuantizedFloat8DTypePolicy"}
    | {"AbsMaxQuantizer", "Int8QuantizationConfig", "Int4QuantizationConfig", "Float8QuantizationConfig"}
)
VALUES = frozenset({"Placement", "SoftSharing", "HardSharing"})
LAYER_KEYS = {"module", "class_name", "config", "registered_name", "name", "inbound_nodes"}
FURTHER_KEYS = {"build_config", "shared_object_id"}
GRAPH_KEYS = {"name", "trainable", "layers", "input_layers", "output_layers"}
# The largest of `keras.applications` has about a thousand layers. Keras resolves a graph by trying again what had to
# wait; more tries than these take seconds.
MOST_LAYERS = 2_000
MOST_TRIES = 100_000
LARGEST_SIZE = 2**20


def check_graph(config: Any) -> None:
    """Check a functional model's config.

    Args:
        config: what its `get_config` gives, or anything that claims to be it.

    Raises:
        ValueError: if there is anything in it but layers of `LAYERS` and ours, or more than any network has.
    """
    _require(isinstance(config, dict) and set(config) == GRAPH_KEYS, "A graph's config has other keys", config)
    layers = config["layers"]
    _require(
        isinstance(layers, (list, tuple)) and 0 < len(layers) <= MOST_LAYERS, "A graph is of 1 to 2000 layers", layers
    )
    for layer in layers:
        _check_layer(layer)
    names = [layer["name"] for layer in layers]
    _require(len(set(names)) == len(names), "Each layer of a graph has a name of its own", names)
    _check_order({layer["name"]: layer for layer in layers})


def _require(condition: bool, sentence: str, received: Any) -> None:
    if not condition:
        raise ValueError(f"{sentence}. Received: {shorten(received)}")


def _check_layer(layer: Any) -> None:
    _require(
        isinstance(layer, dict) and LAYER_KEYS <= set(layer) <= LAYER_KEYS | FURTHER_KEYS, "This is no layer", layer
    )
    kind, module, registered = layer["class_name"], layer["module"], layer["registered_name"]
    _require(
        all(isinstance(word, str) for word in (kind, module, layer["name"]))
        and (
            (module == "keras.layers" and kind in LAYERS and registered is None)
            or (kind in OURS and registered == f"recurzoo>{kind}")
            or (module == ARITHMETIC and kind in OPERATIONS and registered == kind)
        ),
        "A checkpoint's graph is of core Keras layers for images and of recurzoo's shared layers; save others with "
        "model.save",
        f"{module}.{kind}",
    )
    _require(isinstance(layer["config"], dict), "A layer has a config", layer["config"])
    _check_values({**layer["config"], "name": layer["name"]})
    _check_values(layer.get("build_config"))
    _require(isinstance(layer["inbound_nodes"], list), "A layer has a list of nodes", layer["inbound_nodes"])


def _check_values(item: Any) -> None:
    """Check what stands in a layer's config: numbers that sizes can be, and no objects but a layer's parts."""
    if isinstance(item, dict):
        if "class_name" in item:
            kind, module, registered = item["class_name"], item.get("module"), item.get("registered_name")
            _require(
                (module in PARTS and registered is None)
                or (module in ("keras", "keras.dtype_policies", "keras.quantizers") and kind in PRECISIONS)
                or (kind in VALUES and registered == f"recurzoo>{kind}"),
                "A layer of a checkpoint is made of numbers, words, initializers, regularizers and constraints",
                f"{module}.{kind}",
            )
        for key, value in item.items():
            # Any number will do.
            if key not in ("seed", "shared_object_id"):
                _check_values(value)
    elif isinstance(item, (list, tuple)):
        for value in item:
            _check_values(value)
    else:
        _require(
            item is None
            or isinstance(item, (bool, str, float))
            or (isinstance(item, int) and abs(item) <= LARGEST_SIZE),
            f"A layer's settings are words and numbers of at most {LARGEST_SIZE}",
            item,
        )


def _check_order(layers: Mapping[str, Any]) -> None:
    """Follow Keras as it resolves the graph, without building anything."""
    inputs = {name: 1 for name, layer in layers.items() if layer["class_name"] == "InputLayer"}
    made = {name: inputs.get(name, 0) for name in layers}
    nodes = {name: [list(_sources(node)) for node in layer["inbound_nodes"]] for name, layer in layers.items()}
    waiting = [name for name in layers if nodes[name]]
    tries = 0
    while waiting:
        before = sum(made.values())
        for name in waiting:
            while made[name] < len(nodes[name]) and all(
                made.get(source, 0) > at for source, at in nodes[name][made[name]]
            ):
                made[name] += 1
            tries += 1
        _require(sum(made.values()) > before, "Each node of a graph follows from others", waiting)
        _require(tries <= MOST_TRIES, "A graph is resolved in fewer tries", tries)
        waiting = [name for name in waiting if made[name] < len(nodes[name])]


def _sources(item: Any) -> Iterator[tuple[str, int]]:
    """The layers and their nodes that a node takes tensors from."""
    if isinstance(item, dict) and item.get("class_name") == "__keras_tensor__":
        history = item["config"].get("keras_history") if isinstance(item.get("config"), dict) else None
        match history:
            case [str(name), int(node), int(tensor)] if min(node, tensor) >= 0:
                yield name, node
            case _:
                _require(False, "A tensor says where it comes from", item)
    elif isinstance(item, dict):
        _require("class_name" not in item, "A node takes tensors, numbers and words", item)
        for value in item.values():
            yield from _sources(value)
    elif isinstance(item, (list, tuple)):
        for value in item:
            yield from _sources(value)
    else:
        _check_values(item)
