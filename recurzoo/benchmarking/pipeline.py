"""Times the decoding of images against the training step that takes them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from rich.console import Group, RenderableType

from recurzoo.base.environment import describe_hardware, describe_versions
from recurzoo.base.records import Report
from recurzoo.benchmarking.report import Median, median_interval
from recurzoo.benchmarking.run import check_counts, step_of, take_turns
from recurzoo.catalog.settings import Augmentation
from recurzoo.data.sets import StoredImages, load_data
from recurzoo.data.stream import StreamedImages
from recurzoo.models import ZooModel

# ImageNet's most frequent size, and the smallest share of the area that its random crops have.
PHOTO, SMALLEST = (375, 500), 0.08
MADE, BATCHES = 64, 4


class InputReport(Report):
    """How fast images are decoded and cropped, and how fast a network's training step takes them.

    Attributes:
        model: the network's name.
        data: what was decoded.
        batch: images a step.
        pairs: how many times each was timed, in turns.
        decoded_per_second: images a second, decoded, cropped, resized and put into batches; a median.
        trained_per_second: images a second that a training step takes; a median.
        ratio: the first over the second: at 1 or more, training does not wait for images.
        hardware: the machine.
        versions: of what matters.
    """

    model: str
    data: str
    batch: int
    pairs: int
    decoded_per_second: float
    trained_per_second: float
    ratio: Median
    hardware: str
    versions: dict[str, str]

    def __rich__(self) -> RenderableType:
        return Group(
            f"{self.model}, batches of {self.batch}, {self.data}; {self.hardware}",
            f"decoding {self.decoded_per_second:.1f} images/s, a training step {self.trained_per_second:.1f} images/s: "
            f"{self.ratio} times as many, median of {self.pairs} pairs in turns and its "
            f"{self.ratio.confidence:.0%} interval",
        )


def benchmark_input(
    model: str | ZooModel, data: str | None = None, batch: int = 32, pairs: int = 20, min_seconds: float = 0.1
) -> InputReport:
    """Measure how many images a second are decoded for training, against what a training step takes.

    Decoding is a stream's: random crops of the stored images, resized to the network's size, in batches, by as
    many threads as in training, but alone. In training it shares the cores with whatever else the processor does.

    Args:
        model: a `ZooModel`, or an architecture's name.
        data: words that `load_data` takes, of image files; by default JPEG files of 500 x 375 pixels are made.
        batch: int, images a step.
        pairs: int, turns.
        min_seconds: float, how long one timing lasts at least.

    Returns:
        An `InputReport`.

    Raises:
        ValueError: if `batch` or `pairs` is not positive, or the data are not there.

    Example:
        >>> print(recurzoo.benchmark_input("swrn-50-2"))
    """
    check_counts(batch, pairs)
    name, size, step = step_of(model, batch)
    if data is None:
        images = StoredImages([_photo(number) for number in range(MADE)], size)
        source = f"JPEG files of {PHOTO[1]} x {PHOTO[0]} pixels"
    else:
        found = load_data(data, size, stored=True)
        images, source = found.train.images, found.source  # type: ignore[assignment]
    layer = StreamedImages(images, Augmentation(resized_crop=SMALLEST), (0, 0, 0))
    drawn = layer.draw(np.random.default_rng(0).integers(0, len(images), BATCHES * batch), 0, 0)

    def decode() -> None:
        for _ in layer.stream(drawn, batch, lambda places: places, 0, 0):
            pass

    decoding, training = take_turns([decode, step], pairs, min_seconds)
    return InputReport(
        model=name,
        data=source,
        batch=batch,
        pairs=pairs,
        decoded_per_second=float(np.median(len(drawn) / decoding)),
        trained_per_second=float(np.median(batch / training)),
        ratio=median_interval(len(drawn) / decoding / (batch / training)),
        hardware=describe_hardware(),
        versions=describe_versions(),
    )


def _photo(number: int) -> bytes:
    """A JPEG file as costly to decode as a photo: random, with less of the high frequencies."""
    from PIL import Image

    rng: Any = np.random.default_rng(number)
    coarse = Image.fromarray(rng.integers(0, 256, (48, 64, 3)).astype("uint8"))
    smooth = np.asarray(coarse.resize(PHOTO[::-1], Image.Resampling.BICUBIC), "float32")
    noisy = np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype("uint8")
    content = io.BytesIO()
    Image.fromarray(noisy).save(content, "JPEG", quality=90)
    return content.getvalue()
