"""The arrays of a state dict of Savarese & Maire's PyTorch code, and the network their names and shapes tell of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

ALIAS = re.compile(r"stage_(\d+)\.\d+\.(?:conv[12]\.)?bank\.templates")


def clean_arrays(state: Any) -> tuple[dict[str, np.ndarray], list[str]]:
    """Their arrays under one name each, and what is wrong with them or between two names of one bank."""
    if isinstance(state, Mapping):
        state = state.get("state_dict", state)
    if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
        raise ValueError(f"A state is a dict from names to arrays. Received: {state!r:.80}")
    arrays: dict[str, np.ndarray] = {}
    problems = []
    for given, value in state.items():
        name = given.removeprefix("module.")
        if name.endswith(".num_batches_tracked"):
            continue
        array = _array(value)
        if array is None:
            problems.append(f"no array of floats: {given}, {type(value).__name__}")
            continue
        name = ALIAS.sub(r"bank_\1.templates", name)
        if not np.array_equal(arrays.setdefault(name, array), array, equal_nan=True):
            problems.append(f"contradictory: {given} differs from another name of {name}")
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


def infer_arguments(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
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
