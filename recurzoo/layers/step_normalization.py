"""Batch normalization with a leading axis of steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
from keras import ops

from recurzoo.layers.batch_statistics import normalize_by_batch
from recurzoo.layers.step_table import row_at, rows_of_steps

Words = Literal["independent", "shared_affine", "no_affine", "shared", "none"]
Normalization = Words | tuple[int, ...]


@keras.saving.register_keras_serializable("recurzoo")
class StepNormalization(keras.layers.Layer):
    """Batch normalization for the steps of a recurrent stage, with a choice of what the steps share.

    What steps share is one of the words

    - `"independent"`: nothing. Plain networks, RC-n, unshared batch norm (UBN).
    - `"shared_affine"`: scale and shift. FRNN's time-specific batch norm (table 1, ImageNet).
    - `"no_affine"`: statistics are each step's own, and there is no scale and shift. FRNN's other CIFAR runs.
    - `"shared"`: statistics, scale and shift. Naive recurrence.
    - `"none"`: there is no normalization; the layer is the identity. RC-n without batch norm.

    or an index, for networks some of whose steps share all of it: blocks that are shared naively.

    Args:
        steps: int, how many steps there are.
        sharing: what the steps share, one of these words; or for each step the number of its statistics, scale
            and shift (`(0, 1, 2, 2)`: all from the third step on have the same).
        momentum: float, of the moving averages.
        epsilon: float, added to the variance.
        gamma_initializer: initializer of the scale.

    Attributes:
        observer: None, or a function of step, mean and variance. While there is one, the layer always normalizes by
            the batch, and tells the observer the batch's statistics instead of learning from them.

    Input shape:
        `(batch, height, width, channels)`.

    Output shape:
        Same as the input.

    Raises:
        ValueError: if `sharing` is neither one of the words nor an index that fits the steps.
    """

    def __init__(
        self,
        steps: int,
        sharing: Normalization = "independent",
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if isinstance(sharing, str) and sharing not in get_args(Words):
            raise ValueError(f"A step normalization shares one of {get_args(Words)}. Received: sharing={sharing!r}")
        self.steps = steps
        self.sharing: Normalization = sharing if isinstance(sharing, str) else tuple(sharing)
        # For each step its row of the statistics, and of scale and shift; None where there are none.
        self.statistics_rows: Any
        self.affine_rows: Any
        self.statistics_rows, self.affine_rows = self._rows()
        self.momentum = momentum
        self.epsilon = epsilon
        self.observer: Callable[[int, Any, Any], None] | None = None
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def _rows(self) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
        if not isinstance(self.sharing, str):
            rows = rows_of_steps(self.sharing, self.steps)
            return rows, rows
        per_step, once, none = rows_of_steps("per_step", self.steps), rows_of_steps("shared", self.steps), None
        return {
            "independent": (per_step, per_step),
            "shared_affine": (per_step, once),
            "no_affine": (per_step, none),
            "shared": (once, once),
            "none": (none, none),
        }[self.sharing]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        statistics, affine = (
            None if rows is None else (max(rows) + 1, input_shape[-1])
            for rows in (self.statistics_rows, self.affine_rows)
        )
        # Statistics and their use stay in float32 under mixed precision, as in Keras' own BatchNormalization.
        wide = {"dtype": keras.backend.standardize_dtype(self.variable_dtype), "autocast": False}
        self.gamma = self.beta = self.moving_mean = self.moving_variance = None
        if affine:
            self.gamma = self.add_weight(name="gamma", shape=affine, initializer=self.gamma_initializer, **wide)
            self.beta = self.add_weight(name="beta", shape=affine, initializer="zeros", **wide)
        if statistics:
            # Replicas measure the same statistics, those of the whole batch, and keep those of the first.
            kept = {**wide, "trainable": False, "aggregation": "only_first_replica"}
            self.moving_mean = self.add_weight(name="moving_mean", shape=statistics, initializer="zeros", **kept)
            self.moving_variance = self.add_weight(name="moving_variance", shape=statistics, initializer="ones", **kept)
        self.built = True

    def call(self, x: Any, step: Any = 0, training: bool | None = None) -> Any:
        """Normalize at one step.

        Args:
            x: tensor `(batch, height, width, channels)`.
            step: int or int tensor, from 0; a step after the last reuses the last one's statistics.
            training: whether to use, and learn from, the batch's statistics; a frozen layer never does.

        Returns:
            A tensor like `x`.
        """
        if self.moving_mean is None:
            return x
        ones = ops.ones(x.shape[-1:], self.moving_mean.dtype)
        gamma = ones if self.affine_rows is None else row_at(self.gamma, self.affine_rows, step)
        beta = ops.zeros_like(ones) if self.affine_rows is None else row_at(self.beta, self.affine_rows, step)
        if self.observer is not None or (training and self.trainable):
            normalized, mean, variance = normalize_by_batch(x, gamma, beta, self.epsilon)
            if self.observer is not None:
                self.observer(step, mean, variance)
            else:
                self.learn(step, mean, variance)
            return normalized
        # One multiply and one add.
        scale = gamma * ops.rsqrt(row_at(self.moving_variance, self.statistics_rows, step) + self.epsilon)
        shift = beta - row_at(self.moving_mean, self.statistics_rows, step) * scale
        return ops.cast(ops.cast(x, scale.dtype) * scale + shift, x.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def learn(self, step: int, mean: Any, variance: Any) -> None:
        """Move the statistics of a step towards those of a batch."""
        self._learn(self.moving_mean, step, mean)
        self._learn(self.moving_variance, step, variance)

    def _learn(self, moving: keras.Variable, step: Any, value: Any) -> None:
        row = self.statistics_rows[min(step, self.steps - 1)]
        value = ops.cast(value, moving.dtype)
        # As a tensor: JAX refuses to slice into a variable.
        table = ops.convert_to_tensor(moving)
        updated = table[row] * self.momentum + value * (1 - self.momentum)
        moving.assign(ops.slice_update(table, [row, 0], updated[None]))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "steps": self.steps,
            "sharing": self.sharing,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }
