"""A checkpoint's config.json: one of the zoo's models, and the arguments of its class."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurzoo.base.documents import read_json, shorten
from recurzoo.catalog.names import name_of

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

# As Keras writes an object.
KEYS = ("module", "class_name", "config", "registered_name")


def write_config(model: ZooModel) -> str:
    """The text of a model's config.json, as core Keras reads it."""
    import keras

    from recurzoo.layers.settings import only_freezing

    serialized = keras.saving.serialize_keras_object(model)
    # How it was compiled is the training's business, and its precision that of whoever loads it; a checkpoint is the
    # architecture, its weights, and which of these learn.
    config = {key: value for key, value in serialized["config"].items() if key not in ("dtype", "layers")}
    if layers := only_freezing(serialized["config"].get("layers", {})):
        config["layers"] = layers
    return json.dumps({key: serialized[key] for key in KEYS} | {"config": config}, indent=2) + "\n"


def read_config(path: Path) -> tuple[type[ZooModel], dict[str, Any]]:
    """Read a config.json. It can name no classes but the zoo's models; their `from_config` checks the arguments.

    Args:
        path: of the file.

    Returns:
        The class, and what its `from_config` takes.

    Raises:
        ValueError: if it is anything else.
        OSError: if it cannot be read.
    """
    from recurzoo import models
    from recurzoo.layers.settings import check_settings, only_freezing

    try:
        serialized = read_json(path)
        if not isinstance(serialized, dict) or set(serialized) != set(KEYS):
            raise ValueError(f"it has the keys {', '.join(KEYS)}, and here is {shorten(serialized)}")
        known = {f"recurzoo>{name}": vars(models)[name] for name in models.__all__ if name != "ZooModel"}
        name, config = serialized["registered_name"], serialized["config"]
        if not isinstance(name, str) or name not in known or name != f"recurzoo>{serialized['class_name']}":
            raise ValueError(f"its class is one of {', '.join(sorted(known))}, and here is {shorten(name)}")
        if not isinstance(serialized["module"], str) or not isinstance(config, dict):
            raise ValueError(f"its config is a table of arguments, and here is {shorten(config)}")
        check_settings(layers := config.get("layers", {}))
        if "dtype" in config or layers != only_freezing(layers):
            raise ValueError(f"of layers it says only which weights learn, and here is {shorten(config)}")
    except ValueError as error:
        raise ValueError(f"This is no config of a model of the zoo: {error}. Received: {str(path)!r}") from None
    return known[name], config


def check_architecture(model: ZooModel, name: str) -> None:
    """Refuse a model of another architecture than its checkpoint's record names.

    Raises:
        ValueError: if it is.
    """
    found = name_of(type(model).__name__, model.architecture)
    if found != name:
        raise ValueError(
            f"A config is of the architecture that the record names. Received: a config of {found!r} with a record of "
            f"{shorten(name)}; fetch the checkpoint anew"
        )
