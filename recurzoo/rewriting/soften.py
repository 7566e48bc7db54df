"""Softening: the convolutions and dense layers of any Keras model mix templates found in its own kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from recurzoo.families.base import ZooModel
from recurzoo.families.counting import count_parameters
from recurzoo.families.softened.graph_config import check_graph
from recurzoo.families.softened.network import Softened
from recurzoo.layers.channels import BiasActivation
from recurzoo.layers.shared import Placement, SharedConv2D, SharedDense, SharedDepthwiseConv2D
from recurzoo.rewriting.banks import banked_layers, fill, replace_banks
from recurzoo.rewriting.graph import array_of, copy_operation, copy_state, is_rebuilt, rebuild
from recurzoo.rewriting.softening_groups import Owner, find_groups, kernel_part, kernels_of
from recurzoo.rewriting.softening_plan import SofteningReport, Templates, choose
from recurzoo.rewriting.templates import KernelGroup, Method
from recurzoo.sharing import SoftSharing

SHARED = {"Conv2D": SharedConv2D, "DepthwiseConv2D": SharedDepthwiseConv2D, "Dense": SharedDense}


class Mixes(NamedTuple):
    """The soft sharing in a group's place, and the weights that go with it."""

    sharing: SoftSharing
    templates: np.ndarray
    coefficients: np.ndarray


def soften(
    model: keras.Model,
    templates: Templates | None = None,
    budget: int | None = None,
    exclude: Sequence[str] = (),
    method: Method = "svd",
    seed: int = 0,
) -> keras.Model:
    """Let layers of one kernel shape share templates, which their coefficients mix (Savarese & Maire, 2019, eq. 1).

    Layers of one class (`Conv2D`, `DepthwiseConv2D` or `Dense`), kernel shape, number of groups, precision, regularizer
    and `trainable` form a group, wherever in the graph they are. Templates are found in the group's own kernels, and
    coefficients by least squares: with as many templates as kernels the outputs stay the same, with fewer they come as
    near as they can, and training goes on from there. Each layer keeps its name, bias, activation, strides, padding and
    dilation; all else is as it was.

    Args:
        model: a functional or built sequential model, or a model of the zoo; left as it is. Models nested in it become
            part of it, so that their layers may share too.
        templates: int, for every group with at least so many kernels; `"all"`, as many as kernels; or a dict from the
            names of groups, or patterns such as `"*_3x3x*"`, to ints, for these groups alone.
        budget: int, instead of `templates`: the most parameters that the result may have. They go where they mend most
            of the error.
        exclude: patterns of the names of layers and groups that stay as they are.
        method: `"svd"` (truncated, of kernels brought to one size), `"kmeans"` or `"random"` (mixes of the kernels).
        seed: int, of random mixes.

    Returns:
        A new, uncompiled model, with a `soften_report`. Of a model of the zoo it is another one of its family; of any
        other a functional model with a `recurzoo.layers.SharedConv2D` or the like for each group: a model of the zoo
        too, `recurzoo.models.Softened`, where it has layers of core Keras alone.

    Raises:
        ValueError: if the model is neither, no layers could share, or there is no such number of templates.

    Example:
        >>> softened = recurzoo.soften(keras.applications.ResNet50(), templates=2)
        >>> print(softened.soften_report)
    """
    if templates is None and budget is None:
        raise ValueError("Softening needs templates=, a number of them, or budget=, of parameters. Received: neither")
    plan, owners = _plan(model, templates, budget, exclude, method, seed)
    mixes = {}
    for group in plan.groups:
        if group.templates is not None:
            kernels = kernels_of(owners[group.name])
            weights = KernelGroup(kernels, method, seed).soften(kernels, group.templates)
            mixes[group.name] = Mixes(SoftSharing(group.templates), *weights)
    layers = {name: owner for name in mixes if isinstance(owner := owners[name], list)}
    banks = {id(owners[name]): mixes[name] for name in mixes if name not in layers}
    result = _with_shared_layers(model, layers, mixes) if layers else model
    if banks or not layers:
        plans = {name: [banks.get(id(bank)) for bank in layer.banks] for name, layer in banked_layers(model).items()}
        result = replace_banks(result, {name: tuple(items) for name, items in plans.items() if any(items)})
    if not is_rebuilt(result):
        result = _by_number_of_templates(result)
    # Not as a plain attribute: Keras watches those for state to save.
    object.__setattr__(result, "soften_report", plan)
    return result


def plan_softening(
    model: keras.Model,
    templates: Templates | None = None,
    budget: int | None = None,
    exclude: Sequence[str] = (),
    method: Method = "svd",
    seed: int = 0,
) -> SofteningReport:
    """Say what `soften` would do, and how near the kernels would come to what they are, by the number of templates.

    Args:
        model, templates, budget, exclude, method, seed: as `soften` takes them; without templates and budget, the
            groups alone are reported.

    Returns:
        A `SofteningReport`.

    Raises:
        ValueError: as `soften`.

    Example:
        >>> print(recurzoo.plan_softening(keras.applications.ResNet50(), templates=2))
    """
    return _plan(model, templates, budget, exclude, method, seed)[0]


def _plan(
    model: Any,
    templates: Templates | None,
    budget: int | None,
    exclude: Sequence[str],
    method: Method,
    seed: int,
) -> tuple[SofteningReport, dict[str, Owner]]:
    if not isinstance(model, (keras.Function, keras.Sequential)) or not model.built:
        raise ValueError(
            "Softening takes a functional model, a sequential one that knows its input's shape, or a model of the zoo. "
            f"Received: a {type(model).__name__}{'' if getattr(model, 'built', True) else ' that is not built'}"
        )
    owners, groups, left_out = find_groups(model, [exclude] if isinstance(exclude, str) else exclude, method, seed)
    if not groups:
        raise ValueError(
            "Softening needs two layers whose kernels have one shape and role. "
            f"Received: {model.name!r}, which has none{', but for those excluded' if exclude else ''}"
        )
    before = count_parameters(model)
    fixed = before - sum(group.parameters_before for group in groups)
    chosen = choose(groups, templates, budget, fixed)
    report = SofteningReport(
        method=method,
        parameters_before=before,
        parameters_after=fixed + sum(group.parameters_after for group in chosen),
        groups=chosen,
        left_out=left_out,
    )
    return report, owners


def _by_number_of_templates(model: ZooModel) -> ZooModel:
    """The same network as its family names it, if it has as many templates everywhere."""

    def sharings(model: ZooModel) -> list[Any]:
        return [bank.sharing for stage in model.stages for bank in stage.banks if bank.slots > 1]

    numbers = {getattr(sharing, "num_templates", None) for sharing in sharings(model)}
    if "num_templates" not in model.architecture or len(numbers) > 1 or None in numbers:
        return model
    named = model.with_architecture(num_templates=numbers.pop(), sharing={})
    if sharings(named) != sharings(model):
        return model
    for layer in model.layers:
        copy_state(layer, named.get_layer(layer.name))
    return named


def _with_shared_layers(model: keras.Model, groups: Mapping[str, list[Any]], mixes: Mapping[str, Mixes]) -> keras.Model:
    """Build a model anew with one layer for each group, called in the place of each of its members."""
    shared: dict[int, tuple[Any, int]] = {}
    for name, members in groups.items():
        layer = _shared_layer(name, members, mixes[name].sharing)
        shared.update({id(member): (layer, slot) for slot, member in enumerate(members)})
    biases = []

    def copy(operation: Any, name: str) -> Any:
        if id(operation) not in shared:
            return copy_operation(operation, name)
        layer, slot = shared[id(operation)]
        rest = _rest(operation, name)
        if operation.use_bias:
            biases.append((operation, rest))
        return lambda x: rest(layer(x, slot=slot))

    result, copies = rebuild(model, copy)
    for operation, made in copies:
        if isinstance(made, keras.Layer):
            copy_state(operation, made)
    for operation, rest in biases:
        rest.bias.assign(array_of(operation.bias))
    for name in groups:
        fill(result.get_layer(name).bank, mixes[name])
    try:
        check_graph(result.get_config())
    except ValueError:
        # It has layers that no checkpoint may have.
        return result
    return Softened(result.input, result.output, name=result.name)


def _shared_layer(name: str, layers: Sequence[Any], sharing: SoftSharing) -> Any:
    first = layers[0]
    fields = [field.name for field in dataclasses.fields(Placement)]
    dense = isinstance(first, keras.layers.Dense)
    slots = len(layers) if dense else [Placement(**{field: getattr(x, field) for field in fields}) for x in layers]
    shape, regularizer = tuple(first.kernel.shape), kernel_part(first, "regularizer")
    arguments = {"name": name, "dtype": first.dtype_policy, "trainable": first.trainable}
    return SHARED[type(first).__name__](sharing, slots, shape, regularizer, **arguments)


def _rest(layer: Any, name: str) -> keras.Layer:
    """What of a layer follows its kernel, under its name."""
    arguments = {"name": name, "dtype": layer.dtype_policy, "trainable": layer.trainable}
    arguments["activity_regularizer"] = layer.activity_regularizer
    if not layer.use_bias:
        return keras.layers.Activation(layer.activation, **arguments)
    axis = 1 if getattr(layer, "data_format", None) == "channels_first" else -1
    parts = {part: getattr(layer, part) for part in ("bias_initializer", "bias_regularizer", "bias_constraint")}
    return BiasActivation(layer.activation, axis, **parts, **arguments)
