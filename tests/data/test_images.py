"""Decoding images: what Pillow reads well is left to it, and what it reads badly is mended or refused."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from recurzoo.data.images import decode

GREY = np.arange(64, dtype="uint16").reshape(8, 8) * 1000


def written(pixels, kind):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


PNG = written(GREY.astype("uint8"), "PNG")
# Of its only chunk of pixels.
LENGTH = PNG[PNG.index(b"IDAT") - 4 : PNG.index(b"IDAT")]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_grey_of_16_bits_keeps_its_upper_8(kind):
    got = decode(written(GREY, kind), (8, 8))
    np.testing.assert_array_equal(got, np.stack([GREY // 256] * 3, axis=2))
    assert got.dtype == np.uint8


@pytest.mark.parametrize("bits", ["int32", "float32", 12])
def test_pixels_of_unknown_range_are_refused(bits):
    if bits == 12:
        entry = struct.Struct("<HHII")
        file = written(GREY, "TIFF").replace(entry.pack(258, 3, 1, 16), entry.pack(258, 3, 1, 12))
    else:
        file = written(GREY.astype(bits), "TIFF")
    with pytest.raises(ValueError, match=r"range of its pixels.*not known; store it with 8 bits\. Received: \d+ bytes"):
        decode(file, (8, 8))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("word.ppm", b"P3\n2 2\n255\n0 0 0 x 0 0 0 0 0 0 0 0"),
        ("short.ppm", b"P6\n2"),
        ("chunk.png", PNG.replace(LENGTH, struct.pack(">I", struct.unpack(">I", LENGTH)[0] // 2))),
        ("cut.png", PNG[:60]),
        ("text.jpg", b"no image"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"not an image that can be read: .*Received: .*{name}"):
        decode(tmp_path / name, (8, 8))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="There is no such image"):
        decode(tmp_path / "a.png", (8, 8))
