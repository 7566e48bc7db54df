"""The state dicts of Savarese & Maire's PyTorch code, read into an SWRN and written from one, exactly both ways.

What the two sides call each array is told once, by `_correspondence`; reading, checking and writing all go through it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from recurzoo.families.deferring import deferred_weights
from recurzoo.families.swrn.network import SWRN
from recurzoo.layers import Stage
from recurzoo.sharing import KernelBank, SoftBank, untied

# The repeated names of a bank.
ALIAS = re.compile(r"stage_(\d+)\.\d+\.(?:conv[12]\.)?bank\.templates")
# Ours to theirs, by rank: vectors, dense kernels, kernels (h, w, in, out), templates (k, h, w, in, out).
AXES = {1: (0,), 2: (1, 0), 4: (3, 2, 0, 1), 5: (0, 4, 3, 1, 2)}
NORMALIZATION = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}


def import_soft_sharing(state: Mapping[str, Any], **kwargs: Any) -> SWRN:
    """Build an SWRN from a checkpoint of the authors' PyTorch code (Savarese & Maire, 2019).

    Depth, width, templates and classes are read off the names and shapes; a checkpoint without banks gives a plain Wide
    ResNet. The authors feed normalized images, this model takes pixels in 0..255 and normalizes them itself: for
    a data set other than CIFAR-10 give the `mean` and `std` that the checkpoint was trained with.

    Args:
        state: dict from the authors' names to NumPy arrays or torch tensors: a `state_dict`, or the whole
            checkpoint that holds one. The repeated names of the banks and the prefix `module.` may be there or not.
        **kwargs: further arguments of `SWRN`, such as `mean`, `std`, `input_shape` or `dropout`.

    Returns:
        An `SWRN` whose logits equal those of the authors' network.

    Raises:
        ValueError: if names are missing, unknown or contradictory, or arrays have other shapes or hold no floats; all
            are listed, and nothing is allocated for them.

    Example:

    >>> checkpoint = torch.load("model_best.pth.tar", map_location="cpu", weights_only=True)  # runs no code of the file
    >>> model = recurzoo.import_soft_sharing(checkpoint["state_dict"])
    """
    arrays, problems = _clean(state)
    inferred = _infer(arrays)
    with deferred_weights():
        model = SWRN(**inferred, **kwargs)
        places = dict(_correspondence(model))
        _check(problems, {name: place.their_shape(name) for name, place in places.items()}, arrays, inferred)
    for name, place in places.items():
        place.write(_ours(name, arrays[name]))
    return model


def _clean(state: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    """Their arrays under one name each, and what is wrong with them or between two names of one bank."""
    if isinstance(state, Mapping):
        state = state.get("state_dict", state)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ValueError(f"A state is a dict from names to arrays. Received: {state!r:.80}")
    arrays: dict[str, np.ndarray] = {}
    problems = []
    for key, value in state.items():
        name = key.removeprefix("module.")
        if name.endswith(".num_batches_tracked"):
            continue
        array = _array(value)
        if array is None:
            problems.append(f"no array of floats: {key}, {type(value).__name__}")
            continue
        name = ALIAS.sub(r"bank_\1.templates", name)
        if not np.array_equal(arrays.setdefault(name, array), array, equal_nan=True):
            problems.append(f"contradictory: {key} differs from another name of {name}")
    return arrays, problems


def _array(value: Any) -> np.ndarray | None:
    """An array or tensor as a NumPy array, or None if it holds no floats or is an array only in appearance."""
    try:
        array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError):
        return None
    # An array whose steps are zero claims more numbers than it has: terabytes in a few bytes.
    repeated = any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True))
    return array if array.dtype.kind == "f" and not repeated else None


def _infer(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of the `SWRN` that these arrays look like; where they disagree, what most of them say."""

    def dimensions(pattern: str) -> Iterator[tuple[re.Match[str], int]]:
        for name, array in arrays.items():
            match = re.fullmatch(pattern, name)
            if match and array.ndim:
                yield match, array.shape[0]

    blocks: dict[str, set[str]] = {}
    for match, _ in dimensions(r"stage_([123])\.(\d+)\..*"):
        blocks.setdefault(match[1], set()).add(match[2])
    widths = [size // (8 * 2 ** int(match[1])) for match, size in dimensions(r"stage_([123])\.\d+\.bn2\.\w+")]
    classes = [size for _, size in dimensions(r"classifier\.\w+")]
    if not (blocks and widths and classes):
        raise ValueError(
            "This is no state of the authors' SWRN: it needs names such as stage_1.0.bn2.weight and classifier.weight. "
            f"Received: {sorted(arrays)[:8]}"
        )
    templates = [size for _, size in dimensions(r"bank_[123]\.templates|stage_[123]\.\d+\.conv[12]\.coefficients")]
    return {
        "depth": 6 * _majority(map(len, blocks.values())) + 4,
        "width": _majority(widths),
        "num_templates": _majority(templates) if templates else None,
        "num_classes": _majority(classes),
    }


def _majority(values: Iterable[int]) -> int:
    return Counter(values).most_common(1)[0][0]


def _check(
    problems: list[str],
    expected: dict[str, tuple[int, ...]],
    arrays: Mapping[str, np.ndarray],
    inferred: dict[str, Any],
) -> None:
    problems = problems + [f"missing: {name} {shape}" for name, shape in expected.items() if name not in arrays]
    problems += [f"unexpected: {name} {array.shape}" for name, array in arrays.items() if name not in expected]
    problems += [
        f"shape of {name}: expected {expected[name]}, received {array.shape}"
        for name, array in arrays.items()
        if name in expected and array.shape != expected[name]
    ]
    if problems:
        raise ValueError(
            f"This state does not fill the SWRN of depth {inferred['depth']}, width {inferred['width']} and "
            f"{inferred['num_templates']} templates that it looks like. "
            f"Received: {len(problems)} problems\n  " + "\n  ".join(problems)
        )


def export_soft_sharing(model: SWRN) -> dict[str, np.ndarray]:
    """Write an SWRN as the authors' PyTorch code names and lays it out: the inverse of `import_soft_sharing`.

    Args:
        model: an `SWRN` with a head, whose stages are soft-shared or not shared at all.

    Returns:
        Dict from names to arrays, the banks' repeated names included, as the authors' `load_state_dict` wants them.

    Raises:
        ValueError: if the authors' code has no such network.

    Example:

    >>> state = recurzoo.export_soft_sharing(recurzoo.load("swrn-22-1-2"))
    >>> network.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    """
    if not isinstance(model, SWRN) or not model.architecture.get("include_top", True):
        raise ValueError(
            f"Only an SWRN with its head is written in the authors' names. Received: {type(model).__name__}"
        )
    state = {name: np.ascontiguousarray(_theirs(name, place.read())) for name, place in _correspondence(model)}
    for name in [name for name in state if name.endswith(".coefficients")]:
        convolution = name.removesuffix(".coefficients")
        stage, block, _ = convolution.split(".")
        templates = state[f"bank_{stage.removeprefix('stage_')}.templates"]
        state[f"{stage}.{block}.bank.templates"] = state[f"{convolution}.bank.templates"] = templates
    return state


class _Place(NamedTuple):
    """One array of theirs in our model: a variable, or one row of it."""

    variable: keras.Variable
    row: int | None = None

    def their_shape(self, name: str) -> tuple[int, ...]:
        """The shape that they have for it, known before there are values."""
        shape = tuple(self.variable.shape)[0 if self.row is None else 1 :]
        return (
            (*shape, 1, 1, 1, 1) if name.endswith(".coefficients") else tuple(shape[axis] for axis in AXES[len(shape)])
        )

    def read(self) -> np.ndarray:
        value = keras.ops.convert_to_numpy(self.variable)
        return value if self.row is None else value[self.row]

    def write(self, value: np.ndarray) -> None:
        if self.row is not None:
            whole = np.array(keras.ops.convert_to_numpy(self.variable))
            whole[self.row] = value
            value = whole
        self.variable.assign(value)


def _correspondence(model: SWRN) -> Iterator[tuple[str, _Place]]:
    """For each array of theirs its name and its place in our model."""
    yield "conv_3x3.weight", _Place(model.get_layer("stem").kernel)
    for number in (1, 2, 3):
        entry = model.get_layer(f"stage_{number}_entry")
        yield from _block(f"stage_{number}.0", entry, 0)
        if entry.shortcut is not None:
            yield f"stage_{number}.0.convShortcut.weight", _Place(entry.shortcut.kernel)
        stage = next((stage for stage in model.stages if stage.name == f"stage_{number}"), None)
        if stage is None:
            continue
        if isinstance(stage.banks[0], SoftBank):
            yield f"bank_{number}.templates", _Place(stage.banks[0].templates)
        for step in range(stage.steps):
            yield from _block(f"stage_{number}.{step + 1}", stage, step)
    yield from _normalization("lastact.0", model.get_layer("bn"), 0)
    yield "classifier.weight", _Place(model.get_layer("head").kernel)
    yield "classifier.bias", _Place(model.get_layer("head").bias)


def _block(prefix: str, stage: Stage, step: int) -> Iterator[tuple[str, _Place]]:
    for site, layer in stage.normalizations.items():
        yield from _normalization(f"{prefix}.{site}", layer, step)
    for site in stage.convolutions:
        yield _kernel(f"{prefix}.{site}", *stage.slot_of(site, step))


def _normalization(prefix: str, layer: keras.Layer, step: int) -> Iterator[tuple[str, _Place]]:
    for theirs, ours in NORMALIZATION.items():
        yield f"{prefix}.{theirs}", _Place(getattr(layer, ours), step)


def _kernel(prefix: str, bank: KernelBank, slot: int) -> tuple[str, _Place]:
    if isinstance(bank, SoftBank):
        return f"{prefix}.coefficients", _Place(bank.coefficients, slot)
    if bank.sharing != untied(bank.slots):
        raise ValueError(
            "The authors' network has soft banks or a kernel for each convolution; materialize this model first. "
            f"Received: {bank.sharing}"
        )
    return f"{prefix}.weight", _Place(bank.templates, slot)


def _theirs(name: str, ours: np.ndarray) -> np.ndarray:
    theirs = ours.transpose(AXES[ours.ndim])
    return theirs.reshape(-1, 1, 1, 1, 1) if name.endswith(".coefficients") else theirs


def _ours(name: str, theirs: np.ndarray) -> np.ndarray:
    theirs = theirs.reshape(-1) if name.endswith(".coefficients") else theirs
    return theirs.transpose(np.argsort(AXES[theirs.ndim]))
