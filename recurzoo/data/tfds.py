"""Image classification sets of TensorFlow Datasets."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from recurzoo.base.documents import one_line, shorten
from recurzoo.base.optional import import_optional
from recurzoo.data.folder import TEST_FOLDERS
from recurzoo.data.image_data import ImageData, Split, spread
from recurzoo.data.stored_images import StoredImages, fits_in_memory
from recurzoo.data.tfrecord import TFRecords


class Encoded(Sequence[bytes]):
    """Some of a split's images as they are stored, each read when it is asked for.

    Args:
        records: sequence of examples, images undecoded.
        chosen: int array, the places of some.
    """

    def __init__(self, records: Sequence[dict[str, Any]], chosen: np.ndarray):
        self.records = records
        self.chosen = chosen

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, place: int) -> bytes:  # type: ignore[override]
        return self.records[int(self.chosen[place])]["image"]


class _Parsed(Sequence[dict[str, Any]]):
    """TFRecords as examples, as TFDS' own sources of the formats that it can read in any order give them."""

    def __init__(self, records: TFRecords, parse: Callable[[bytes], dict[str, Any]]):
        self.records = records
        self.parse = parse

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, place: int) -> dict[str, Any]:  # type: ignore[override]
        return self.parse(self.records[place])


def read_tfds(
    name: str, size: tuple[int, int], train: bool = True, limit: int | None = None, stored: bool = False
) -> ImageData:
    """Read a data set that has images and one label each, and download it if need be.

    Args:
        name: as TFDS has it, with a configuration or a version if wanted: `"cifar10"`, `"cifar10:3.0.2"`.
        size: as `load_data` has it.
        train: as `load_data` has it.
        limit: as `load_data` has it.
        stored: as `load_data` has it.

    Returns:
        An `ImageData`.

    Raises:
        ValueError: if there is no such data set, or none of the expected form, or it cannot be had.
        ImportError: if TensorFlow Datasets is not installed.
    """
    tfds = import_optional("tensorflow_datasets", "tensorflow-datasets")
    builder = _prepared(tfds, name)
    splits = [part for part, facts in builder.info.splits.items() if facts.num_examples]
    test = next((part for part in TEST_FOLDERS if part in splits), None)
    if test is None or (train and "train" not in splits):
        raise ValueError(
            f"A TensorFlow data set needs the splits train and test. Received: {shorten(name)} with {sorted(splits)}"
        )

    def read(part: str, limit: int | None = None, stored: bool = False) -> Split:
        records = _records(tfds, builder, part)
        # Every record is read once, for its label; images are then decoded by Pillow, as all others are.
        facts = [(int(example["label"]), zlib.crc32(example["image"])) for example in records]
        labels = np.array([label for label, _ in facts], "int32")
        if labels.min(initial=0) < 0:
            raise ValueError(f"This split's images have no labels. Received: {shorten(name)}, split {part!r}")
        chosen = spread(labels, limit)
        images = StoredImages(Encoded(records, chosen), size, [facts[place][1] for place in chosen])
        return Split(images if stored or not fits_in_memory(images) else images[:], labels[chosen])

    class_names = tuple(builder.info.features["label"].names)
    train_split = read("train", stored=stored) if train else Split.empty(size)
    return ImageData(f"TensorFlow Datasets {builder.info.full_name}", class_names, train_split, read(test, limit))


def _records(tfds: Any, builder: Any, part: str) -> Sequence[dict[str, Any]]:
    """The examples of a split in the order of its files, to be read in any order."""
    skip = {"image": tfds.decode.SkipDecoding()}
    if builder.info.file_format is not tfds.core.FileFormat.TFRECORD:
        return builder.as_data_source(split=part, decoders=skip)
    files = TFRecords([file.filename for file in builder.info.splits[part].file_instructions])
    return _Parsed(files, lambda record: builder.info.features.deserialize_example_np(record, decoders=skip))


def _prepared(tfds: Any, name: str) -> Any:
    try:
        builder = tfds.builder(name)
        features = dict(builder.info.features or {})
    except tfds.core.DatasetNotFoundError:
        # Its own text lists a thousand others.
        raise ValueError(f"TensorFlow Datasets has no data set of this name. Received: {shorten(name)}") from None
    except Exception as error:
        # Names, versions, configurations and the network: TFDS has an error of its own kind for each.
        raise _refused(name, error) from None
    kinds = {"image": tfds.features.Image, "label": tfds.features.ClassLabel}
    if not all(isinstance(features.get(feature), kind) for feature, kind in kinds.items()):
        found = ", ".join(f"{feature}: {type(kind).__name__}" for feature, kind in sorted(features.items()))
        raise ValueError(
            "A TensorFlow data set has a feature image of type Image and a feature label of type ClassLabel. "
            f"Received: {shorten(name)} with {one_line(found)}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise _refused(name, error) from None
    return builder


def _refused(name: str, error: Exception) -> ValueError:
    reason = one_line(str(error)) or type(error).__name__
    return ValueError(f"TensorFlow Datasets cannot give this data set: {reason}. Received: {shorten(name)}")
