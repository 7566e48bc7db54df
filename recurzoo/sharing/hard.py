"""Hard sharing: a fixed table says which kernel each slot uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.base.documents import shorten
from recurzoo.base.values import value
from recurzoo.sharing.bank import Fold, KernelBank, Sharing
from recurzoo.sharing.similarity import absolute_cosines, group_by_similarity


@value
class HardSharing(Sharing):
    """Slot i uses kernel `index[i]`, times a weight `scale[i]` if `scaled`.

    Plain nets (`0, 1, 2, ...`), recurrent nets (`0, 0, 0, ...`), partly shared and folded nets are all of this kind.

    Args:
        index: tuple of ints, for each slot its kernel; every number from 0 to the largest occurs.
        scaled: whether each slot has its own signed scale, a weight, applied to the convolution's output.

    Raises:
        ValueError: if `index` is empty or skips a kernel.
    """

    index: tuple[int, ...]
    scaled: bool = False

    def __post_init__(self) -> None:
        index = tuple(int(kernel) for kernel in self.index)
        object.__setattr__(self, "index", index)
        if not names_all(index):
            raise ValueError(
                f"A hard sharing's index names every kernel from 0 to its largest. Received: index={shorten(index)}"
            )

    def bank(self, slots: int, kernel_shape: tuple[int, ...], **kwargs: Any) -> HardBank:
        if len(self.index) != slots:
            raise ValueError(
                f"The sharing must name a kernel for each of {slots} slots. Received: {len(self.index)}, "
                f"index={shorten(self.index)}"
            )
        return HardBank(self, slots, kernel_shape, **kwargs)


def names_all(index: Sequence[Any]) -> bool:
    """Whether an index names every number from 0 to its largest, which may be any where it comes from a file."""
    numbers = set(index)
    whole = bool(numbers) and all(isinstance(number, int) for number in numbers)
    return whole and min(numbers) == 0 and max(numbers) == len(numbers) - 1


def untied(slots: int) -> HardSharing:
    """A kernel of its own for every slot: a plain network."""
    return HardSharing(tuple(range(slots)))


def tied(slots: int) -> HardSharing:
    """One kernel for all slots: a recurrent network."""
    return HardSharing((0,) * slots)


def partly(index: Iterable[int]) -> HardSharing:
    """Slot i uses kernel `index[i]`."""
    return HardSharing(tuple(index))


class HardBank(KernelBank):
    """Holds the kernels that `HardSharing` deals out: `templates` (kernels, h, w, in, out), `scale` (slots,)."""

    sharing: HardSharing

    def build(self, input_shape: Any = None) -> None:
        self.templates = self.add_templates(max(self.sharing.index) + 1)
        self.scale = None
        if self.sharing.scaled:
            self.scale = self.add_weight(name="scale", shape=(self.slots,), initializer="ones")
        self.built = True

    def kernels(self) -> Any:
        kernels = ops.take(self.templates, np.array(self.sharing.index), axis=0)
        ones = (1,) * len(self.kernel_shape)
        return kernels if self.scale is None else kernels * ops.reshape(self.scale, (-1, *ones))

    def serve(self) -> list[tuple[Any, Any]]:
        kernels = ops.unstack(ops.convert_to_tensor(self.templates), num=self.templates.shape[0])
        scales = [None] * self.slots if self.scale is None else ops.unstack(ops.convert_to_tensor(self.scale))
        return [(kernels[kernel], scale) for kernel, scale in zip(self.sharing.index, scales, strict=True)]

    def serve_slot(self, slot: int) -> tuple[Any, Any]:
        kernel = ops.convert_to_tensor(self.templates)[self.sharing.index[slot]]
        return kernel, None if self.scale is None else ops.convert_to_tensor(self.scale)[slot]

    def loop_key(self, slot: int) -> int | None:
        return self.sharing.index[slot]

    def table(self, slots: list[int]) -> Callable[[Any], tuple[Any, Any]]:
        # One constant for all turns, not a row read anew at each: exporters then keep it single.
        kernel = ops.convert_to_tensor(self.templates)[self.sharing.index[slots[0]]]
        if self.scale is None:
            return lambda turn: (kernel, None)
        scales = ops.take(self.scale, np.array(slots), axis=0)
        return lambda turn: (kernel, ops.take(scales, turn, axis=0))

    def similarity(self) -> np.ndarray:
        flat = keras.ops.convert_to_numpy(self.templates).reshape(self.templates.shape[0], -1)
        index = np.array(self.sharing.index)
        found = keras.ops.convert_to_numpy(absolute_cosines(flat))[np.ix_(index, index)]
        # Of one kernel with itself, where large ones miss 1 by rounding and would be untied; one of zeros is like none.
        return np.where((index[:, None] == index) & (found > 0), np.ones_like(found), found)

    def fold(self, threshold: float) -> Fold:
        return fold_vectors(keras.ops.convert_to_numpy(self.kernels()), self.similarity(), threshold)


def fold_vectors(
    kernels: np.ndarray, similarity: np.ndarray, threshold: float, vectors: np.ndarray | None = None
) -> Fold:
    """Tie each slot to the most similar of the earlier kept ones, if that is similar enough.

    Each keeps its own signed scale, `<a_i, a_c> / |a_c|^2`.

    The scale must stay: what follows a block's last convolution is the residual sum, which a normalization does not
    make blind to sign and size.

    Args:
        kernels: array `(slots, height, width, in, out)`.
        similarity: array `(slots, slots)`.
        threshold: float in 0..1.
        vectors: array `(slots, n)`, what the scales are measured on; the kernels themselves by default.

    Returns:
        A `Fold`, scaled unless every scale is one.
    """
    vectors = kernels.reshape(len(kernels), -1) if vectors is None else vectors
    leader_of = group_by_similarity(similarity, threshold)
    leaders = sorted(set(leader_of))
    pairs = enumerate(leader_of)
    scale = np.array([vectors[i] @ vectors[c] / max(vectors[c] @ vectors[c], 1e-30) for i, c in pairs], "float32")
    index = tuple(leaders.index(leader) for leader in leader_of)
    scaled = bool(np.any(scale != 1))
    return Fold(HardSharing(index, scaled), kernels[leaders], scale if scaled else None)
