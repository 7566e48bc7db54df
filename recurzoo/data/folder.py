"""Class folders, `train/CLASS/...` and `test/CLASS/...`, as people have them; docs/data.md has the rules as a table."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from recurzoo.base.documents import one_line, printable
from recurzoo.data.cache import decode_files
from recurzoo.data.image_data import ImageData, Split, normalized, spread
from recurzoo.data.images import IMAGE_SUFFIXES
from recurzoo.data.stored_images import StoredImages, fits_in_memory

TEST_FOLDERS = ("test", "val", "validation", "valid")
# Of what was skipped, and of names in an error.
MOST_SHOWN = 10


def read_folder(
    words: str, size: tuple[int, int], train: bool = True, limit: int | None = None, stored: bool = False
) -> ImageData:
    """Read the images of a folder; what in it is no image is skipped, and a warning says what that was.

    Args:
        words: the folder's path.
        size: as `load_data` has it.
        train: as `load_data` has it.
        limit: as `load_data` has it.
        stored: as `load_data` has it.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: if there is no such folder, it has other folders than expected, or an image cannot be read.
    """
    root = Path(words)
    if not root.is_dir():
        raise ValueError(
            "Data is tfds:NAME, digits, or a folder with train/CLASS/ and test/CLASS/ inside. "
            f"Received: {words!r}, which is no folder"
        )
    test_root = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
    if test_root is None or (train and not (root / "train").is_dir()):
        found = sorted(child.name for child in root.iterdir())[:MOST_SHOWN]
        raise ValueError(
            f"A data folder holds train/CLASS/ and test/CLASS/ (or {', '.join(TEST_FOLDERS[1:])}). "
            f"Received: {words!r}, which has {found}"
        )
    skipped: Counter[str] = Counter()
    places = [root / "train", test_root] if train else [test_root]
    parts = [
        {name: find_images(folder, skipped) for name, folder in _class_folders(place, skipped).items()}
        for place in places
    ]
    warn_of_skipped(words, skipped)
    class_names = tuple(parts[-1])
    if tuple(parts[0]) != class_names:
        raise ValueError(
            f"train/ and {test_root.name}/ must hold the same classes. Received: {len(parts[0])} and "
            f"{len(class_names)} classes in {words!r}, not in both: "
            f"{sorted(set(parts[0]) ^ set(class_names))[:MOST_SHOWN]}"
        )
    for place, files in zip(places, parts, strict=True):
        empty = [name for name in class_names if not files[name]]
        if empty == list(class_names):
            raise ValueError(f"A data folder's class folders hold images. Received: none in {str(place)!r}")
        if empty and place != test_root:
            raise ValueError(
                f"Every class has training images. Received: none of {empty[:MOST_SHOWN]} in {words!r}; remove "
                "folders that are no classes"
            )
        if empty:
            text = one_line(", ".join(empty))
            logging.getLogger("recurzoo").warning("%d classes have no test images in %r: %s.", len(empty), words, text)
    source = f"image folder {printable(root.resolve().name)}"
    train_split = _read(parts[0], size, stored=stored) if train else Split.empty(size)
    return ImageData(source, class_names, train_split, _read(parts[-1], size, limit))


def find_images(folder: Path, skipped: Counter[str]) -> list[Path]:
    """The images in a folder and in the folders in it, in order of name, a folder's own before those of its folders.

    Links are followed, but each folder is visited once, so that links in a circle come to an end.

    Args:
        folder: path.
        skipped: counts what is no image, by what it is instead.

    Returns:
        The images' paths.

    Raises:
        OSError: if a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    images: list[Path] = []
    visited = set()
    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        state = os.stat(place)
        if (state.st_dev, state.st_ino) in visited:
            skipped["folders found twice, through links"] += 1
            folders.clear()
            continue
        visited.add((state.st_dev, state.st_ino))
        shown = [name for name in sorted(folders) if not _is_hidden(name)]
        skipped["hidden"] += len(folders) - len(shown)
        folders[:] = shown
        for path in (Path(place, name) for name in sorted(files)):
            if kind := _kind_of_no_image(path):
                skipped[kind] += 1
            else:
                images.append(path)
    return images


def warn_of_skipped(words: str, skipped: Counter[str]) -> None:
    """Say once what was skipped in a folder, the most frequent kinds first."""
    if counts := [f"{count:,} {kind}" for kind, count in skipped.most_common() if count]:
        more = [f"and {len(counts) - MOST_SHOWN} more kinds"] if len(counts) > MOST_SHOWN else []
        text = ", ".join(counts[:MOST_SHOWN] + more)
        logging.getLogger("recurzoo").warning("Skipped in %r, as no images: %s.", words, text)


def _kind_of_no_image(path: Path) -> str | None:
    if _is_hidden(path.name):
        return "hidden"
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        return one_line(path.suffix.lower(), 20) or "without an ending"
    return None if path.is_file() else "no regular files"


def _is_hidden(name: str) -> bool:
    # The second is what archives made on a Mac hold beside the images.
    return name.startswith(".") or name == "__MACOSX"


def _class_folders(part: Path, skipped: Counter[str]) -> dict[str, Path]:
    """The class folders of one part by the classes' names, in order of name."""
    folders: dict[str, Path] = {}
    for path in sorted(part.iterdir()):
        if _is_hidden(path.name) or not path.is_dir():
            skipped["hidden" if _is_hidden(path.name) else "outside of class folders"] += 1
            continue
        name = normalized(path.name)
        if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
            raise ValueError(
                f"The name of a class has no control characters and is valid UTF-8. Received: {path.name!r} in "
                f"{str(part)!r}"
            )
        if name in folders:
            raise ValueError(
                f"Two class folders have one name, written in two forms of Unicode. Received: {name!r} in "
                f"{str(part)!r}; put their images into one"
            )
        folders[name] = path
    if not folders:
        raise ValueError(f"A data folder has a folder for each class. Received: none in {str(part)!r}")
    return dict(sorted(folders.items()))


def _read(files: dict[str, list[Path]], size: tuple[int, int], limit: int | None = None, stored: bool = False) -> Split:
    paths = [path for images in files.values() for path in images]
    labels = np.repeat(np.arange(len(files), dtype="int32"), [len(images) for images in files.values()])
    chosen = spread(labels, limit)
    images = StoredImages([paths[place] for place in chosen], size)
    return Split(images if stored or not fits_in_memory(images) else decode_files(images), labels[chosen])
