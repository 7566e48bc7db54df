"""Images to train and test on: a folder, a TensorFlow data set, or scikit-learn's digits, as uint8 arrays."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from recurzoo.base.files import draft
from recurzoo.data.images import IMAGE_SUFFIXES, decode, resize

JPEG_NOTE = "decoded from JPEG files: a lossy copy, where the originals are not JPEG"
TEST_FOLDERS = ("test", "val", "validation")


@dataclass(frozen=True)
class Split:
    """Images of one part of a data set.

    Attributes:
        images: uint8 array `(images, height, width, 3)`.
        labels: int array `(images,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of pixels, shape and labels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(self.labels.astype("<i4").tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageData:
    """A data set for image classification.

    Attributes:
        source: what it was read from, in words that hold on any machine.
        class_names: names of the classes, in the order of the labels.
        train: training images; none at all if only the test images were asked for.
        test: test images.
        note: what stands between these images and the original ones, if anything does.
    """

    source: str
    class_names: tuple[str, ...]
    train: Split
    test: Split
    note: str | None = None

    def relabelled(self, class_names: Iterable[str]) -> ImageData:
        """The same images with labels in another order of the same classes; in their own, if no names are given.

        Raises:
            ValueError: if the classes are not the same.
        """
        wanted = tuple(class_names) or self.class_names
        if set(wanted) != set(self.class_names):
            missing, extra = sorted(set(wanted) - set(self.class_names)), sorted(set(self.class_names) - set(wanted))
            raise ValueError(
                f"The data's classes are not the checkpoint's: it lacks {missing or 'none'} and has {extra or 'none'} "
                f"more. Received: {self.source}; rename its folders, or load a new head with num_classes"
            )
        order = np.array([wanted.index(name) for name in self.class_names])
        train, test = (replace(split, labels=order[split.labels]) for split in (self.train, self.test))
        return replace(self, class_names=wanted, train=train, test=test)


def load_data(words: str, size: tuple[int, int], train: bool = True, limit: int | None = None) -> ImageData:
    """Read a data set into memory.

    Args:
        words: `tfds:NAME`, `digits`, or a folder with `train/CLASS/...` and `test/CLASS/...` (or `val`, `validation`).
        size: `(height, width)` that images of another size are resized and cropped to.
        train: bool, whether the training images are wanted too.
        limit: int, how many test images to decode at most, of each class its share; None for all.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: if the data set is not there, or not of the expected form.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"A limit is at least one image. Received: {limit}")
    if words == "digits":
        return _digits(size, train, limit)
    if words.startswith("tfds:"):
        return _tensorflow_dataset(words.removeprefix("tfds:"), size, train, limit)
    return _folder(Path(words), size, train, limit)


def spread(labels: Sequence[int] | np.ndarray, limit: int | None) -> np.ndarray:
    """The places of at most so many images, of each class its share, in their order."""
    count = len(labels)
    if limit is None or limit >= count:
        return np.arange(count)
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.arange(limit) * count // limit])


def _nothing(size: tuple[int, int]) -> Split:
    return Split(np.zeros((0, *size, 3), "uint8"), np.zeros(0, "int32"))


def _folder(root: Path, size: tuple[int, int], train: bool, limit: int | None) -> ImageData:
    if not root.is_dir():
        raise ValueError(
            "Data is tfds:NAME, digits, or a folder with train/CLASS/ and test/CLASS/ inside. "
            f"Received: {str(root)!r}, which is no folder"
        )
    test_root = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
    if test_root is None or (train and not (root / "train").is_dir()):
        found = sorted(child.name for child in root.iterdir())[:10]
        raise ValueError(
            "A data folder holds train/CLASS/ and test/CLASS/ (or val, validation). "
            f"Received: {str(root)!r}, which has {found}"
        )
    class_names = tuple(sorted(child.name for child in test_root.iterdir() if child.is_dir()))
    if train:
        in_train = tuple(sorted(child.name for child in (root / "train").iterdir() if child.is_dir()))
        if in_train != class_names:
            raise ValueError(
                "train/ and the test folder must hold the same classes. "
                f"Received: {len(in_train)} and {len(class_names)} classes in {str(root)!r}, "
                f"not in both: {sorted(set(in_train) ^ set(class_names))[:10]}"
            )

    def read(folder: Path, limit: int | None = None) -> Split:
        files = [
            (path, label)
            for label, name in enumerate(class_names)
            for path in sorted((folder / name).iterdir())
            if path.suffix.lower() in IMAGE_SUFFIXES
        ]
        if not files:
            raise ValueError(f"A data folder's class folders hold images. Received: none in {str(folder)!r}")
        labels = np.array([label for _, label in files], "int32")
        chosen = spread(labels, limit)
        return Split(_decoded_once([files[place][0] for place in chosen], size), labels[chosen])

    train_split = read(root / "train") if train else _nothing(size)
    lossy = any(test_root.glob("*/*.[jJ][pP]*[gG]"))
    source = f"image folder {root.resolve().name}"
    return ImageData(source, class_names, train_split, read(test_root, limit), JPEG_NOTE if lossy else None)


def _decoded_once(paths: list[Path], size: tuple[int, int]) -> np.ndarray:
    """Decode images, or take them from an earlier run's array in the temporary folder."""
    digest = hashlib.sha256(repr(size).encode())
    for path in paths:
        state = path.stat()
        digest.update(f"{path}|{state.st_size}|{state.st_mtime_ns}\n".encode())
    folder = Path(tempfile.gettempdir()) / f"recurzoo-images-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    cached = folder / f"{digest.hexdigest()}.npy"
    if cached.is_file():
        return np.load(cached, allow_pickle=False)
    images = np.stack([decode(path, size) for path in paths])
    with draft(cached) as partial, partial.open("wb") as file:
        np.save(file, images, allow_pickle=False)
    return images


def _digits(size: tuple[int, int], train: bool, limit: int | None) -> ImageData:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype("uint8")
    parts = train_test_split(
        np.stack([resize(np.repeat(image[..., None], 3, axis=2), size) for image in grey]),
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
        Split(parts[0], parts[2]) if train else _nothing(size),
        Split(parts[1][chosen], parts[3][chosen]),
    )


def _tensorflow_dataset(name: str, size: tuple[int, int], train: bool, limit: int | None) -> ImageData:
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
        if not {"image", "label"} <= set(builder.info.features or ()):
            raise ValueError(f"A TensorFlow data set must have images and labels. Received: {name!r}")
        builder.download_and_prepare()
    except tfds.core.DatasetNotFoundError:
        raise ValueError(f"TensorFlow Datasets has no data set of this name. Received: {name!r}") from None
    splits = builder.info.splits
    test = next((part for part in TEST_FOLDERS if part in splits and splits[part].num_examples), None)
    if test is None or (train and "train" not in splits):
        raise ValueError(
            f"A TensorFlow data set needs the splits train and test. Received: {name!r} with {sorted(splits)}"
        )

    def read(part: str, limit: int | None = None) -> Split:
        # Undecoded, so that Pillow decodes these images as it does all others.
        skip = {"image": tfds.decode.SkipDecoding()}
        examples = list(tfds.as_numpy(builder.as_dataset(split=part, decoders=skip)))
        labels = np.array([example["label"] for example in examples], "int32")
        chosen = spread(labels, limit)
        return Split(np.stack([decode(examples[place]["image"], size) for place in chosen]), labels[chosen])

    names = tuple(builder.info.features["label"].names)
    train_split = read("train") if train else _nothing(size)
    return ImageData(f"TensorFlow Datasets {builder.info.full_name}", names, train_split, read(test, limit))
