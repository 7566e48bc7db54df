"""What every model of the zoo has in common: pixels in, logits out, a config of its architecture and what was set."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import keras
import numpy as np

from recurzoo.base.documents import one_line, shorten
from recurzoo.families.arguments import read_arguments
from recurzoo.families.channel_statistics import CIFAR10
from recurzoo.families.deferring import deferred_weights, drop_weights
from recurzoo.layers import Stage, StateGraph
from recurzoo.layers.settings import (
    FREEZING,
    Owner,
    Settings,
    apply_settings,
    changed_settings,
    check_settings,
    remember_parts,
)
from recurzoo.layers.shared import SharedLayer
from recurzoo.layers.state_graph import stages_of
from recurzoo.sharing import Initializer, Sharing, kernel_initializer

# Of an array of images, so many are looked at.
SEEN = 64


class ZooModel(Owner, keras.Model):
    """A functional Keras model that is rebuilt from the arguments of its class, and what was set on its layers since.

    A family's constructor calls `begin`, puts its stages in a row, and calls `finish`. The arguments below are common
    to all families.

    Args:
        num_classes: int, width of the head.
        input_shape: `(height, width, channels)` of the images.
        mean: sequence of floats, the data set's channel means for pixels in 0..1.
        std: sequence of floats, its standard deviations.
        include_top: bool, whether there is a head at all.
        pooling: None, `"avg"` or `"max"`: what a model without a head gives for its last feature map.
        sharing: dict from a stage's name to its `Sharing` (or a tuple of one a bank), in place of the family's own;
            this is all that tells a folded model from an unfolded one.
        unroll: bool. If False, stages run as real loops when not training.

    Input shape:
        `(batch, height, width, channels)`, pixels in 0..255, uint8 or float.

    Output shape:
        `(batch, num_classes)` logits. Without head, a feature map, or `(batch, features)` if pooled.
    """

    # Set by `recurzoo.reestimate_batch_norm`; not saved.
    statistics_reestimated = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        model = super().__new__(cls, *args, **kwargs)
        # Partial, since Keras itself also makes an empty instance of every base class.
        bound = inspect.signature(cls.__init__).bind_partial(model, *args, **kwargs)
        bound.apply_defaults()
        arguments = dict(bound.arguments)
        common = arguments.pop("kwargs", {})
        arguments.pop("self", None)
        # Not as a plain attribute: Keras would track the dictionary.
        object.__setattr__(model, "_architecture", {**arguments, **common})
        return model

    def begin(
        self,
        input_shape: Sequence[int | None],
        mean: Sequence[float] = CIFAR10.mean,
        std: Sequence[float] = CIFAR10.std,
        include_top: bool = True,
        pooling: Literal["avg", "max"] | None = None,
        sharing: Mapping[str, Sharing | tuple[Sharing, ...]] | None = None,
        unroll: bool = True,
    ) -> Any:
        """Start the graph: the input, and its normalization as a layer of the model."""
        # A saved model keeps its normalization, whatever the default may become.
        self._architecture.update(mean=tuple(map(float, mean)), std=tuple(map(float, std)))
        if not all(s > 0 for s in std):
            raise ValueError(f"A standard deviation is more than 0. Received: std={tuple(std)}")
        scale = [1 / (255 * s) for s in std]
        offset = [-m / s for m, s in zip(mean, std, strict=True)]
        images = keras.Input(tuple(input_shape), name="images")
        if images.shape[-1] != len(scale):
            raise ValueError(
                f"Images of {images.shape[-1]} channels need as many numbers in mean=[...] and std=[...], of pixels in "
                f"0..1. Received: {len(scale)} numbers, input_shape={tuple(input_shape)}"
            )
        settings = {"images": images, "include_top": include_top, "pooling": pooling, "sharing": dict(sharing or {})}
        object.__setattr__(self, "_graph", {**settings, "unroll": unroll})
        # Of three axes, since Keras lays scales of one along the first axis where its own setting is "channels_first".
        return keras.layers.Rescaling([[scale]], offset, name="preprocessing")(images)

    def stage(self, block: Any, steps: int, sharing: Any, name: str, **kwargs: Any) -> Stage:
        """Make a stage whose sharing the model's config may override."""
        graph = self._graph
        return Stage(block, steps, graph["sharing"].pop(name, sharing), unroll=graph["unroll"], name=name, **kwargs)

    def state_graph(self, states: Any, schedule: Any, name: str = "graph", **kwargs: Any) -> StateGraph:
        """Make a graph of states, whose edges are stages named `edge_i_j`."""
        graph = self._graph
        sharing = {edge: graph["sharing"].pop(edge) for edge in list(graph["sharing"]) if edge.startswith("edge_")}
        return StateGraph(states, schedule, sharing=sharing, unroll=graph["unroll"], name=name, **kwargs)

    def finish(
        self,
        x: Any,
        num_classes: int,
        name: str | None = None,
        per_pixel: bool = False,
        initializer: Initializer = "he_normal",
    ) -> None:
        """End the graph: pooling and the head; or, for logits `per_pixel`, a 1x1 convolution as head."""
        graph = self._graph
        object.__delattr__(self, "_graph")
        if graph["sharing"]:
            raise ValueError(
                f"{type(self).__name__} has no stages of these names. Received: {sorted(graph['sharing'])}"
            )
        # Logits in float32 at least, also under mixed precision.
        precision = "float64" if keras.config.dtype_policy().compute_dtype == "float64" else "float32"
        head = {"kernel_initializer": kernel_initializer(initializer), "dtype": precision, "name": "head"}
        if initializer == "pytorch":
            # Which draws biases from the interval of the kernels.
            bound = x.shape[-1] ** -0.5
            head["bias_initializer"] = keras.initializers.RandomUniform(-bound, bound)
        if graph["include_top"] and per_pixel:
            x = keras.layers.Conv2D(num_classes, 1, data_format="channels_last", **head)(x)
        elif graph["include_top"]:
            x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)
            x = keras.layers.Dense(num_classes, **head)(x)
        elif graph["pooling"] is not None:
            pools = {"avg": keras.layers.GlobalAveragePooling2D, "max": keras.layers.GlobalMaxPooling2D}
            if graph["pooling"] not in pools:
                raise ValueError(f'pooling is None, "avg" or "max". Received: pooling={graph["pooling"]!r}')
            x = pools[graph["pooling"]](data_format="channels_last", name="pool")(x)
        super().__init__(inputs=graph["images"], outputs=x, name=name)
        remember_parts(self)

    # Nothing in a graph can warn: pixels are looked at where they come in as arrays.
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        look_at_pixels(self, args[:1])
        return super().__call__(*args, **kwargs)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        look_at_pixels(self, x)
        return super().fit(x, *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        look_at_pixels(self, x)
        return super().evaluate(x, *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        look_at_pixels(self, x)
        return super().predict(x, *args, **kwargs)

    def export(self, filepath: Any, format: str = "tf_saved_model", *args: Any, **kwargs: Any) -> Any:
        if format in ("onnx", "litert"):
            logging.getLogger("recurzoo").warning(
                "Keras writes a shared kernel once for each use. recurzoo.export(model, %r, %r) writes it once.",
                str(filepath),
                format,
            )
        return super().export(filepath, format, *args, **kwargs)

    @property
    def stages(self) -> list[Stage | SharedLayer]:
        """What has banks, in order: stages, those along the edges of a state graph included, and shared layers."""
        return stages_of(self)

    @property
    def architecture(self) -> dict[str, Any]:
        """The arguments that build this model again."""
        return dict(self._architecture)

    def with_architecture(self, **changes: Any) -> ZooModel:
        """A new, untrained model like this one but for some arguments; its precision and settings are the same."""
        arguments = {**self._architecture, "name": self.name, **changes}
        return self._build(arguments, self.dtype_policy, changed_settings(self), self.trainable)

    @classmethod
    def _build(
        cls, arguments: Mapping[str, Any], dtype: Any = None, settings: Settings | None = None, trainable: bool = True
    ) -> ZooModel:
        settings = settings or {}
        with deferred_weights(), building_in(dtype):
            model = cls(**arguments)
            made_with = {name: _only(change, FREEZING, False) for name, change in settings.items()}
            if any(made_with.values()):
                # An activation, a regularizer, adapters, integers for weights.
                model = model._with_layers(arguments, made_with)
            freezing = {name: _only(change, FREEZING) for name, change in settings.items()}
            if settings or not trainable:
                apply_settings(model, {"trainable": trainable, "parts": freezing})
        return model

    def _with_layers(self, arguments: Mapping[str, Any], changes: Settings) -> ZooModel:
        if unknown := sorted(set(changes) - {layer.name for layer in self.layers}):
            raise ValueError(f"{type(self).__name__} has no layers of these names. Received: {unknown}")

        def make(layer: keras.Layer) -> keras.Layer:
            return type(layer).from_config({**layer.get_config(), **changes.get(layer.name, {})})

        graph = keras.models.clone_model(self, clone_function=make)
        model = type(self).__new__(type(self), **arguments)
        super(ZooModel, model).__init__(inputs=graph.input, outputs=graph.output, name=self.name)
        object.__setattr__(model, "_architecture", self._architecture)
        object.__setattr__(model, "_as_made", self._as_made)
        drop_weights(self)
        return model

    def get_config(self) -> dict[str, Any]:
        config = {**self._architecture, "name": self.name, "dtype": keras.dtype_policies.serialize(self.dtype_policy)}
        if settings := changed_settings(self):
            config["layers"] = settings
        if not self.trainable:
            config["trainable"] = False
        if config.get("sharing"):
            config["sharing"] = {
                stage: keras.saving.serialize_keras_object(list(s) if isinstance(s, (tuple, list)) else s)
                for stage, s in config["sharing"].items()
            }
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ZooModel:
        # A config may be a stranger's, through core Keras too.
        set_on_layers = {key: config[key] for key in ("dtype", "layers", "trainable") if key in config}
        arguments = read_arguments(cls, {key: value for key, value in config.items() if key not in set_on_layers})
        settings = set_on_layers.get("layers", {})
        check_settings(settings)
        try:
            return cls._build(arguments, set_on_layers.get("dtype"), settings, set_on_layers.get("trainable", True))
        except Exception as error:
            # Arguments of the right types may contradict each other; some of it only Keras or its backend notices.
            raise ValueError(
                f"No {cls.__name__} can be built from these arguments: {one_line(str(error), 400)} "
                f"Received: {shorten(config, 400)}"
            ) from error


def check_zoo_model(model: Any) -> None:
    """Refuse what is no model of the zoo.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(model, ZooModel):
        raise ValueError(
            "This takes a model of the zoo, before other layers are put on it. keras.models.clone_model gives a plain "
            "one, which model.save saves; copy.deepcopy and with_architecture give one of the zoo. "
            f"Received: a {type(model).__name__}{f' named {model.name!r}' if isinstance(model, keras.Model) else ''}"
        )


def look_at_pixels(model: ZooModel, images: Any) -> None:
    """Log a warning of arrays whose pixels cannot be meant as 0..255, as the zoo's models take them.

    Args:
        model: the model; one that does not normalize its images takes what it takes.
        images: array, or arrays in lists and dictionaries; anything else is not looked at.

    Raises:
        ValueError: if an array has no images, or one channel where each has a meaning of its own.
    """
    channels = model.input_shape[-1]
    for array in keras.tree.flatten(images):
        if not isinstance(array, np.ndarray):
            continue
        if not array.size:
            raise ValueError(f"A batch has one image or more. Received: an array of shape {array.shape}")
        if "mean" not in model.architecture and array.ndim == 4 and array.shape[-1] == 1 < channels:
            raise ValueError(
                f"{model.name!r} takes images of {channels} channels, of which none stands for the others. "
                f"Received: an array of shape {array.shape}"
            )
        if np.issubdtype(array.dtype, np.floating) and "mean" in model.architecture:
            lowest, highest = float(array[:SEEN].min()), float(array[:SEEN].max())
            # NaN is neither.
            if not lowest >= 0 or 0 < highest <= 1:
                logging.getLogger("recurzoo").warning(
                    "%r takes pixels of 0 to 255 and normalizes them itself. Received: %.3g to %.3g.",
                    model.name, lowest, highest,
                )  # fmt: skip


def _only(table: Mapping[str, Any], keys: Sequence[str], inside: bool = True) -> dict[str, Any]:
    return {key: value for key, value in table.items() if (key in keys) == inside}


@contextmanager
def building_in(dtype: Any) -> Iterator[None]:
    """Build in this precision, as a dtype policy or its name; None for Keras' own setting."""
    before = keras.config.dtype_policy()
    if dtype is not None:
        keras.config.set_dtype_policy(keras.dtype_policies.get(dtype))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
