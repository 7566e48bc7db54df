"""Images to train and test on, by the words that name them."""

from __future__ import annotations

from recurzoo.data.digits import read_digits
from recurzoo.data.folder import read_folder
from recurzoo.data.image_data import ImageData, Images, Split, spread
from recurzoo.data.stored_images import StoredImages
from recurzoo.data.tfds import read_tfds

__all__ = ["ImageData", "Images", "Split", "StoredImages", "load_data", "spread"]


def load_data(
    words: str, size: tuple[int, int], train: bool = True, limit: int | None = None, stored: bool = False
) -> ImageData:
    """Read a data set: into memory, but for a split whose images have more GiB together than `RECURZOO_MEMORY` says.

    Args:
        words: `tfds:NAME`, `digits`, or a folder with `train/CLASS/...` and `test/CLASS/...` (or `val`, `validation`,
            `valid`).
        size: `(height, width)` that images of another size are resized and cropped to.
        train: bool, whether the training images are wanted too.
        limit: int, how many test images to decode at most, of each class its share; None for all.
        stored: bool, whether the training images are to stay `StoredImages` in any case, for crops of their own size.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: if the data set is not there, or not of the expected form; if `stored` is wanted of arrays.
        ImportError: if a package that it needs is not installed.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"A limit is at least one image. Received: {limit}")
    if words == "digits":
        if stored:
            raise ValueError(
                "Crops of images before they are resized are for data sets of image files. Received: 'digits'; leave "
                "augmentation.resized_crop out"
            )
        return read_digits(size, train, limit)
    if words.startswith("tfds:"):
        return read_tfds(words.removeprefix("tfds:"), size, train, limit, stored)
    return read_folder(words, size, train, limit, stored)
