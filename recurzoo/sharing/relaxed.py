"""Relaxed sharing: a kernel for every slot, pulled towards their mean while training."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from recurzoo.base.values import value
from recurzoo.sharing.bank import Fold, KernelBank, Sharing, as_loss
from recurzoo.sharing.hard import fold_vectors, tied
from recurzoo.sharing.similarity import absolute_cosines


@value
class RelaxedSharing(Sharing):
    """Every slot has its own kernel; the penalty `pull * sum_i |v_i - mean(v)|^2` draws them together.

    Args:
        pull: float, the penalty's strength at the start of training. A callback may raise the bank's `pull` as it goes.

    Raises:
        ValueError: if `pull` is negative.
    """

    pull: float = 1e-4

    def __post_init__(self) -> None:
        if self.pull < 0:
            raise ValueError(f"A relaxed sharing's pull is zero or more. Received: pull={self.pull}")

    def bank(self, slots: int, kernel_shape: tuple[int, ...], **kwargs: Any) -> RelaxedBank:
        return RelaxedBank(self, slots, kernel_shape, **kwargs)


class RelaxedBank(KernelBank):
    """Holds `templates` (slots, height, width, in, out), and the current `pull`, which is not trained."""

    sharing: RelaxedSharing

    def build(self, input_shape: Any = None) -> None:
        self.templates = self.add_templates(
            self.slots, regularizer=lambda weight: as_loss(self._distance_to_mean(weight))
        )
        self.pull = self.add_weight(
            name="pull",
            shape=(),
            initializer=lambda shape, dtype: ops.full(shape, self.sharing.pull, dtype),
            trainable=False,
            aggregation="only_first_replica",
        )
        self.built = True

    def kernels(self) -> Any:
        return ops.convert_to_tensor(self.templates)

    def serve_slot(self, slot: int) -> tuple[Any, Any]:
        return ops.cast(ops.convert_to_tensor(self.templates)[slot], self.compute_dtype), None

    def similarity(self) -> np.ndarray:
        flat = ops.convert_to_numpy(self.templates).reshape(self.slots, -1)
        return ops.convert_to_numpy(absolute_cosines(flat))

    def angles_to_mean(self) -> np.ndarray:
        """The angle between each slot's kernel and the mean kernel, in degrees: array `(slots,)`."""
        flat = ops.convert_to_numpy(self.templates).reshape(self.slots, -1).astype("float64")
        mean = flat.mean(axis=0)
        norms = np.linalg.norm(flat, axis=1) * np.linalg.norm(mean)
        return np.degrees(np.arccos(np.clip(flat @ mean / np.maximum(norms, 1e-30), -1, 1)))

    def penalty(self) -> Any:
        return self._distance_to_mean(self.templates)

    def _distance_to_mean(self, templates: Any) -> Any:
        mean = ops.mean(templates, axis=0, keepdims=True)
        return ops.cast(self.pull, templates.dtype) * ops.sum(ops.square(templates - mean))

    def consolidate(self) -> Fold:
        """Replace all kernels by their mean."""
        return Fold(tied(self.slots), ops.convert_to_numpy(self.templates).mean(axis=0, keepdims=True), None)

    def fold(self, threshold: float) -> Fold:
        return fold_vectors(ops.convert_to_numpy(self.templates), self.similarity(), threshold)
