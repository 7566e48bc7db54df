"""SavedModel, as TensorFlow and TensorFlow Serving run it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recurzoo.exporting.inference import INPUT, OUTPUT, inference_function, variables_read
from recurzoo.exporting.runtime import Runtime

SIGNATURE = "serving_default"


def write(model: keras.Model, path: Path) -> None:
    """Write a folder with one signature, `serving_default`."""
    import tensorflow as tf

    function = inference_function(model)
    # Keras' own export tracks layers and variables side by side, and so writes every variable twice.
    module = tf.Module()
    module.weights = [variable.value for variable in variables_read(model, function)]
    module.infer = function
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        tf.saved_model.save(module, str(path), signatures={SIGNATURE: function}, options=options)
    finally:
        logger.setLevel(level)
    _shorten_graph(path)


def _shorten_graph(path: Path) -> None:
    """Number the nodes and keep each constant once: a deep and narrow net's graph would outweigh its variables."""
    from tensorflow.core.protobuf import saved_model_pb2

    file = path / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    for function in saved.meta_graphs[0].graph_def.library.function:
        _shorten_function(function)
    file.write_bytes(saved.SerializeToString())
    # Of the graph as it was; nothing needs it.
    (path / "fingerprint.pb").unlink(missing_ok=True)


def _shorten_function(function: Any) -> None:
    short: dict[str, str] = {}
    constants: dict[bytes, str] = {}
    nodes = []
    for number, node in enumerate(function.node_def):
        node.attr.pop("_output_shapes", None)
        name = f"n{number}"
        # A constant that waits for other nodes is not the same as one that does not.
        if node.op == "Const" and not node.input:
            value = b"".join(node.attr[key].SerializeToString(deterministic=True) for key in ("dtype", "value"))
            name = constants.setdefault(value, name)
        short[node.name] = name
        if name == f"n{number}":
            nodes.append(node)

    def renamed(reference: str) -> str:
        """A reference is `node`, `node:output:index`, `^node`, or the name of an argument."""
        control, name = reference.startswith("^"), reference.removeprefix("^")
        node, colon, output = name.partition(":")
        return "^" * control + short.get(node, node) + colon + output

    nodes = [type(node).FromString(node.SerializeToString()) for node in nodes]
    for node in nodes:
        node.name = short[node.name]
        node.input[:] = [renamed(reference) for reference in node.input]
    del function.node_def[:]
    function.node_def.extend(nodes)
    for references in (function.ret, function.control_ret):
        for key in list(references):
            references[key] = renamed(references[key])


def load(path: Path) -> Runtime:
    """Load a folder into TensorFlow."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures[SIGNATURE]

    def run(images: np.ndarray) -> np.ndarray:
        # The signature does not keep what it was loaded with alive.
        assert loaded is not None
        return function(**{INPUT: tf.constant(images)})[OUTPUT].numpy()

    shape = function.structured_input_signature[1][INPUT].shape
    return Runtime(f"tensorflow {tf.__version__}", tuple(shape[1:]), run)
