"""scikit-learn's digits: 1,797 images of 8x8 pixels that need no download."""

from __future__ import annotations

import numpy as np

from recurzoo.base.optional import import_optional
from recurzoo.data.image_data import ImageData, Split, spread
from recurzoo.data.images import resize

PACKAGE = "recurzoo[digits]"


def read_digits(size: tuple[int, int], train: bool = True, limit: int | None = None) -> ImageData:
    """Read the digits, a stratified fifth of them as test images.

    Args:
        size: as `load_data` has it.
        train: as `load_data` has it.
        limit: as `load_data` has it.

    Returns:
        An `ImageData`.

    Raises:
        ImportError: if scikit-learn is not installed.
    """
    digits = import_optional("sklearn.datasets", PACKAGE).load_digits()
    gray = np.round(digits.images * (255 / 16)).astype("uint8")
    parts = import_optional("sklearn.model_selection", PACKAGE).train_test_split(
        np.stack([resize(np.repeat(image[..., None], 3, axis=2), size) for image in gray]),
        digits.target.astype("int32"),
        test_size=0.2,
        stratify=digits.target,
        random_state=0,
    )
    class_names = tuple(str(name) for name in digits.target_names)
    chosen = spread(parts[3], limit)
    return ImageData(
        "scikit-learn digits",
        class_names,
        Split(parts[0], parts[2]) if train else Split.empty(size),
        Split(parts[1][chosen], parts[3][chosen]),
    )
