"""Decoding images, the same way everywhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})


def decode(image: str | Path | bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode an image with Pillow; one of another size is resized by its shorter side (bicubic) and centre-cropped.

    Of 16 bits a pixel the upper 8 are kept, in grey as in colour.

    Args:
        image: a file's path, or its bytes.
        size: `(height, width)` wanted.

    Returns:
        A uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if it is not an image that Pillow reads, or one whose pixels have no known range.
    """
    from PIL import Image

    where = f"{len(image)} bytes" if isinstance(image, bytes) else str(image)
    try:
        with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
            pixels = _colours(opened)
    except FileNotFoundError:
        raise ValueError(f"There is no such image. Received: {where}") from None
    except Exception as error:
        # Damaged bytes lead Pillow's decoders into errors of all kinds.
        raise ValueError(f"This is not an image that can be read: {error}. Received: {where}") from None
    return resize(pixels, size)


def _colours(picture: Picture) -> np.ndarray:
    """The pixels as uint8 `(height, width, 3)`, also of grey ones that Pillow would clip at 255."""
    if not picture.mode.startswith(("I", "F")):
        return np.asarray(picture.convert("RGB"))
    if picture.format == "TIFF":
        # Tag 258: bits a pixel, which Pillow gives in 16 also where they are 12.
        known = picture.mode.startswith("I;16") and picture.getexif().get(258) == 16
    else:
        # Pillow's mode I holds 16 bits of PNG and PGM files.
        known = picture.mode != "F"
    if not known:
        raise ValueError(
            f"the range of its pixels, of Pillow's mode {picture.mode}, is not known; store it with 8 bits"
        )
    return np.repeat((np.asarray(picture) >> 8).astype("uint8")[..., None], 3, axis=2)


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image by its shorter side (bicubic) and crop its centre, unless it has the size already.

    Args:
        pixels: uint8 array `(height, width, 3)`.
        size: `(height, width)` wanted.

    Returns:
        A uint8 array of that size.
    """
    from PIL import Image, ImageOps

    if pixels.shape[:2] == tuple(size):
        return pixels
    return np.asarray(ImageOps.fit(Image.fromarray(pixels), size[::-1], Image.Resampling.BICUBIC))
