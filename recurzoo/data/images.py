"""Decoding images, the same way everywhere; docs/data.md has the rules as a table."""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import stat
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from recurzoo.base.documents import one_line

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile

# Pillow's names of the formats that are ever tried, and what such files are called.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm"),
}
IMAGE_SUFFIXES = frozenset(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# For the cache: to be raised by whatever changes the pixels that `decode` gives.
DECODER_VERSION = 1
MOST_BYTES = 2**28
# Pillow's decoders take up to 16 bytes a pixel, so a gigabyte at most.
MOST_PIXELS = 2**26
# A JPEG file of up to twice as many is shrunk by its decoder, to no less than so many times the size wanted.
JPEG_GAP = 3
TOO_LARGE = f"it has more than {MOST_PIXELS:,} pixels; scale it down"
TILE_TAGS = (322, 323)
BITS_TAG = 258
# The comments before a PPM file's pixels, and pixels in text, are read byte by byte: minutes for a large file.
LONGEST_PPM_HEADER = 2048
PPM_HEADER = re.compile(rb"P[456](?:\s+(?:#[^\r\n]*\s+)*\d+){2,3}\s")

# From the `(width, height)` of an upright image to the box `(left, top, right, bottom)` of it that is wanted.
Crop = Callable[[tuple[int, int]], tuple[float, float, float, float]]

# Filters of warnings belong to the whole process.
_filtering = threading.Lock()


def decode(image: str | Path | bytes, size: tuple[int, int], crop: Crop | None = None) -> np.ndarray:
    """Decode an image with Pillow: upright, on white, of several frames the first, without its color profile.

    One of another size is resized by its shorter side (bicubic) and center-cropped. Of 16 bits a pixel the upper 8
    are kept, in gray as in color.

    Args:
        image: a file's path, or its bytes.
        size: `(height, width)` wanted.
        crop: a `Crop`, which part is resized to that size instead of the whole.

    Returns:
        A uint8 array `(height, width, 3)`.

    Raises:
        ValueError: if it is no regular file, is none of `FORMATS`, is too large or damaged, or has pixels of no known
            range.
    """
    from PIL import Image, UnidentifiedImageError

    name = f"{len(image):,} bytes" if isinstance(image, bytes) else repr(str(image))
    try:
        if not isinstance(image, bytes):
            _check_file(image)
        with io.BytesIO(image) if isinstance(image, bytes) else open(image, "rb") as file:
            return np.asarray(_prepare(_open(file), size, crop))
    except FileNotFoundError:
        raise ValueError(f"There is no such image. Received: {name}") from None
    except UnidentifiedImageError:
        reason = f"it is none of {', '.join(FORMATS)}"
    except Image.DecompressionBombError:
        reason = TOO_LARGE
    except Exception as error:
        # Damaged bytes lead Pillow's decoders into errors of all kinds.
        reason = one_line(str(error)).rstrip(".") or type(error).__name__
    raise ValueError(f"This is not an image that can be read: {reason}. Received: {name}")


def resize(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image by its shorter side (bicubic) and crop its center, unless it has the size already.

    Args:
        pixels: uint8 array `(height, width, 3)`.
        size: `(height, width)` wanted.

    Returns:
        A uint8 array of that size.
    """
    from PIL import Image

    return pixels if pixels.shape[:2] == tuple(size) else np.asarray(_fit(Image.fromarray(pixels), size))


def _check_file(path: str | Path) -> None:
    # Before it is opened: a pipe would wait for its other end for ever.
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        # `predict` takes the images in a folder; here it has none.
        kind = "a folder without images" if stat.S_ISDIR(status.st_mode) else "a pipe or a device, not a file"
        raise ValueError(f"it is {kind}")


def _open(file: BinaryIO) -> ImageFile:
    """Read what a file says of its image, and no pixels yet."""
    from PIL import Image

    count = file.seek(0, os.SEEK_END)
    if count > MOST_BYTES:
        raise ValueError(f"it has {count:,} bytes, more than {MOST_BYTES:,}")
    file.seek(0)
    head = file.read(LONGEST_PPM_HEADER)
    if re.match(rb"P[0-6fy]", head) and not PPM_HEADER.match(head):
        raise ValueError("it is none of the binary forms of PPM, or has a long comment")
    file.seek(0)
    with _filtering, warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        return Image.open(file, formats=tuple(FORMATS))


def _prepare(picture: ImageFile, size: tuple[int, int], crop: Crop | None) -> Picture:
    from PIL import Image, ImageOps
    from PIL.TiffImagePlugin import TiffImageFile

    stored = picture.width * picture.height
    if stored > MOST_PIXELS:
        # Only the decoder of JPEG heeds it.
        picture.draft(None, (JPEG_GAP * max(size),) * 2)
    # A TIFF file's decoder takes a whole tile, which may be larger than the image.
    tile = math.prod(picture.tag_v2.get(tag, 1) for tag in TILE_TAGS) if isinstance(picture, TiffImageFile) else 0
    if max(picture.width * picture.height, stored / 2, tile) > MOST_PIXELS:
        raise ValueError(TOO_LARGE)
    wide = picture.mode.startswith(("I", "F"))
    if wide and not _has_16_bits(picture):
        raise ValueError(
            f"the range of its pixels, of Pillow's mode {picture.mode}, is not known; store it with 8 bits"
        )
    picture.load()
    # What describes an image may be damaged where its pixels are not.
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(picture, in_place=True)
    upright = _upper_8_bits(picture) if wide else picture
    mode = "RGBA" if upright.has_transparency_data else "RGB"
    fitted = _fit(upright if upright.mode == mode else upright.convert(mode), size, crop)
    if mode == "RGB":
        return fitted
    return Image.alpha_composite(Image.new(mode, fitted.size, "white"), fitted).convert("RGB")


def _has_16_bits(picture: Picture) -> bool:
    if picture.format == "TIFF":
        # Pillow gives 12 bits in 16 too.
        return picture.mode.startswith("I;16") and picture.getexif().get(BITS_TAG) == 16
    # Pillow's mode I holds 16 bits of PNG and PGM files.
    return picture.mode != "F"


def _upper_8_bits(picture: Picture) -> Picture:
    """Gray of 16 bits, which Pillow would clip at 255 instead."""
    gray = picture.convert("I").point([value >> 8 for value in range(2**16)], "L")
    # A transparent gray of 16 bits is none of the grays that are left.
    gray.info.pop("transparency", None)
    return gray


def _fit(picture: Picture, size: tuple[int, int], crop: Crop | None = None) -> Picture:
    from PIL import Image, ImageOps

    wanted = size[::-1]
    if crop is not None:
        return picture.resize(wanted, Image.Resampling.BICUBIC, box=crop(picture.size))
    return picture if picture.size == wanted else ImageOps.fit(picture, wanted, Image.Resampling.BICUBIC)
