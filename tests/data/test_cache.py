"""Decoded images in the cache: never another folder's, never damaged ones, and nothing fails without a cache."""

import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recurzoo.data import cache, stored_images
from recurzoo.data.sets import load_data
from tests.support.class_folders import write_folder

SIZE = (8, 8)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RECURZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def decoded(monkeypatch):
    """The paths that were decoded, not taken from the cache."""
    paths = []
    decode = stored_images.decode
    monkeypatch.setattr(stored_images, "decode", lambda path, *words: paths.append(path) or decode(path, *words))
    return paths


def aged(root, seconds=100):
    """The files of a folder as if they were written some time ago."""
    when = time.time_ns() - seconds * 10**9
    for path in root.rglob("*.png"):
        os.utime(path, ns=(when, when))
    return root


@pytest.fixture
def root(tmp_path):
    return aged(write_folder(tmp_path / "set"))


def read(root):
    return load_data(str(root), SIZE, train=False).test.images


def stored(root):
    """The oracle: the images of the test folder as Pillow alone reads them."""
    return np.stack([np.asarray(Image.open(path)) for path in sorted(root.glob("test/*/*.png"))])


def test_images_are_decoded_once(root, folder, decoded):
    first = read(root)
    assert len(decoded) == 4
    second = read(root)
    assert len(decoded) == 4
    for images in (first, second):
        np.testing.assert_array_equal(images, stored(root))
        # As an array of one's own.
        assert images.flags.writeable
    (file,) = folder.iterdir()
    assert file.stat().st_size == 32 + first.nbytes
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_folders_of_equal_paths_sizes_and_times(tmp_path, folder, monkeypatch):
    for name in "AB":
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (8, 8, 3)).astype("uint8")
        for part in ("train", "test"):
            (tmp_path / name / "data" / part / "cat").mkdir(parents=True)
            # Without compression, all files are equally long.
            Image.fromarray(pixels).save(tmp_path / name / "data" / part / "cat" / "0.png", compress_level=0)
    when = time.time_ns() - 10**11
    files = [path for name in "AB" for path in (tmp_path / name).rglob("*.png")]
    for path in files:
        os.utime(path, ns=(when, when))
    assert len({(path.stat().st_size, path.stat().st_mtime_ns) for path in files}) == 1
    for name in "ABAB":
        monkeypatch.chdir(tmp_path / name)
        np.testing.assert_array_equal(read(Path("data")), stored(tmp_path / name / "data"))


def test_a_folder_in_the_place_of_another(tmp_path, folder, root):
    before = read(root)
    other = shutil.copytree(root, tmp_path / "other")
    for path in other.glob("test/*/*.png"):
        pixels = 255 - np.asarray(Image.open(path))
        Image.fromarray(pixels).save(path, compress_level=0)
        os.truncate(path, max(path.stat().st_size, (root / path.relative_to(other)).stat().st_size))
    aged(other)
    shutil.move(root, tmp_path / "gone")
    shutil.move(other, root)
    after = read(root)
    np.testing.assert_array_equal(after, stored(root))
    assert not np.array_equal(before, after)


def test_a_file_rewritten_in_place_with_its_size_and_time(root, folder):
    path = root / "test" / "cat" / "0.png"
    Image.fromarray(np.zeros((8, 8, 3), "uint8")).save(path, compress_level=0)
    aged(root)
    before = path.stat()
    assert read(root)[0].max() == 0
    with path.open("r+b") as file:
        Image.fromarray(np.full((8, 8, 3), 255, "uint8")).save(file, "PNG", compress_level=0)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert read(root)[0].min() == 255


def test_files_written_just_now_are_not_cached(root, folder, decoded):
    os.utime(root / "test" / "dog" / "1.png")
    read(root)
    read(root)
    assert len(decoded) == 8
    assert not folder.exists() or list(folder.iterdir()) == []


def planted(file, other):
    """Ways in which a cached file may be no longer what was written."""
    content = file.read_bytes()
    yield lambda: file.write_bytes(b"")
    yield lambda: file.write_bytes(content[:-1])
    yield lambda: file.write_bytes(content[:20])
    yield lambda: file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    yield lambda: file.write_bytes(bytes(len(content)))
    yield lambda: shutil.copy(other, file)
    yield lambda: (file.unlink(), os.mkfifo(file))
    yield lambda: (file.unlink(), file.symlink_to("/dev/zero"))


def test_what_is_not_as_written_is_not_believed(tmp_path, root, folder, decoded):
    other = aged(write_folder(tmp_path / "other", classes=("x", "y")))
    read(other)
    (other_file,) = folder.iterdir()
    read(root)
    (file,) = set(folder.iterdir()) - {other_file}
    for plant in planted(file, other_file):
        plant()
        decoded.clear()
        np.testing.assert_array_equal(read(root), stored(root))
        assert len(decoded) == 4
        # It was replaced by the right one.
        np.testing.assert_array_equal(read(root), stored(root))
        assert len(decoded) == 4
    file.unlink()
    file.mkdir()
    (file / "x").write_text("mine")
    np.testing.assert_array_equal(read(root), stored(root))


def test_what_the_pixels_depend_on(root, folder, decoded, monkeypatch):
    read(root)
    load_data(str(root), (6, 6), train=False)
    monkeypatch.setattr(cache, "DECODER_VERSION", cache.DECODER_VERSION + 1)
    read(root)
    monkeypatch.setattr("PIL.__version__", "0.0")
    read(root)
    assert len(decoded) == 16
    read(root)
    assert len(decoded) == 16


def test_off(root, folder, decoded, monkeypatch):
    monkeypatch.setenv("RECURZOO_CACHE", "off")
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: pytest.fail("it was asked for"))
    read(root)
    read(root)
    assert len(decoded) == 8


def test_by_default_it_is_the_users_own(tmp_path, root, decoded, monkeypatch):
    monkeypatch.delenv("RECURZOO_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "home" / name)
    read(root)
    read(root)
    assert len(decoded) == 4
    folder = tmp_path / "home" / "recurzoo" / "images"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_without_a_home_none_is_made(tmp_path, root, decoded, monkeypatch):
    monkeypatch.delenv("RECURZOO_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: Path("~/.cache") / name)
    monkeypatch.chdir(tmp_path)
    read(root)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


@pytest.mark.parametrize("kind", ["file", "below a file", "no such user"])
def test_a_folder_that_cannot_be_made(tmp_path, root, monkeypatch, kind):
    (tmp_path / "file").write_text("mine")
    places = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "x", "no such user": "~nobody-here/x"}
    monkeypatch.setenv("RECURZOO_CACHE", str(places[kind]))
    np.testing.assert_array_equal(read(root), stored(root))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="there are no owners")
@pytest.mark.parametrize("kind", ["another's", "open to others", "link"])
def test_a_folder_that_is_not_ours_alone_is_not_used(tmp_path, root, folder, decoded, monkeypatch, kind):
    read(root)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    if kind == "another's":
        uid = os.getuid()
        monkeypatch.setattr(os, "getuid", lambda: uid + 1)
    elif kind == "open to others":
        folder.chmod(0o777)
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
        before = {tmp_path / "elsewhere" / path.name: when for path, when in before.items()}
    np.testing.assert_array_equal(read(root), stored(root))
    assert len(decoded) == 8
    assert {path: path.stat().st_mtime_ns for path in next(iter(before)).parent.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="there are no limits")
def test_a_full_disk_leaves_nothing_and_fails_nothing(root, folder):
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        np.testing.assert_array_equal(read(root), stored(root))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(folder.iterdir()) == []


def test_it_is_bounded_and_the_least_recently_used_goes_first(tmp_path, folder, decoded, monkeypatch):
    roots = [aged(write_folder(tmp_path / name)) for name in "abc"]
    entry = 32 + 4 * 8 * 8 * 3
    monkeypatch.setattr(cache, "MOST_BYTES", 2 * entry + entry // 2)
    files = []
    for root in roots[:2]:
        read(root)
        files.append(next(path for path in folder.iterdir() if path not in files))
        os.utime(files[-1], ns=(10**18, 10**18 + len(files)))
    # A user's own file, and what a killed process left.
    (folder / "thesis.txt").write_text("mine")
    (folder / f".{'0' * 64}.pixels.12345678.partial").write_bytes(bytes(100))
    os.utime(folder / f".{'0' * 64}.pixels.12345678.partial", ns=(10**17, 10**17))
    # Used again, so that the second is now the oldest.
    read(roots[0])
    read(roots[2])
    assert files[0].exists()
    assert not files[1].exists()
    assert (folder / "thesis.txt").exists()
    assert sum(path.stat().st_size for path in folder.glob("*.pixels*")) == 2 * entry
    monkeypatch.setattr(cache, "MOST_BYTES", 10)
    decoded.clear()
    write_folder(tmp_path / "d")
    read(aged(tmp_path / "d"))
    assert files[0].exists()
    assert len(decoded) == 4
