"""The arguments that a class of the zoo's models takes, and those that a stranger's config gives it."""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

import keras
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from recurzoo.base.documents import one_line, shorten
from recurzoo.layers.step_table import MOST_STEPS
from recurzoo.sharing import Sharing

# Steps end where published networks do, since they may take time and no weights. Sizes take weights, of which there may
# be no more than `deferring` allows; here they are only kept within what shapes can be.
LARGEST_SIZE = 2**20
SIZES = {"width", "states", "num_classes", "input_shape"}
MOST_PIXELS = 2**26


def argument_names(kind: type) -> tuple[str, ...]:
    """The names of all arguments that a class of the zoo's models takes."""
    return tuple(_schema(kind).model_fields)


def plain_numbers(value: Any) -> Any:
    """Arguments with Python's numbers in place of NumPy's, which count classes and sizes as well."""
    if isinstance(value, dict):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain_numbers, value))
    return value.item() if isinstance(value, np.generic) else value


def read_arguments(kind: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a config before anything is built, and give the constructor's arguments.

    Args:
        kind: a class of the zoo's models.
        config: what its `get_config` gives, or anything that claims to be it.

    Returns:
        The arguments; `sharing` has its objects.

    Raises:
        ValueError: if it names other arguments, values of other types or beyond all reason, or objects that are no
            sharings.
    """
    arguments = dict(config)
    _check(kind, arguments)
    for name, value in arguments.items():
        limit = LARGEST_SIZE if name in SIZES else MOST_STEPS
        for number in _whole_numbers(value) if name != "sharing" else ():
            if abs(number) > limit:
                raise ValueError(f"{name} of {kind.__name__} is at most {limit}. Received: {shorten(number)}")
    sides = [side for side in arguments.get("input_shape") or () if side is not None]
    if math.prod(sides) > MOST_PIXELS or min(sides, default=1) < 1:
        raise ValueError(f"No network takes images of this shape. Received: {shorten(arguments['input_shape'])}")
    if arguments.get("sharing"):
        arguments["sharing"] = {
            stage: tuple(map(_read_sharing, item)) if isinstance(item, (list, tuple)) else _read_sharing(item)
            for stage, item in arguments["sharing"].items()
        }
    return arguments


def _read_sharing(item: Any) -> Sharing:
    # By ourselves: Keras would make any object that it knows.
    kind = keras.saving.get_registered_object(str(item.get("registered_name"))) if isinstance(item, dict) else None
    if not (inspect.isclass(kind) and issubclass(kind, Sharing) and isinstance(item.get("config"), dict)):
        raise ValueError(f"A stage's sharing is one of the zoo's, as Keras writes it. Received: {shorten(item)}")
    _check(kind, item["config"])
    return kind.from_config(item["config"])


def _check(kind: type, arguments: Mapping[str, Any]) -> None:
    """Compare the names and types of arguments with the class's, as JSON has them: a list may stand for a tuple."""
    try:
        _schema(kind).model_validate_json(json.dumps(arguments, default=lambda array: array.tolist()))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "its arguments"
        raise ValueError(
            f"These are no arguments of {kind.__name__}: {one_line(where)}: {first['msg']}. "
            f"Received: {shorten(first['input'])}"
        ) from None
    except (AttributeError, TypeError, RecursionError) as error:
        raise ValueError(
            f"The arguments of {kind.__name__} are what JSON can say. Received: {one_line(str(error))}"
        ) from None


@functools.cache
def _schema(kind: Any) -> type[BaseModel]:
    """The arguments of a class and, of a model, those common to all, with their types."""
    functions: list[Callable[..., Any]] = [kind.__init__]
    if hasattr(kind, "begin"):
        functions.insert(0, kind.begin)
    fields: dict[str, Any] = {}
    for function in functions:
        hints = get_type_hints(function)
        for name, parameter in inspect.signature(function).parameters.items():
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                default = ... if parameter.default is parameter.empty else parameter.default
                fields[name] = (hints.get(name, Any), default)
    if "sharing" in fields:
        # Its values are objects, checked by themselves.
        fields["sharing"] = (dict[str, Any] | None, None)
    strictly = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return create_model(kind.__name__, __config__=strictly, **fields)


def _whole_numbers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    for part in value if isinstance(value, (list, tuple)) else ():
        yield from _whole_numbers(part)
