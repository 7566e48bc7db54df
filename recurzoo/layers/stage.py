"""The stage: one block shape applied for T steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import keras
from keras import ops

from recurzoo.layers.blocks import Block
from recurzoo.layers.rematerialization import rematerialize
from recurzoo.layers.settings import Owner
from recurzoo.layers.shortcut import Shortcut, make_shortcut
from recurzoo.layers.step import Kernels, Step
from recurzoo.layers.step_normalization import Normalization, StepNormalization
from recurzoo.layers.step_table import MOST_STEPS, rows_of_steps
from recurzoo.layers.stochastic_depth import StochasticDepth
from recurzoo.sharing import HardBank, Initializer, KernelBank, Loop, Sharing, find_loops, tied


@keras.saving.register_keras_serializable("recurzoo")
class Stage(Owner, keras.layers.Layer):
    """Applies one block shape for T steps, whose kernels a bank provides.

    Slots are the convolutions that a bank serves. By default each convolution site of the block has a bank of its own
    (slots = steps); with `across_sites` one bank serves all sites, step by step (slots = sites * steps).

    The first step may change the shape (`strides`, or other channels); it then has a shortcut of its own. Where a
    site's kernel has another shape at that step than at the later ones, that one kernel stays out of the bank.

    Args:
        block: a `Block`, what one step does.
        steps: int, T.
        sharing: a `Sharing`, or a tuple of one for each bank.
        normalization: what the steps' normalizations share, one of `StepNormalization`'s words or an index.
        strides: int, of the first step.
        shortcut: `"projection"` or `"padding"`, used where the first step changes the shape.
        across_sites: bool, whether one bank serves all convolution sites.
        before: dict from step to a layer that runs before that step and keeps the channels (RC's pooling).
        death_rates: list of floats, one a step, for stochastic depth; None for none.
        gamma_initializer: initializer of the normalizations' scales.
        kernel_initializer: how kernels start, `"he_normal"` or `"pytorch"`, see `recurzoo.sharing.kernel_initializer`.
        unroll: bool. If False, repeated steps run as a real loop when not training; results are equal.

    Attributes:
        remat: bool, whether training keeps only the input of each step and computes it again for the gradients.

    Input shape:
        `(batch, height, width, input channels)`.

    Output shape:
        `(batch, new height, new width, block.channels)`.

    Raises:
        ValueError: if the number of steps is not positive or beyond reason, or a sharing does not fit the slots.

    Example:
        A recurrent stage, four steps of one kernel pair, each with its own normalization:

        >>> stage = Stage(PostActivationBlock(64), steps=4, sharing=tied(4))
        >>> stage(images).shape
    """

    def __init__(
        self,
        block: Block,
        steps: int,
        sharing: Sharing | Sequence[Sharing],
        normalization: Normalization = "independent",
        strides: int = 1,
        shortcut: Shortcut = "projection",
        across_sites: bool = False,
        before: Mapping[int, keras.layers.Layer] | None = None,
        death_rates: Sequence[float] | None = None,
        gamma_initializer: Any = "ones",
        kernel_initializer: Initializer = "he_normal",
        unroll: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not 1 <= steps <= MOST_STEPS:
            raise ValueError(f"A stage has 1 to {MOST_STEPS} steps. Received: steps={steps}")
        if death_rates is not None and len(death_rates) != steps:
            raise ValueError(f"Stochastic depth needs {steps} death rates, one a step. Received: {len(death_rates)}")
        if not all(0 <= int(step) < steps for step in before or {}):
            raise ValueError(f"Layers run before steps 0 to {steps - 1}. Received: before={before}")
        self.block = block
        self.steps = steps
        self.sharing = tuple(sharing) if isinstance(sharing, (tuple, list)) else sharing
        self.normalization: Normalization = normalization if isinstance(normalization, str) else tuple(normalization)
        self.strides = strides
        self.shortcut_kind = shortcut
        self.across_sites = across_sites
        # By words: TensorFlow exports no dictionary of layers by number.
        self._before = {str(step): layer for step, layer in (before or {}).items()}
        self.death_rates = None if death_rates is None else list(death_rates)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.kernel_initializer: Initializer = kernel_initializer
        self.unroll = unroll
        self.remat = False

    @property
    def before(self) -> dict[int, keras.layers.Layer]:
        """The layers that run between steps, by the step they run before."""
        return {int(step): layer for step, layer in self._before.items()}

    def build(self, input_shape: Any) -> None:
        block, input_channels = self.block, input_shape[-1]
        self.changes_shape = self.strides != 1 or input_channels != block.channels
        # Whether step 0 is another one than those that go on from it.
        self.has_entry = self.changes_shape and block.chained
        first = block.convolutions(input_channels)
        self.convolutions = block.convolutions(block.channels) if self.steps > 1 and block.chained else first
        self.entry_banks = {
            site: self._make_bank(tied(1), 1, convolution.kernel_shape, f"{site}_entry")
            for site, convolution in first.items()
            if convolution.kernel_shape != self.convolutions[site].kernel_shape
        }
        self.banks = self._make_banks()
        for bank in (*self.entry_banks.values(), *self.banks):
            bank.build()

        normalized = block.normalizations(input_channels)
        if self.steps > 1 and block.chained and normalized != block.normalizations(block.channels):
            raise ValueError(
                f"{type(block).__name__} normalizes its input, so a first step from {input_channels} to "
                f"{block.channels} channels needs a stage of its own. Received: steps={self.steps}"
            )
        self.normalizations = {
            site: StepNormalization(
                self.steps,
                self.normalization,
                gamma_initializer=self.gamma_initializer,
                name=site,
                dtype=self.dtype_policy,
            )
            for site in normalized
        }
        for site, channels in normalized.items():
            self.normalizations[site].build((None, None, None, channels))

        self.biases = {}
        if block.bias is not None:
            self.bias_rows = rows_of_steps(block.bias, self.steps)
            for site, convolution in self.convolutions.items():
                shape = (max(self.bias_rows) + 1, convolution.output_channels)
                self.biases[site] = self.add_weight(name=f"{site}_bias", shape=shape, initializer="zeros")
        self.shortcut: Any = None
        if self.has_entry:
            self.shortcut = make_shortcut(
                self.shortcut_kind,
                block.channels,
                self.strides,
                use_bias=block.bias is not None,
                normalize=block.normalized_shortcut,
                initializer=self.kernel_initializer,
                dtype=self.dtype_policy,
            )
            self.shortcut.build(input_shape)
        self.dropout = self.stochastic_depth = None
        if block.dropout:
            self.dropout = keras.layers.Dropout(block.dropout, name="dropout", dtype=self.dtype_policy)
        if self.death_rates:
            self.stochastic_depth = StochasticDepth(self.death_rates, name="stochastic_depth", dtype=self.dtype_policy)
        self.finish_parts()
        self.built = True

    def _make_banks(self) -> list[KernelBank]:
        sites = list(self.convolutions.items())
        if self.across_sites:
            shapes = {convolution.kernel_shape for _, convolution in sites}
            if len(shapes) > 1 or self.entry_banks:
                raise ValueError(f"One bank across sites needs kernels of one shape. Received: {sorted(shapes)}")
            served = [("bank", shapes.pop(), self.steps * len(sites))]
        else:
            served = [
                (f"{site}_bank", convolution.kernel_shape, self.steps - (site in self.entry_banks))
                for site, convolution in sites
            ]
        sharings = self.sharing if isinstance(self.sharing, tuple) else (self.sharing,) * len(served)
        if len(sharings) != len(served):
            raise ValueError(f"This stage has {len(served)} banks, each needs a sharing. Received: {len(sharings)}")
        return [
            self._make_bank(sharing, slots, shape, name)
            for sharing, (name, shape, slots) in zip(sharings, served, strict=True)
        ]

    def _make_bank(self, sharing: Sharing, slots: int, shape: tuple[int, ...], name: str) -> KernelBank:
        return sharing.bank(slots, shape, initializer=self.kernel_initializer, name=name, dtype=self.dtype_policy)

    def slot_of(self, site: str, step: int) -> tuple[KernelBank, int]:
        """The bank and the slot that provide a convolution's kernel; after the last step, those of the last step."""
        step = min(step, self.steps - 1)
        position = list(self.convolutions).index(site)
        if self.across_sites:
            return self.banks[0], step * len(self.convolutions) + position
        if site not in self.entry_banks:
            return self.banks[position], step
        return (self.entry_banks[site], 0) if step == 0 else (self.banks[position], step - 1)

    def loops(self, steps: int | None = None) -> list[Loop]:
        """The loops that run this stage: what repeats, within each stretch of constant shape.

        Args:
            steps: int, how many steps to run; all by default.

        Returns:
            A list of `Loop`s that covers the steps in order.
        """
        steps = self.steps if steps is None else steps
        breaks = {0, steps, *(step for step in self.before if step < steps), *([1] if self.has_entry else [])}
        found = []
        for start, stop in pairwise(sorted(breaks)):
            keys = [self.loop_key(step) for step in range(start, stop)]
            found += [loop._replace(start=loop.start + start) for loop in find_loops(keys)]
        return found

    def loop_key(self, step: int) -> tuple[Hashable, ...]:
        """Steps of equal keys may run as one loop."""
        addresses = [self.slot_of(site, step) for site in self.convolutions]
        return tuple(bank.loop_key(slot) for bank, slot in addresses)

    def call(
        self,
        x: Any,
        steps: int | None = None,
        skip: Collection[int] = (),
        trajectory: bool = False,
        extra_scale: float | None = None,
        training: bool | None = None,
    ) -> Any:
        """Run the stage.

        Args:
            x: tensor `(batch, height, width, input channels)`.
            steps: int, how many steps to run instead of all. More than there are repeat the last step, which then must
                share its kernels with the one before, or be meant to repeat by `extra_scale`; its normalization is
                reused.
            skip: steps to leave out.
            trajectory: bool, whether to return the state after each step instead of the last one only.
            extra_scale: float, a factor for the residuals of the steps after the last one.
            training: bool.

        Returns:
            A tensor, or with `trajectory` a list of them.

        Raises:
            ValueError: if the stage cannot run so many steps, or skip the given ones.
        """
        steps = self.steps if steps is None else steps
        self._check(steps, skip, extra_scale)
        states = []
        as_loop = not (self.unroll or training or trajectory or skip)
        kernels = None if as_loop else self.kernels()
        for loop in self.loops(steps) if as_loop else [Loop(step, 1, 1) for step in range(steps)]:
            if loop.start in self.before:
                x = self.before[loop.start](x)
            if kernels is None:
                x = self._run_loop(x, loop, extra_scale)
            elif loop.start not in skip:
                x = self.run_step(x, loop.start, kernels(loop.start), training, extra_scale)
            states.append(x)
        return states if trajectory else x

    def compute_output_spec(
        self,
        x: Any,
        steps: int | None = None,
        skip: Collection[int] = (),
        trajectory: bool = False,
        extra_scale: float | None = None,
        training: bool | None = None,
    ) -> Any:
        if trajectory or not self.block.chained:
            return super().compute_output_spec(
                x, steps=steps, skip=skip, trajectory=trajectory, extra_scale=extra_scale, training=training
            )
        # Without running all steps, which takes minutes in a deep stage: only the first one's stride, and what runs
        # before a step, change the size.
        steps = self.steps if steps is None else steps
        self._check(steps, skip, extra_scale)
        shape = tuple(x.shape)
        for step in sorted({0, *self.before}):
            if step in self.before and step < steps:
                layer = self.before[step]
                if not layer.built:
                    layer.build(shape)
                shape = layer.compute_output_spec(keras.KerasTensor(shape, self.compute_dtype)).shape
            if step == 0:
                sides = [side and -(-side // self.strides) for side in shape[1:3]]
                shape = (shape[0], *sides, self.block.channels)
        return keras.KerasTensor(shape, self.compute_dtype)

    def kernels(self) -> Callable[[int], Kernels]:
        """The kernels of all steps: a function from a step to what its convolutions use."""
        served = {bank.name: bank.serve() for bank in (*self.entry_banks.values(), *self.banks)}

        def of_step(step: int) -> Kernels:
            addresses = {site: self.slot_of(site, step) for site in self.convolutions}
            return {site: served[bank.name][slot] for site, (bank, slot) in addresses.items()}

        return of_step

    def kernel_table(self, steps: Sequence[int]) -> Callable[[Any], Kernels]:
        """The kernels for a loop: a function from a turn, an int tensor, to what its convolutions use.

        Args:
            steps: the step at each turn, all of one `loop_key`.
        """
        addresses = {site: [self.slot_of(site, step) for step in steps] for site in self.convolutions}
        tables = {site: at[0][0].table([slot for _, slot in at]) for site, at in addresses.items()}
        return lambda turn: {site: table(turn) for site, table in tables.items()}

    def run_step(
        self, x: Any, step: Any, kernels: Kernels, training: bool | None = None, extra_scale: float | None = None
    ) -> Any:
        """Run one step by itself: an int, or an int tensor inside a loop."""

        def run(x: Any, kernels: Kernels) -> Any:
            return self.block.apply(x, Step(self, step, kernels, training, extra_scale))

        return rematerialize(self, run, x, kernels) if self.remat and training else run(x, kernels)

    def _run_loop(self, x: Any, loop: Loop, extra_scale: float | None) -> Any:
        starts = [loop.start + offset for offset in range(loop.period)]
        tables = [self.kernel_table(range(start, loop.stop, loop.period)) for start in starts]

        def repeat_once(repeat: Any, x: Any) -> Any:
            for start, kernels_at in zip(starts, tables, strict=True):
                x = self.run_step(x, start + repeat * loop.period, kernels_at(repeat), False, extra_scale)
            return x

        return repeat_once(0, x) if loop.repeats == 1 else ops.fori_loop(0, loop.repeats, repeat_once, x)

    def _check(self, steps: int, skip: Collection[int], extra_scale: float | None) -> None:
        if steps < 1:
            raise ValueError(f"A stage runs at least one step. Received: steps={steps}")
        if steps > self.steps:
            last = [self.slot_of(site, self.steps - 1)[0] for site in self.convolutions]
            repeats = self.steps == 1 or self.loop_key(self.steps - 1) == self.loop_key(self.steps - 2)
            shared = repeats and all(isinstance(bank, HardBank) for bank in last)
            if self.steps == 1 and self.changes_shape:
                raise ValueError(f"A step that changes the shape cannot be repeated. Received: steps={steps}")
            if not shared and extra_scale is None:
                raise ValueError(
                    f"Only a stage whose last step is hard-shared runs more than its {self.steps} steps, or one that "
                    f"is told the extra_scale of what it was not trained to repeat. Received: steps={steps}"
                )
        if not all(0 <= step < steps for step in skip):
            raise ValueError(f"Only steps 0 to {steps - 1} can be skipped here. Received: skip={tuple(skip)}")
        if self.has_entry and 0 in skip:
            raise ValueError(f"Step 0 changes the shape and cannot be skipped. Received: skip={tuple(skip)}")

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "block": serialize(self.block),
            "steps": self.steps,
            "sharing": [serialize(sharing) for sharing in self.sharing]
            if isinstance(self.sharing, tuple)
            else serialize(self.sharing),
            "normalization": self.normalization,
            "strides": self.strides,
            "shortcut": self.shortcut_kind,
            "across_sites": self.across_sites,
            "before": {step: serialize(layer) for step, layer in self._before.items()},
            "death_rates": self.death_rates,
            "gamma_initializer": serialize(self.gamma_initializer),
            "kernel_initializer": self.kernel_initializer,
            "unroll": self.unroll,
            **self.parts_config(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Stage:
        built = {key: keras.saving.deserialize_keras_object(config[key]) for key in ("block", "sharing", "before")}
        return cls.with_parts({**config, **built})
