"""What is set on a layer after it was made (which parts learn, a momentum, an activation), kept by configs and copies.

Keras' configs hold a layer's own arguments, and nothing of the layers that it makes by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recurzoo.layers.tree import own_variables, parts_of

# What says which weights learn: `trainable` of a layer, where it is not as its owner's; its weights that are not as
# the layer; and its parts, for which the same is said. All else are arguments of a layer, as its own config has them.
FREEZING = ("trainable", "frozen", "parts")
Settings = Mapping[str, Mapping[str, Any]]


class Owner:
    """A mixin for layers that make other layers in `build`: what is set on these is in its config, and set again.

    `build` ends with `finish_parts`; `get_config` has `parts_config`; `from_config` ends with `with_parts`.
    """

    trainable: bool
    built: bool

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "trainable":
            set_trainable(self, value)
        else:
            super().__setattr__(name, value)

    def finish_parts(self) -> None:
        """Remember the parts as they were made, and set what a config says of them."""
        remember_parts(self)
        if not self.trainable:
            # What `build` makes follows its owner.
            self.trainable = False
        apply_settings(self, getattr(self, "_expected", {}))

    @classmethod
    def with_parts(cls, config: Mapping[str, Any]) -> Any:
        """A layer of these arguments, on whose parts is set, once they are built, what the config says of them."""
        expected = {key: value for key, value in config.items() if key in ("parts", "frozen")}
        owner = cls(**{key: value for key, value in config.items() if key not in expected})
        # Not as a plain attribute: Keras would track the dictionary.
        object.__setattr__(owner, "_expected", expected)
        return owner

    def parts_config(self) -> dict[str, Any]:
        """What is set on the parts, empty where they are as they were made."""
        if not self.built:
            return dict(getattr(self, "_expected", {}))
        return {name: found for name, found in _freezing(self).items() if found}


def set_trainable(layer: Any, value: bool) -> None:
    """Assign `trainable` to a layer, and so to all that it has.

    On TensorFlow, Keras takes no notice of an assignment of what is there already, though parts may be otherwise.
    """
    keras.layers.Layer.trainable.fset(layer, value)


def remember_parts(owner: Any) -> None:
    """Remember the parts of a layer or model as they are."""
    for part in parts_of(owner):
        if isinstance(part, keras.Sequential):
            remember_parts(part)
    object.__setattr__(owner, "_as_made", {part.name: _arguments(part) for part in parts_of(owner)})


def changed_settings(owner: Any) -> dict[str, dict[str, Any]]:
    """What is set on the parts of a layer or model since `remember_parts`, by their names.

    Returns:
        For each part that was changed, the arguments in its config that are others, and what of `FREEZING` is.
    """
    found = {}
    for part in parts_of(owner):
        as_made, now = owner._as_made[part.name], _arguments(part)
        change = {key: now.get(key) for key in {**as_made, **now} if as_made.get(key) != now.get(key)}
        if part.trainable != owner.trainable:
            change["trainable"] = part.trainable
        change |= {key: value for key, value in _freezing(part).items() if value}
        if change:
            found[part.name] = change
    return found


def apply_settings(layer: Any, settings: Mapping[str, Any]) -> None:
    """Set on a built layer what `changed_settings` found on another.

    Args:
        layer: a layer, or a model.
        settings: of the layer itself.

    Raises:
        ValueError: if it has no such part or weight, or does not take a setting.
    """
    if "trainable" in settings:
        set_trainable(layer, bool(settings["trainable"]))
    parts = {part.name: part for part in parts_of(layer)}
    frozen = set(settings.get("frozen", ()))
    weights = {variable.name: variable for variable in own_variables(layer)}
    if unknown := sorted({*settings.get("parts", {})} - {*parts}) + sorted(frozen - {*weights}):
        raise ValueError(f"A layer has settings of what it has. Received: {unknown} of {layer.name!r}")
    for name, inner in settings.get("parts", {}).items():
        apply_settings(parts[name], inner)
    for name in frozen:
        weights[name].trainable = not layer.trainable
    for key, value in settings.items():
        if key not in FREEZING:
            setattr(layer, key, value)


def only_freezing(settings: Settings) -> dict[str, dict[str, Any]]:
    """Of settings, what says which weights learn."""
    found = {}
    for name, change in settings.items():
        kept = {key: value for key, value in change.items() if key in ("trainable", "frozen")}
        if parts := only_freezing(change.get("parts", {})):
            kept["parts"] = parts
        if kept:
            found[name] = kept
    return found


def check_settings(settings: Any) -> None:
    """Refuse what is no settings of layers, as a stranger's config may have.

    Raises:
        ValueError: if it is not.
    """
    right = isinstance(settings, dict) and all(isinstance(change, dict) for change in settings.values())
    for change in settings.values() if right else ():
        right = right and isinstance(change.get("trainable", True), bool) and _are_names(change.get("frozen", ()))
        check_settings(change.get("parts", {}))
    if not right:
        raise ValueError(f"Settings of layers are tables by their names. Received: {str(settings)[:200]}")


def _are_names(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value)


def _freezing(layer: Any) -> dict[str, Any]:
    """What of a layer's own weights and parts is set otherwise than on itself."""
    parts = changed_settings(layer) if hasattr(layer, "_as_made") else {}
    for name, change in parts.items():
        for key, value in change.items():
            if key not in FREEZING and not (value is None or isinstance(value, (bool, int, float))):
                raise ValueError(
                    f"Of what a layer makes, numbers that are set on it are kept, and nothing else is. "
                    f"Received: {key} of {layer.name}/{name}"
                )
    frozen = [variable.name for variable in own_variables(layer) if variable.trainable != layer.trainable]
    return {"frozen": sorted(frozen), "parts": parts}


def _arguments(layer: Any) -> dict[str, Any]:
    without = {"name", *FREEZING, *(("layers", "build_input_shape") if isinstance(layer, keras.Sequential) else ())}
    return {key: _without_numbers(value) for key, value in layer.get_config().items() if key not in without}


def _without_numbers(value: Any) -> Any:
    # Keras numbers the objects of a file, so that one object is one again.
    if isinstance(value, dict):
        return {key: _without_numbers(item) for key, item in value.items() if key != "shared_object_id"}
    return [_without_numbers(item) for item in value] if isinstance(value, (list, tuple)) else value
