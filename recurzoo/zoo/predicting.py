"""`recurzoo.predict`: what a classifier takes images for."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table

from recurzoo.base.documents import shorten
from recurzoo.base.records import FrozenModel, Report, plain_text
from recurzoo.zoo.evaluating import model_and_record

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

Image: TypeAlias = "str | os.PathLike[str] | bytes"
# Images decoded and classified at once.
BATCH = 256
# Of images that cannot be read, in one error.
MOST_SHOWN = 3


class Guess(FrozenModel):
    """A class and its probability."""

    label: str
    probability: float


class Prediction(FrozenModel):
    """What a model takes an image for.

    Attributes:
        image: the file's path, or `-` for bytes.
        guesses: the likeliest classes, in order; none where there is an error.
        error: why the image could not be classified, or None.
    """

    image: str
    guesses: tuple[Guess, ...] = ()
    error: str | None = None


class Predictions(Report):
    """What `recurzoo.predict` gives: for each image, in order, a `Prediction`."""

    model: str
    predictions: tuple[Prediction, ...]

    @property
    def failed(self) -> bool:
        """Whether an image could not be classified."""
        return any(prediction.error for prediction in self.predictions)

    def __rich__(self) -> RenderableType:
        table = Table("image", "class", "probability", box=None, pad_edge=False)
        for prediction in self.predictions:
            for number, guess in enumerate(prediction.guesses):
                name = "" if number else prediction.image
                table.add_row(plain_text(name), plain_text(guess.label), f"{guess.probability:.1%}")
        return Group(table, *(plain_text(prediction.error) for prediction in self.predictions if prediction.error))


def predict(model: ZooModel | str | Path, images: Image | Iterable[Image], top: int = 5) -> Predictions:
    """Classify images. One that cannot be read costs no other its answer: its prediction has the error instead.

    Args:
        model: what `recurzoo.load` takes; or a model of the zoo, whose classes are numbered, since only a checkpoint
            has their names.
        images: one or several of: an image's path; a folder's, whose images are all classified; a path with the
            wildcards `*`, `?`, `[...]` and `**`; the bytes of an image's file.
        top: int, how many classes to give for each image.

    Returns:
        A `Predictions`.

    Raises:
        ValueError: if none of the images can be read, or the model is no classifier of color images.
        LookupError, OSError: as `load` has them.

    Example:
        >>> recurzoo.predict("swrn-22-1-2", ["photo.jpg", "more/photos"]).predictions[0].guesses[0].label
    """
    if top < 1:
        raise ValueError(f"At least one class is given for an image. Received: top={top}")
    # Those that import Keras or NumPy, here as below.
    from recurzoo.tasks.classification import check_classifier

    network, record = model_and_record(model)
    check_classifier(network, record)
    labels = record.class_names or tuple(map(str, range(network.output_shape[-1])))
    items = list(_find([images] if isinstance(images, (str, os.PathLike, bytes)) else images))
    predictions = [
        prediction
        for start in range(0, len(items), BATCH)
        for prediction in _classify(network, labels, items[start : start + BATCH], top)
    ]
    errors = [prediction.error for prediction in predictions if prediction.error]
    if len(errors) == len(predictions):
        raise ValueError("; ".join(errors[:MOST_SHOWN]) or "There are no images. Received: none at all")
    return Predictions(model=record.name, predictions=tuple(predictions))


def _find(images: Iterable[Image]) -> Iterator[Path | bytes]:
    """Each image, of folders and wildcards those that they stand for; what stands for none is left as it is."""
    from recurzoo.data.folder import find_images, warn_of_skipped

    for image in images:
        if isinstance(image, bytes):
            yield image
            continue
        if not isinstance(image, (str, os.PathLike)):
            raise ValueError(
                f"An image is a path or the bytes of a file. Received: {shorten(image)}; model.predict takes arrays"
            )
        words = os.fspath(image)
        # A file may have a wildcard in its own name.
        paths = [words] if os.path.lexists(words) else sorted(glob.glob(words, recursive=True)) or [words]
        for path in map(Path, paths):
            skipped: Counter[str] = Counter()
            yield from (find_images(path, skipped) if path.is_dir() else []) or [path]
            warn_of_skipped(str(path), skipped)


def _classify(model: ZooModel, labels: Sequence[str], images: Sequence[Path | bytes], top: int) -> Iterator[Prediction]:
    import numpy as np
    from keras import ops

    from recurzoo.data.images import decode
    from recurzoo.tasks.evaluation import predict as compute_logits

    pixels, errors = {}, {}
    for place, image in enumerate(images):
        try:
            pixels[place] = decode(image, model.input_shape[1:3])
        except ValueError as error:
            errors[place] = str(error)
    rows = {}
    if pixels:
        logits = compute_logits(model, np.stack(list(pixels.values())))
        rows = dict(zip(pixels, ops.convert_to_numpy(ops.softmax(logits)), strict=True))
    for place, image in enumerate(images):
        name = "-" if isinstance(image, bytes) else str(image)
        if place in errors:
            yield Prediction(image=name, error=errors[place])
        elif not np.isfinite(rows[place]).all():
            yield Prediction(image=name, error=f"The model gives no finite probabilities for this. Received: {name!r}")
        else:
            best = np.argsort(-rows[place])[:top]
            guesses = (Guess(label=labels[i], probability=float(rows[place][i])) for i in best)
            yield Prediction(image=name, guesses=tuple(guesses))
