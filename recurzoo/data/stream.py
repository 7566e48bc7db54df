"""Training images that the memory does not hold: decoded ahead of the step that needs them, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops

from recurzoo.catalog.settings import Augmentation, Progressive
from recurzoo.data.augmentation import COLUMNS, Augmenter, draw_crop
from recurzoo.data.stored_images import StoredImages, in_order

if TYPE_CHECKING:
    import grain


class StreamedImages(Augmenter):
    """Augments the batches of a stream, as `AugmentedImages` does those that it holds.

    Args:
        images: `StoredImages`.
        augmentation, fill, progressive: as `Augmenter` has them.

    Input shape:
        A dictionary: `images`, `(batch, height, width, channels)`, uint8, and `drawn`, `(batch, 6)`, ints, as `draw`
        gives them.

    Output shape:
        As `Augmenter` has it.
    """

    def __init__(
        self, images: StoredImages, augmentation: Augmentation, fill: Any, progressive: Progressive | None = None
    ):
        super().__init__(images.shape[1:], augmentation, fill, progressive)
        self.hold(images)

    def hold(self, images: Any) -> None:
        """Stream other images from now on."""
        self.images = images

    def stream(
        self,
        drawn: np.ndarray,
        batch_size: int,
        targets: Callable[[np.ndarray], np.ndarray],
        epoch: int,
        seed: int,
    ) -> grain.IterDataset[Any]:
        """Batches of inputs and targets, the next two of which are being decoded while one is trained.

        Args:
            drawn: int array `(images, 6)`, as `draw` gives them: which images, in order.
            batch_size: int.
            targets: gives what the loss compares the outputs with, for an array of places.
            epoch: int, from 0.
            seed: int.
        """
        smallest = self.augmentation.resized_crop

        def read(number: int) -> dict[str, np.ndarray]:
            place = int(drawn[number, 0])
            crop = None if smallest is None else draw_crop(place, smallest, epoch, seed)
            try:
                return {"images": self.images.decode(place, crop), "drawn": drawn[number]}
            except ValueError as error:
                self.error = error
                raise

        batches = in_order(read, len(drawn), 2 * batch_size, self.images.threads).batch(batch_size)
        return batches.map(lambda batch: (batch, targets(batch["drawn"][:, 0])))

    def inputs(self, batch_size: int) -> Any:
        """The shapes of what `call` takes."""
        return {"images": (batch_size, *self.image_shape), "drawn": (batch_size, len(COLUMNS))}

    def call(self, inputs: dict[str, Any]) -> Any:
        images, drawn = inputs["images"], inputs["drawn"]
        pixels = ops.reshape(images, (-1, self.image_shape[-1]))
        index = ops.arange(ops.shape(images)[0], dtype="int32")[:, None]
        return self.augment(lambda address: ops.take(pixels, address, axis=0), index, drawn)
