"""The tables of a recipe, as frozen values."""

from __future__ import annotations

import json
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class Part(BaseModel):
    """Frozen; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augmentation(Part):
    """What happens to training images, in the order of the fields.

    Attributes:
        flip: mirror each image with probability 1/2.
        crop: pixels of zeros on every side before a random crop of the original size.
        cutout: side of the square that is painted over with the model's mean, in pixels; 0 for none.
    """

    flip: bool = False
    crop: Annotated[int, Field(ge=0)] = 0
    cutout: Annotated[int, Field(ge=0)] = 0


class Optimizer(Part):
    """SGD with momentum, or Adam.

    Attributes:
        kind: `"sgd"` or `"adam"`, of whose settings only `learning_rate` and `clip_value` can be set.
        learning_rate: the highest rate.
        momentum: in 0..1.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: coupled (added to the gradient before momentum), on everything but soft sharing's coefficients.
        clip_value: gradients are clipped to plus and minus this; None for no clipping.
    """

    kind: Literal["sgd", "adam"] = "sgd"
    learning_rate: Positive = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: NonNegative = 0.0
    clip_value: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind == "adam" and (sgd := self.model_fields_set & {"momentum", "nesterov", "weight_decay"}):
            raise ValueError(f"Adam has no {' and no '.join(sorted(sgd))} here")
        return self


class Schedule(Part):
    """How the learning rate goes.

    Attributes:
        kind: `"steps"` (times `factor` at the start of each of `epochs`, counted from 0), or, after a linear `warmup`
            over that fraction of the run, `"linear"` or `"cosine"` to zero.
        epochs: where steps are.
        factor: what a step multiplies by.
        warmup: fraction of the run.
    """

    kind: Literal["steps", "linear", "cosine"] = "steps"
    epochs: tuple[Annotated[int, Field(gt=0)], ...] = ()
    factor: Positive = 0.1
    warmup: Fraction = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        unused = ("warmup",) if self.kind == "steps" else ("epochs", "factor")
        # By value, since the schedule of a saved optimiser names all of its settings.
        for name in unused:
            if getattr(self, name) != (default := type(self).model_fields[name].default):
                raise ValueError(f'a schedule of the kind "{self.kind}" has no {name}; set it to {json.dumps(default)}')
        return self


class WeightAverage(Part):
    """An exponential average of the weights, which takes their place at the end.

    Attributes:
        decay: per step.
        last: the fraction of the run over which it is taken; 0 for no average.
    """

    decay: Fraction = 0.99
    last: Annotated[float, Field(ge=0, le=1)] = 0.0


class Pull(Part):
    """How the pull of relaxed sharing grows, epoch by epoch.

    Attributes:
        kind: `"exponential"`, from `start` in the first epoch to `end` in the last; or `"success"`, from `start` on
            times `factor` after each epoch whose training error is under `bound`, up to `end` (Neural GPUs' rule).
        start: the first epoch's pull.
        end: the last, or largest, one.
        factor: more than 1.
        bound: an error in 0..1.
    """

    kind: Literal["exponential", "success"] = "exponential"
    start: Positive = 1e-4
    end: Positive = 1e-1
    factor: Annotated[float, Field(gt=1)] = 1.2
    bound: Annotated[float, Field(gt=0, le=1)] = 0.1


class Curriculum(Part):
    """Phases of growing difficulty, of equal numbers of epochs.

    Attributes:
        phases: how many.
        examples: drawn for each phase, to train on.
        test_examples: drawn for each phase, to test on.
    """

    phases: Annotated[int, Field(gt=0)] = 5
    examples: Annotated[int, Field(gt=0)] = 5000
    test_examples: Annotated[int, Field(gt=0)] = 1000
