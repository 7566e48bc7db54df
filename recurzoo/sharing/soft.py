"""Soft sharing: every kernel is a learned mix of a few templates."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from recurzoo.base.values import value
from recurzoo.sharing.bank import Fold, KernelBank, Sharing, as_loss
from recurzoo.sharing.hard import fold_vectors, untied
from recurzoo.sharing.similarity import absolute_cosines

# How coefficients may start (appendix B).
Coefficients = Literal["orthogonal", "identity", "sparse", "normal", "uniform"]


@value
class SoftSharing(Sharing):
    """Slot i uses the mix `sum_j coefficients[i, j] * templates[j]` (Savarese & Maire, 2019, eq. 1).

    Args:
        num_templates: int, the paper's k; at most the number of slots.
        recurrence: float, the paper's lambda_R: how strongly training pulls all slots towards one kernel (section 3.2).
        coefficients: how they start (appendix B): `"orthogonal"`, in columns of length 1; `"identity"`, of as many
            templates as slots; `"normal"` or `"uniform"`, independent numbers; or `"sparse"`, normal ones of which half
            in each slot are zero. The paper gives no variances: here a column of independent numbers has length 1 on
            average, as an orthogonal one has.

    Raises:
        ValueError: if `num_templates` is not positive, `recurrence` is negative, or coefficients do not start so.
    """

    num_templates: int
    recurrence: float = 0.0
    coefficients: Coefficients = "orthogonal"

    def __post_init__(self) -> None:
        if not isinstance(self.num_templates, int) or self.num_templates < 1 or self.recurrence < 0:
            raise ValueError(
                "A soft sharing needs at least one template and a recurrence of zero or more. "
                f"Received: num_templates={self.num_templates}, recurrence={self.recurrence}"
            )
        if self.coefficients not in get_args(Coefficients):
            raise ValueError(
                f"Coefficients start {', '.join(get_args(Coefficients))}. Received: coefficients={self.coefficients!r}"
            )

    def bank(self, slots: int, kernel_shape: tuple[int, ...], **kwargs: Any) -> SoftBank:
        if self.num_templates > slots:
            raise ValueError(
                f"{slots} convolutions can share at most {slots} templates. "
                f"Received: num_templates={self.num_templates}"
            )
        if self.coefficients == "identity" and self.num_templates != slots:
            raise ValueError(
                f"Coefficients start as an identity of as many templates as convolutions, here {slots}. "
                f"Received: num_templates={self.num_templates}"
            )
        return SoftBank(self, slots, kernel_shape, **kwargs)


def soft_or_untied(
    slots: int,
    num_templates: int | Literal["all"] | None,
    recurrence: float = 0.0,
    coefficients: Coefficients = "orthogonal",
) -> Sharing:
    """The sharing that a number of templates stands for.

    Args:
        slots: int, how many convolutions there are.
        num_templates: int, the paper's k; `"all"` for as many as slots; None for no sharing, as in the plain network.
        recurrence, coefficients: see `SoftSharing`.

    Returns:
        A `SoftSharing`, or a `HardSharing` in which every slot has its own kernel.

    Raises:
        ValueError: as `SoftSharing`.
    """
    if num_templates is None:
        return untied(slots)
    return SoftSharing(slots if num_templates == "all" else num_templates, recurrence, coefficients)


class SoftBank(KernelBank):
    """Holds `templates` (k, height, width, in, out) and `coefficients` (slots, k), which start orthogonal: AᵀA = I; or
    as the sharing says.
    """

    sharing: SoftSharing

    def build(self, input_shape: Any = None) -> None:
        # Mixed in float32 whatever the precision of the convolutions: coefficients rounded to 8 bits would all move.
        self.templates = self.add_templates(self.sharing.num_templates, autocast=False)
        self.coefficients = self.add_weight(
            name="coefficients",
            shape=(self.slots, self.sharing.num_templates),
            initializer=self._start,
            autocast=False,
            regularizer=(lambda weight: as_loss(self._recurrence(weight))) if self.sharing.recurrence else None,
        )
        self.built = True

    def _start(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        kind, (slots, templates) = self.sharing.coefficients, shape
        # No backend decomposes a matrix in half precision.
        wide = "float64" if keras.backend.standardize_dtype(dtype) == "float64" else "float32"
        # So that the squares of a column's numbers, of sparse ones those that are kept, add up to 1 on average.
        kept = templates - templates // 2 if kind == "sparse" else templates
        deviation = math.sqrt(templates / (kept * slots))
        initializer = {
            "orthogonal": keras.initializers.Orthogonal(),
            "identity": keras.initializers.Identity(),
            "uniform": keras.initializers.RandomUniform(-math.sqrt(3) * deviation, math.sqrt(3) * deviation),
        }.get(kind, keras.initializers.RandomNormal(stddev=deviation))
        values = initializer(shape, wide)
        if kind == "sparse":
            drawn = keras.initializers.RandomUniform(0.0, 1.0)(shape, wide)
            values = ops.where(ops.argsort(ops.argsort(drawn, axis=1), axis=1) < kept, values, ops.zeros_like(values))
        return ops.cast(values, dtype)

    def kernels(self) -> Any:
        templates = ops.reshape(self.templates, (self.sharing.num_templates, -1))
        return ops.reshape(ops.matmul(self.coefficients, templates), (self.slots, *self.kernel_shape))

    def serve_slot(self, slot: int) -> tuple[Any, Any]:
        templates = ops.reshape(self.templates, (self.sharing.num_templates, -1))
        coefficients = ops.convert_to_tensor(self.coefficients)[slot : slot + 1]
        kernel = ops.reshape(ops.matmul(coefficients, templates), self.kernel_shape)
        return ops.cast(kernel, self.compute_dtype), None

    def similarity(self) -> np.ndarray:
        return ops.convert_to_numpy(absolute_cosines(ops.convert_to_numpy(self.coefficients)))

    def penalty(self) -> Any:
        return self._recurrence(self.coefficients) if self.sharing.recurrence else None

    def _recurrence(self, coefficients: Any) -> Any:
        return -self.sharing.recurrence * ops.sum(absolute_cosines(coefficients))

    def fold(self, threshold: float) -> Fold:
        coefficients = ops.convert_to_numpy(self.coefficients)
        return fold_vectors(ops.convert_to_numpy(self.kernels()), self.similarity(), threshold, vectors=coefficients)
