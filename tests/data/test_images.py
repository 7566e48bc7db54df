"""Decoding images: what Pillow reads well is left to it, and what it reads badly is mended or refused."""

import io
import os
import signal
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from recurzoo.data import images
from recurzoo.data.images import FORMATS, IMAGE_SUFFIXES, decode

GRAY = np.arange(64, dtype="uint16").reshape(8, 8) * 1000
COLORS = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype("uint8")
LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
WHITE, RED = (255, 255, 255), (200, 10, 20)


def written(picture, kind, **options):
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def pixel(picture, kind="PNG", **options):
    """The color that the first pixel of an image has once it is stored and decoded."""
    content = written(picture, kind, **options)
    return tuple(decode(content, (picture.height, picture.width))[0, 0].tolist())


PNG = written(GRAY.astype("uint8"), "PNG")
# Of its only chunk of pixels.
LENGTH = PNG[PNG.index(b"IDAT") - 4 : PNG.index(b"IDAT")]


@pytest.fixture
def in_time():
    """What would wait for ever is interrupted."""
    before = signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it waits"))
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_formats_that_are_read(tmp_path, kind):
    picture = Image.new("RGB", (16, 16), RED)
    for suffix in FORMATS[kind]:
        # Whatever the file's name, its content says what it is.
        for name in (f"x{suffix.upper()}", "x.png"):
            (tmp_path / name).write_bytes(written(picture, kind))
            assert np.abs(decode(tmp_path / name, (16, 16)).astype(int) - RED).max() <= 3
    assert {".jpg", ".jfif", ".png", ".pgm"} < IMAGE_SUFFIXES


@pytest.mark.parametrize("kind", ["EPS", "ICO", "PCX", "JPEG2000", "TGA", "SGI", "IM", "DDS"])
def test_other_formats_that_pillow_knows_are_never_tried(kind):
    content = written(Image.new("RGB", (16, 16), RED), kind)
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.size == (16, 16)
    with pytest.raises(ValueError, match=r"none of JPEG, PNG.*Received: [\d,]+ bytes"):
        decode(content, (16, 16))


def test_postscript_starts_no_program(tmp_path, monkeypatch):
    for name in ("gs", "gswin32c"):
        (tmp_path / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "e.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n")
    with pytest.raises(ValueError, match="none of JPEG"):
        decode(tmp_path / "e.jpg", (8, 8))
    assert not (tmp_path / "started").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name")
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link"])
def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path, kind, in_time):
    path = tmp_path / "x.jpg"
    if kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path if kind == "pipe" else tmp_path / "pipe")
        if kind == "link":
            path.symlink_to(tmp_path / "pipe")
    with pytest.raises(ValueError, match=rf"a folder|a pipe or a device.*Received: .*{path.name}"):
        decode(path, (8, 8))


def tiff_tile(side):
    """An image of 16x16 pixels in one tile of `side` squared."""
    packer = zlib.compressobj(1)
    pixels = b"".join(packer.compress(bytes(side)) for _ in range(side)) + packer.flush()
    rows = [(256, 16), (257, 16), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    start = 8 + 2 + 12 * (len(rows) + 2) + 4
    rows += [(324, start), (325, len(pixels))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in rows)
    return b"II*\0" + struct.pack("<IH", 8, len(rows)) + entries + struct.pack("<I", 0) + pixels


def wide_png():
    return written(Image.new("L", (13_300, 13_300)), "PNG")


MEASURE = """
import resource, sys, time
from pathlib import Path
from PIL import Image
from recurzoo.data.images import decode
Image.init()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before, start = peak(), time.monotonic()
try:
    decode(Path(sys.argv[1]), (32, 32))
    print("decoded")
except ValueError as error:
    print(str(error).splitlines()[0])
print(peak() - before, time.monotonic() - start)
"""


def measured(path):
    """What decoding a file prints, and the memory and time it takes; in a process of its own."""
    run = subprocess.run([sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True)
    outcome, figures = run.stdout.splitlines()
    assert run.stderr == ""
    memory, seconds = map(float, figures.split())
    assert memory < 2**30
    return outcome, seconds


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
@pytest.mark.parametrize("make", [wide_png, lambda: tiff_tile(12_000), lambda: b"P6 8000 8000 255\n"])
def test_small_files_of_large_images_take_bounded_memory_and_time(tmp_path, make):
    (tmp_path / "x.png").write_bytes(make())
    outcome, seconds = measured(tmp_path / "x.png")
    assert outcome.startswith("This is not an image that can be read: ")
    assert seconds < 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems count memory otherwise")
@pytest.mark.parametrize(
    ("kind", "mode", "options"),
    [
        ("PNG", "RGBA", {}),
        ("PNG", "I;16", {}),
        ("JPEG", "CMYK", {"progressive": True, "subsampling": 0}),
        ("TIFF", "RGB", {"compression": "tiff_deflate"}),
        ("GIF", "P", {}),
    ],
)
def test_the_largest_images_that_are_read_take_a_gigabyte_at_most(tmp_path, kind, mode, options):
    Image.new(mode, (8192, 8192)).save(tmp_path / "x", kind, **options)
    outcome, _ = measured(tmp_path / "x")
    assert outcome == "decoded"


def test_a_large_jpeg_is_shrunk_while_it_is_decoded(monkeypatch):
    monkeypatch.setattr(images, "MOST_PIXELS", 64 * 64)
    left, right = (Image.new("RGB", (40, 80), color) for color in (RED, WHITE))
    picture = Image.new("RGB", (80, 80))
    picture.paste(left, (0, 0))
    picture.paste(right, (40, 0))
    got = decode(written(picture, "JPEG", quality=100), (8, 8)).astype(int)
    assert np.abs(got[:, :3] - RED).max() < 8
    assert np.abs(got[:, 5:] - WHITE).max() < 8
    for content, size in (
        (written(picture, "PNG"), (8, 8)),
        # One that would not be shrunk enough, and one of more than twice as many pixels.
        (written(picture, "JPEG"), (80, 80)),
        (written(picture.resize((120, 120)), "JPEG"), (8, 8)),
    ):
        with pytest.raises(ValueError, match=r"more than .* pixels; scale it down"):
            decode(content, size)


def test_huge_sparse_files_are_refused_by_their_size(tmp_path):
    with (tmp_path / "x.png").open("wb") as file:
        file.write(PNG[:40])
        file.truncate(3 * 10**9)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"3,000,000,000 bytes, more than"):
        decode(tmp_path / "x.png", (8, 8))
    assert time.monotonic() - start < 1


def test_bytes_are_bounded_like_files(monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", len(PNG) - 1)
    with pytest.raises(ValueError, match="bytes, more than"):
        decode(PNG, (8, 8))


@pytest.mark.parametrize(
    "head", [b"P6 #" + b"x" * 10**7, b"P6" + b"#\n" * 10**6, b"P3 2 1 255\n1 2 3 4 5 6", b"Pf 1 1 1\n"]
)
def test_pnm_files_that_take_minutes_are_none(head):
    with pytest.raises(ValueError, match="binary forms of PPM"):
        decode(head, (8, 8))


def test_a_comment_in_a_ppm_file_is_skipped():
    content = written(COLORS, "PPM").replace(b"P6\n", b"P6\n# by a program\n# of 6 4\n", 1)
    np.testing.assert_array_equal(decode(content, (4, 6)), COLORS)


# What a viewer does with the stored pixels (EXIF 2.3, tag 0x0112).
TURNS = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("kind", [*LOSSLESS, "JPEG"])
def test_images_stand_upright(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    wanted = TURNS[orientation](COLORS)
    content = written(COLORS, kind, exif=exif, **LOSSLESS.get(kind, {"quality": 100, "subsampling": 0}))
    got = decode(content, wanted.shape[:2])
    np.testing.assert_allclose(got, wanted.astype(int), atol=3 if kind == "JPEG" else 0)


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"\0" * 50, b"Exif\0\0" + b"x" * 99]
)
def test_damaged_exif_costs_no_image(exif):
    np.testing.assert_array_equal(decode(written(COLORS, "PNG", exif=exif), (4, 6)), COLORS)


def test_transparent_pixels_are_on_white():
    clear, half = Image.new("RGBA", (4, 4), (*RED, 0)), Image.new("RGBA", (4, 4), (*RED, 51))
    for kind, options in LOSSLESS.items():
        assert pixel(clear, kind, **options) == WHITE
        # 51 of 255 is a fifth.
        assert pixel(half, kind, **options) == pytest.approx([0.2 * c + 0.8 * 255 for c in RED], abs=1)
    assert pixel(Image.new("LA", (4, 4), (40, 51))) == pytest.approx([0.2 * 40 + 0.8 * 255] * 3, abs=1)
    # The key of a palette, of gray and of color.
    palette = Image.new("P", (4, 4), 7)
    palette.putpalette([*RED] * 256)
    assert pixel(palette) == RED
    assert pixel(palette, transparency=7) == pixel(palette, "GIF", transparency=7) == WHITE
    assert pixel(Image.new("L", (4, 4), 40), transparency=40) == WHITE
    assert pixel(Image.new("RGB", (4, 4), RED), transparency=RED) == WHITE
    assert pixel(Image.new("RGB", (4, 4), RED), transparency=(1, 2, 3)) == RED


def test_images_that_look_alike_are_alike():
    alpha = np.random.default_rng(1).integers(0, 2, (32, 32, 1)).astype("uint8") * 255
    shown = np.random.default_rng(2).integers(0, 256, (32, 32, 3)).astype("uint8")
    # Other colors under what is transparent, also where it is resized.
    first, second = (np.concatenate([np.where(alpha > 0, shown, hidden), alpha], 2) for hidden in (0, 255))
    for size in ((32, 32), (8, 8)):
        got = [decode(written(pixels.astype("uint8"), "PNG"), size) for pixels in (first, second)]
        np.testing.assert_array_equal(*got)


def test_colors_of_other_kinds():
    palette = Image.fromarray(COLORS).quantize(24)
    np.testing.assert_array_equal(decode(written(palette, "PNG"), (4, 6)), COLORS)
    assert pixel(Image.new("1", (4, 4), 1)) == WHITE
    inks = {
        (0, 0, 0, 0): WHITE,
        (0, 0, 0, 255): (0, 0, 0),
        (255, 0, 0, 0): (0, 255, 255),
        (0, 255, 255, 0): (255, 0, 0),
    }
    for ink, color in inks.items():
        assert pixel(Image.new("CMYK", (4, 4), ink), "TIFF") == color
        got = pixel(Image.new("CMYK", (8, 8), ink), "JPEG", quality=100)
        assert got == pytest.approx(color, abs=3)


@pytest.mark.parametrize(("kind", "options"), [*LOSSLESS.items(), ("GIF", {}), ("MPO", {"quality": 100})])
def test_the_first_of_several_frames(kind, options):
    # MPO: two JPEG images in a file, as some phones write them.
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, WHITE)]
    got = pixel(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert got == pytest.approx(RED, abs=3 if kind == "MPO" else 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_gray_of_16_bits_keeps_its_upper_8(kind):
    got = decode(written(GRAY, kind), (8, 8))
    np.testing.assert_array_equal(got, np.stack([GRAY // 256] * 3, axis=2))
    assert got.dtype == np.uint8


def test_gray_of_16_bits_of_either_byte_order():
    stored = Image.frombytes("I;16B", (8, 8), GRAY.astype(">u2").tobytes())
    np.testing.assert_array_equal(decode(written(stored, "TIFF"), (8, 8))[..., 0], GRAY // 256)


def test_a_transparent_gray_of_16_bits_is_no_gray_of_8():
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"tRNS", struct.pack(">H", 1000))
    got = decode(written(Image.fromarray(GRAY), "PNG", pnginfo=chunk), (8, 8))
    np.testing.assert_array_equal(got[..., 0], GRAY // 256)


@pytest.mark.parametrize("bits", ["int32", "float32", 12])
def test_pixels_of_unknown_range_are_refused(bits):
    if bits == 12:
        entry = struct.Struct("<HHII")
        file = written(GRAY, "TIFF").replace(entry.pack(258, 3, 1, 16), entry.pack(258, 3, 1, 12))
    else:
        file = written(GRAY.astype(bits), "TIFF")
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
        ("empty.jpg", b""),
    ],
)
def test_a_damaged_file_is_named(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"not an image that can be read: .*Received: .*{name}"):
        decode(tmp_path / name, (8, 8))


@pytest.mark.parametrize("name", ["\x1b[31mred.png", "two\nlines.png", "\u202egnp.exe", b"\xff\xfe.png"])
def test_names_of_files_are_escaped(tmp_path, name):
    path = os.path.join(tmp_path, os.fsdecode(name))
    for make in (lambda: None, lambda: open(path, "wb").close()):
        make()
        with pytest.raises(ValueError, match="Received: ") as caught:
            decode(path, (8, 8))
        assert str(caught.value).isprintable()


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="There is no such image"):
        decode(tmp_path / "a.png", (8, 8))
