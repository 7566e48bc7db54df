"""From names to models: untrained ones, and pretrained ones with their own or a new head."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recurzoo.base.documents import one_line, shorten
from recurzoo.catalog import catalog
from recurzoo.checkpoints.config import check_architecture, read_config
from recurzoo.checkpoints.folder import CONFIG, SAFETENSORS, verify_files
from recurzoo.checkpoints.weights import build_to_fit, open_weights
from recurzoo.hub.client import Client
from recurzoo.zoo.finding import find_checkpoint

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

HEAD = "head/"


def create(architecture: str, /, **kwargs: Any) -> ZooModel:
    """Build an untrained model.

    Args:
        architecture: its name, anything the grammar allows, catalogued or not.
        **kwargs: further arguments of its class: `num_classes`, `input_shape`, `mean`, `std`, `dropout`, ...; and
            `name`, the Keras model's, of which models that stand in one need different ones.

    Returns:
        A Keras model that takes images in 0..255 and gives logits.

    Raises:
        UnknownNameError: if no network has this name; a ValueError.
        ValueError: if an argument is already in the name, or does not fit the class.

    Example:
        >>> recurzoo.create("swrn-40-4-3", num_classes=100)
    """
    from recurzoo.families.arguments import argument_names, plain_numbers

    found = catalog.architecture(architecture)
    kwargs = plain_numbers(kwargs)
    if twice := sorted(set(kwargs) & set(found.arguments)):
        raise ValueError(
            f"The name {architecture!r} already says {', '.join(twice)}. Received: {kwargs}; change the name instead"
        )
    module, _, model = found.model.partition(":")
    kind = getattr(importlib.import_module(module), model)
    fitting = [argument for argument in argument_names(kind) if argument not in found.arguments]
    if unknown := sorted(set(kwargs) - set(fitting)):
        raise ValueError(
            f"{kind.__name__} has no such argument. Received: {', '.join(unknown)} for {architecture!r}; those that "
            f"the name leaves open are {', '.join(fitting)}"
        )
    try:
        return kind(**found.arguments, **kwargs)
    except TypeError as error:
        # So Python, Keras and its backends answer an argument of another type.
        raise ValueError(
            f"No {architecture!r} can be built from these arguments: {one_line(str(error))}. "
            f"Received: {shorten(kwargs)}"
        ) from error


def load(
    name_or_folder: str | Path,
    num_classes: int | None = None,
    input_shape: Sequence[int | None] | None = None,
    include_top: bool = True,
    pooling: Literal["avg", "max"] | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
    outputs: str | Sequence[str] | None = None,
    name: str | None = None,
) -> ZooModel:
    """Load a pretrained model. Its files are checked, and every weight must have its place; nothing is ever random
    but a new head.

    Args:
        name_or_folder: the name of a checkpoint (`"swrn-22-1-2.cifar10"`) or an architecture (for its default
            checkpoint), the path of a checkpoint's folder, or `hf://USER/REPO[@REVISION]`.
        num_classes: int. Given, the model has a new, untrained head, even where the number is the checkpoint's own.
        input_shape: `(height, width, channels)` of the images, where they are of another size.
        include_top: bool. If False, the model has no head and is a feature extractor.
        pooling: None, `"avg"` or `"max"`: without a head, what becomes of the last feature map.
        token: for private repositories of the Hugging Face Hub; by default the one that is logged in.
        local_files_only: bool. If True, nothing is downloaded.
        outputs: names of states inside the network, with wildcards, see `recurzoo.with_outputs`.
        name: the Keras model's, by default the checkpoint's. Models that stand in one, as in an ensemble, need
            different ones.

    Returns:
        A Keras model that takes images in 0..255 and normalizes them as the checkpoint's training did; with `outputs`
        one that gives a dictionary of these states.

    Raises:
        UnknownNameError: if nothing has this name; a ValueError.
        MissingWeightsError: if an architecture has no weights here or on the Hub; it says how to create or train it.
        FileNotFoundError: if there is no checkpoint at a path.
        OSError: if a download fails.
        ValueError: if a file was changed, or is not what a checkpoint has; if the weights do not fit, or the arguments
            contradict each other.

    Example:
        >>> model = recurzoo.load("swrn-22-1-2", num_classes=20, input_shape=(64, 64, 3))
        >>> recurzoo.freeze(model)
    """
    if not include_top and num_classes is not None:
        raise ValueError(
            f"A model without a head has no classes. Received: include_top=False, num_classes={num_classes}"
        )
    from recurzoo.families.arguments import plain_numbers
    from recurzoo.rewriting.freeze import freeze

    folder, record = find_checkpoint(name_or_folder, client=Client(token, local_files_only))
    verify_files(folder, record)
    kind, config = read_config(folder / CONFIG)
    config |= {} if name is None else {"name": name}
    has_head = config.get("include_top", True)
    keeps_head = include_top and has_head and num_classes is None
    if pooling is not None and (keeps_head or num_classes is not None):
        raise ValueError(f"Pooling is for a model without a head. Received: pooling={pooling!r}; add include_top=False")
    if num_classes is not None:
        config |= {"num_classes": plain_numbers(num_classes), "include_top": True}
    elif not keeps_head:
        config |= {"include_top": False, "pooling": pooling or (None if has_head else config.get("pooling"))}
    if not keeps_head:
        config["layers"] = {name: frozen for name, frozen in config.get("layers", {}).items() if f"{name}/" != HEAD}
    if input_shape is not None:
        own = config.get("input_shape", input_shape)
        if list(input_shape[-1:]) != list(own[-1:]):
            raise ValueError(
                f"This checkpoint's kernels are for images of {own[-1]} channels. "
                f"Received: input_shape={tuple(input_shape)}; give it gray images of one channel as they are"
            )
        config["input_shape"] = plain_numbers(list(input_shape))

    def build() -> ZooModel:
        model = kind.from_config(config)
        check_architecture(model, record.architecture)
        if num_classes is not None and not model.trainable:
            # A new head learns, whatever the rest does.
            freeze(model)
        return model

    with open_weights(folder / SAFETENSORS) as tensors:
        model = build_to_fit(build, tensors, lambda path: path.startswith(HEAD) and not keeps_head)
    if num_classes is not None:
        # Not silently: logging shows warnings on standard error unless told otherwise.
        logging.getLogger("recurzoo").warning(
            "The head of %s is new and untrained: %d classes.", name_or_folder, num_classes
        )
    if outputs is None:
        return model
    from recurzoo.rewriting.outputs import with_outputs

    return with_outputs(model, outputs)
