"""A checkpoint's config.json: written from a model, and read as nothing but the arguments of one of our classes."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from recurzoo.base.documents import one_line, parse_json, read_json, shorten
from recurzoo.catalog.names import name_of

if TYPE_CHECKING:
    import keras

# As Keras writes an object.
KEYS = ("module", "class_name", "config", "registered_name")
# Steps take time and maybe no weights, so they end where published networks do. What takes weights is compared with the
# file that holds them before it takes memory; here its numbers are only kept within what shapes can be.
MOST_STEPS = 1_202
LARGEST_SIZE = 2**20
SIZES = {"width", "states", "num_classes", "input_shape", "index"}
MOST_PIXELS = 2**26


def write_config(model: keras.Model) -> str:
    """The text of a model's config.json.

    Args:
        model: of the zoo.

    Raises:
        ValueError: if `read_config` would refuse it.
    """
    import keras

    serialized = keras.saving.serialize_keras_object(model)
    # How it was compiled is the training's business; a checkpoint is the architecture and its weights.
    text = json.dumps({key: serialized[key] for key in KEYS}, indent=2) + "\n"
    try:
        _check_model(parse_json(text))
    except ValueError as error:
        raise ValueError(f"A checkpoint of this model could not be loaded: {error}. Received: {model.name!r}") from None
    return text


def read_config(path: str | Path, architecture: str) -> dict[str, Any]:
    """Read a config.json, and check it before anything is built.

    It can name no classes but the zoo's models and the sharings they are made of, no arguments but theirs, of their
    types, and no sizes beyond all reason.

    Args:
        path: of the file.
        architecture: its name in the checkpoint's record.

    Returns:
        What `keras.saving.deserialize_keras_object` takes: `module`, `class_name`, `registered_name` and `config`, the
        arguments.

    Raises:
        ValueError: if it is anything else, or of another architecture.
        OSError: if it cannot be read.
    """
    try:
        serialized = read_json(Path(path))
        found = _check_model(serialized)
    except ValueError as error:
        raise ValueError(f"This is no config of a model of the zoo: {error}. Received: {str(path)!r}") from None
    if found != architecture:
        raise ValueError(
            f"This config is not of the architecture that its record names, {architecture!r}, but of {found!r}. "
            f"Received: {str(path)!r}; fetch the checkpoint anew"
        )
    return serialized


def build(serialized: dict[str, Any]) -> Any:
    """Build the model of a checked config.

    Args:
        serialized: what `read_config` gives, maybe with other arguments.

    Raises:
        ValueError: if there is no such network.
    """
    import keras

    try:
        return keras.saving.deserialize_keras_object(serialized, safe_mode=True)
    except Exception as error:
        # Arguments of the right types may contradict each other; some contradictions only Keras or its backend notices.
        raise ValueError(
            f"No {serialized['class_name']} can be built from these arguments: {one_line(str(error), 400)} "
            f"Received: {shorten(serialized['config'], 400)}"
        ) from None


def argument_names(kind: type) -> tuple[str, ...]:
    """The names of all arguments that a class of the zoo's models takes."""
    return tuple(_schema(kind).model_fields)


def _check_model(serialized: Any) -> str | None:
    """Check a parsed config, and give the name of its architecture, if it has one.

    Raises:
        ValueError: saying what is wrong.
    """
    from recurzoo import models, sharing

    model = _check_object(serialized, models, models.ZooModel)
    arguments = serialized["config"]
    for stage in (arguments.get("sharing") or {}).values():
        for bank in stage if isinstance(stage, list) else [stage]:
            _check_object(bank, sharing, sharing.Sharing)
    sides = [side for side in arguments.get("input_shape") or () if side is not None]
    if math.prod(sides) > MOST_PIXELS or min(sides, default=1) < 1:
        raise ValueError(f"no network here takes images of the shape {shorten(arguments['input_shape'])}")
    # What a config leaves out is as the class has it.
    defaults = {name: field.default for name, field in _schema(model).model_fields.items()}
    try:
        return name_of(model.__name__, {**defaults, **arguments})
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"no {model.__name__} has these arguments ({one_line(str(error))})") from None


def _check_object(item: Any, package: ModuleType, base: type) -> type:
    """Check one of Keras' serialised objects: which class it names, and the names, types and sizes of its arguments."""
    known: dict[str, Any] = {
        kind.__name__: kind for kind in _public(package) if issubclass(kind, base) and kind is not base
    }
    if not isinstance(item, dict) or set(item) != set(KEYS):
        raise ValueError(f"an object has the keys {', '.join(KEYS)}, and here is {shorten(item)}")
    arguments = item["config"]
    module, name, registered = (item[key] for key in ("module", "class_name", "registered_name"))
    if (
        not isinstance(name, str)
        or name not in known
        or registered != f"recurzoo>{name}"
        or not isinstance(module, str)
    ):
        raise ValueError(f"its classes are {', '.join(sorted(known))}, and here is {shorten(registered)}")
    kind = known[name]
    try:
        # As JSON, where a list may stand for a tuple, and nothing else for another thing.
        _schema(kind).model_validate_json(json.dumps(arguments))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its arguments"
        raise ValueError(f"{one_line(where)} of {name}: {first['msg']}, not {shorten(first['input'])}") from None
    for argument, value in arguments.items():
        limit = LARGEST_SIZE if argument in SIZES else MOST_STEPS
        for number in _whole_numbers(value if argument != "sharing" else None):
            if abs(number) > limit:
                raise ValueError(f"{argument} of {name} is at most {limit}, not {shorten(number)}")
    return kind


def _public(package: ModuleType) -> list[type]:
    return [item for item in map(vars(package).get, package.__all__) if isinstance(item, type)]


@functools.cache
def _schema(kind: Any) -> type[BaseModel]:
    """The arguments of a class and, of a model, those common to all, with their types."""
    from recurzoo.models import ZooModel

    functions: list[Callable[..., Any]] = [kind.__init__]
    if issubclass(kind, ZooModel):
        functions.insert(0, ZooModel.begin)
    fields: dict[str, Any] = {}
    for function in functions:
        hints = get_type_hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                fields[name] = (hints[name], ... if parameter.default is parameter.empty else parameter.default)
    if "sharing" in fields:
        # Its values are objects, checked by themselves.
        fields["sharing"] = (dict[str, Any] | None, None)
    strictly = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(kind.__name__, __config__=strictly, **fields)


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    for part in value if isinstance(value, list) else ():
        yield from _whole_numbers(part)
