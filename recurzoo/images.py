"""Decoding images, the same way everywhere."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm"})


def decode(image: str | Path | bytes, size: tuple[int, int]) -> np.ndarray:
    """Decode an image with Pillow; one of another size is resized by its shorter side (bicubic) and centre-cropped.

    Args:
        image: a file's path, or its bytes.
        size: `(height, width)` wanted.

    Returns:
        A uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if it is not an image that Pillow reads.
    """
    from PIL import Image, UnidentifiedImageError

    where = f"{len(image)} bytes" if isinstance(image, bytes) else str(image)
    try:
        with Image.open(io.BytesIO(image) if isinstance(image, bytes) else image) as opened:
            picture = opened.convert("RGB")
    except FileNotFoundError:
        raise ValueError(f"There is no such image. Received: {where}") from None
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"This is not an image that can be read: {error}. Received: {where}") from None
    return resize(np.asarray(picture), size)


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
