"""The tables of a recipe, as frozen values."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from recurzoo.base.records import FrozenModel

Count = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


# Of optimizers, schedules and pulls.
KINDS = ("sgd", "muon", "adam", "steps", "linear", "cosine", "exponential", "success")


def _kind(default: str, *others: str) -> Discriminator:
    """The field `kind` says which of several tables one is; left out, it is the default."""

    def read(table: Any) -> Any:
        return table.get("kind", default) if isinstance(table, dict) else getattr(table, "kind", None)

    kinds = " or ".join((default, *others))
    return Discriminator(read, custom_error_type="kind", custom_error_message=f"its kind is {kinds}")


class Augmentation(FrozenModel):
    """What happens to training images, in the order of the fields.

    Attributes:
        resized_crop: the smallest share of an image's area that a random part of it has, of a shape from 3:4 to 4:3,
            which is then resized (0.08 for ImageNet; Szegedy et al., 2015); None for the whole image. Images are then
            decoded anew in every epoch.
        flip: mirror each image with probability 1/2; `"alternating"` mirrors it in every other epoch, half of the
            images in the even ones (airbench: as good as random flips of more epochs).
        crop: pixels of zeros on every side before a random crop of the original size.
        cutout: side of the square that is painted over with the model's mean, in pixels; 0 for none. Where the images
            grow during the run, it grows with them.
    """

    resized_crop: Annotated[float, Field(gt=0, le=1)] | None = None
    flip: bool | Literal["alternating"] = False
    crop: Annotated[int, Field(ge=0)] = 0
    cutout: Annotated[int, Field(ge=0)] = 0


class Progressive(FrozenModel):
    """Images that grow during the run, up to the recipe's `image_size`.

    The statistics of the normalizations are those of the last size, so a run that uses this measures them anew
    (`reestimate`).

    Attributes:
        kind: how an image gets smaller: `"crop"`, a random window of it, or `"resize"`.
        sizes: height and width of the images, one size after the other; none means the recipe's all along.
        shares: of the epochs, how large a part each size has; what they leave is trained at `image_size`.
    """

    kind: Literal["crop", "resize"] = "crop"
    sizes: tuple[Count, ...] = ()
    shares: tuple[Fraction, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.sizes) != len(self.shares) or sum(self.shares) >= 1:
            raise ValueError("each of the sizes has a share of the epochs, and together they leave some to the last")
        return self

    def size_at(self, epoch: int, epochs: int, full: int) -> int:
        """The images' height and width in an epoch, counted from 0."""
        end = 0.0
        for size, share in zip(self.sizes, self.shares, strict=True):
            end += share * epochs
            if epoch < round(end):
                return size
        return full


class Momentum(FrozenModel):
    """What SGD and Muon have in common.

    Attributes:
        learning_rate: the highest rate.
        momentum: in 0..1.
        nesterov: whether the momentum is Nesterov's.
        weight_decay: coupled (added to the gradient before momentum), on everything but soft sharing's coefficients; of
            what Muon orthogonalizes it is apart from the gradient.
        clip_value: gradients are clipped to plus and minus this; None for no clipping.
    """

    learning_rate: Positive = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: NonNegative = 0.0
    clip_value: Positive | None = None


class SGD(Momentum):
    """SGD with momentum."""

    kind: Literal["sgd"] = "sgd"


class Muon(Momentum):
    """SGD, whose momentum is orthogonalized before it moves a kernel or a template (Jordan et al., 2024).

    Attributes:
        kind: `"muon"`.
        kernel_rate: the highest rate of kernels and templates, whose moves have the norm of an orthogonal matrix;
            `learning_rate` is that of all other weights, and both follow the schedule.
    """

    kind: Literal["muon"] = "muon"
    kernel_rate: Positive = 0.05


class Adam(FrozenModel):
    """Adam.

    Attributes:
        kind: `"adam"`.
        learning_rate: the highest rate.
        clip_value: gradients are clipped to plus and minus this; None for no clipping.
    """

    kind: Literal["adam"] = "adam"
    learning_rate: Positive = 0.001
    clip_value: Positive | None = None


Optimizer = Annotated[
    Annotated[SGD, Tag("sgd")] | Annotated[Muon, Tag("muon")] | Annotated[Adam, Tag("adam")],
    _kind("sgd", "muon", "adam"),
]


class Steps(FrozenModel):
    """A learning rate that is multiplied by `factor` at the start of each of `epochs`, counted from 0."""

    kind: Literal["steps"] = "steps"
    epochs: tuple[Count, ...] = ()
    factor: Positive = 0.1


class Linear(FrozenModel):
    """A learning rate that rises linearly over the fraction `warmup` of the run, and falls linearly to zero."""

    kind: Literal["linear"] = "linear"
    warmup: Fraction = 0.0


class Cosine(FrozenModel):
    """A learning rate that rises linearly over the fraction `warmup` of the run, and falls to zero as a cosine does."""

    kind: Literal["cosine"] = "cosine"
    warmup: Fraction = 0.0


Schedule = Annotated[
    Annotated[Steps, Tag("steps")] | Annotated[Linear, Tag("linear")] | Annotated[Cosine, Tag("cosine")],
    _kind("steps", "linear", "cosine"),
]


class WeightAverage(FrozenModel):
    """An exponential average of the weights, which takes their place at the end.

    Attributes:
        decay: per step.
        last: the fraction of the run over which it is taken; 0 for no average.
    """

    decay: Fraction = 0.99
    last: Annotated[float, Field(ge=0, le=1)] = 0.0


class ExponentialPull(FrozenModel):
    """A pull of relaxed sharing that rises by an equal factor each epoch, from `start` in the first to `end`."""

    kind: Literal["exponential"] = "exponential"
    start: Positive = 1e-4
    end: Positive = 1e-1


class SuccessPull(FrozenModel):
    """A pull of relaxed sharing that rises with success (Neural GPUs' rule).

    Attributes:
        kind: `"success"`.
        start: the first epoch's pull.
        end: the largest.
        factor: what each epoch with a training error under `bound` multiplies it by.
        bound: an error in 0..1.
    """

    kind: Literal["success"] = "success"
    start: Positive = 1e-4
    end: Positive = 1e-1
    factor: Annotated[float, Field(gt=1)] = 1.2
    bound: Annotated[float, Field(gt=0, le=1)] = 0.1


Pull = Annotated[
    Annotated[ExponentialPull, Tag("exponential")] | Annotated[SuccessPull, Tag("success")],
    _kind("exponential", "success"),
]


class Curriculum(FrozenModel):
    """Phases of growing difficulty, of equal numbers of epochs.

    Attributes:
        phases: how many.
        examples: drawn for each phase, to train on.
        test_examples: drawn for each phase, to test on.
    """

    phases: Count = 5
    examples: Count = 5000
    test_examples: Count = 1000
