"""Images with their labels: what every source of images is read into."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recurzoo.base.documents import shorten
from recurzoo.data.stored_images import GIB, MOST_MEMORY, StoredImages

Images = np.ndarray | StoredImages
FINGERPRINT_BATCH = 256


@dataclass(frozen=True)
class Split:
    """Images of one part of a data set.

    Attributes:
        images: uint8 array `(images, height, width, 3)`, or `StoredImages` that give parts of one.
        labels: int array `(images,)`.
    """

    images: Images
    labels: np.ndarray

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Split:
        """No images at all, of a size."""
        return cls(np.zeros((0, *size, 3), "uint8"), np.zeros(0, "int32"))

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of shape, pixels and labels; of more images than are ever held, of stamps instead of pixels."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        if isinstance(self.images, np.ndarray):
            digest.update(np.ascontiguousarray(self.images).data)
        elif self.images.nbytes > MOST_MEMORY * GIB:
            digest.update(self.images.digest())
        else:
            # The same as where they are held.
            for batch in self.images.batches(FINGERPRINT_BATCH):
                digest.update(batch.data)
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
    """

    source: str
    class_names: tuple[str, ...]
    train: Split
    test: Split

    def relabelled(self, class_names: Iterable[str]) -> ImageData:
        """The same images with labels in another order of the same classes; in their own, if no names are given.

        Raises:
            ValueError: if the classes are not the same.
        """
        wanted = tuple(class_names) or self.class_names
        places = {normalized(name): place for place, name in enumerate(wanted)}
        names = [normalized(name) for name in self.class_names]
        if set(places) != set(names):
            missing, extra = sorted(set(places) - set(names)), sorted(set(names) - set(places))
            lacks, has = (shorten(found) if found else "none" for found in (missing, extra))
            raise ValueError(
                f"The data's classes are not the checkpoint's: it lacks {lacks} and has {has} more. Received: "
                f"{self.source}; rename its folders, or load a new head with num_classes"
            )
        order = np.array([places[name] for name in names])
        train, test = (replace(split, labels=order[split.labels]) for split in (self.train, self.test))
        return replace(self, class_names=wanted, train=train, test=test)


def normalized(name: str) -> str:
    """A name in the form in which names are compared: what looks alike may be written in two ways."""
    return unicodedata.normalize("NFC", name)


def spread(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """The places of at most so many images, of each class its share, in their order; None for all."""
    count = len(labels)
    if limit is None or limit >= count:
        return np.arange(count)
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.arange(limit) * count // limit])
