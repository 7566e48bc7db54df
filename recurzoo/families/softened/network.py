"""Networks that softening made of a Keras model: a graph of core Keras layers and of layers that share templates."""

from __future__ import annotations

import copy
from typing import Any

import keras
from keras.src.legacy.saving.saving_options import keras_option_scope

from recurzoo.base.documents import one_line, shorten
from recurzoo.families.base import ZooModel
from recurzoo.families.deferring import deferred_weights
from recurzoo.families.softened.graph_config import check_graph
from recurzoo.layers.settings import remember_parts


@keras.saving.register_keras_serializable("recurzoo")
class Softened(ZooModel):
    """A functional model whose groups of layers mix templates; see `recurzoo.soften`.

    Its config is the graph. Pixels are what the model that it was made of takes.

    Args:
        inputs, outputs, name: as of `keras.Model`.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any):
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        remember_parts(self)

    @property
    def architecture(self) -> dict[str, Any]:
        """Nothing: the graph is all there is."""
        return {}

    def with_architecture(self, **changes: Any) -> ZooModel:
        """A new, untrained network of the same graph."""
        if changes:
            raise ValueError(f"A softened network is its graph, and has no arguments. Received: {sorted(changes)}")
        return keras.models.clone_model(self)

    def get_config(self) -> dict[str, Any]:
        # Keras' older HDF5 files ask for an older form of a graph, in which layers do not say where they come from.
        with keras_option_scope(use_legacy_config=False):
            return {"graph": super(ZooModel, self).get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> ZooModel:
        # A config may be a stranger's, through core Keras too.
        if changes := sorted({*config} - {"graph"}):
            raise ValueError(
                f"A softened network keeps its input and its head; build on its layers instead. Received: {changes}"
            )
        graph = config.get("graph")
        check_graph(graph)
        try:
            with deferred_weights():
                return super(ZooModel, cls).from_config(copy.deepcopy(graph))
        except Exception as error:
            # Settings of the right kinds may contradict each other, which only Keras or its backend notices.
            raise ValueError(
                f"No network can be built from this graph: {one_line(str(error), 400)} Received: {shorten(graph, 400)}"
            ) from error
