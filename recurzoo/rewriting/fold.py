"""Folding, materializing and consolidating are one act: banks of a model give way to hard-shared ones."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from recurzoo.families.counting import count_parameters
from recurzoo.layers.tree import all_layers
from recurzoo.rewriting.banks import Plan, banked_layers, replace_banks
from recurzoo.rewriting.batch_norm import reestimate_batch_norm
from recurzoo.rewriting.outputs import check_outputs
from recurzoo.rewriting.report import BankReport, FoldReport, StageReport, count_layers
from recurzoo.sharing import Fold, KernelBank, RelaxedBank, SoftBank, untied


def fold(
    model: keras.Model,
    threshold: float = 0.9,
    data: tuple[Any, Any] | None = None,
    train_images: Any = None,
    batch_size: int = 250,
) -> keras.Model:
    """Tie the convolutions whose kernels are alike, so that loops appear (Savarese & Maire, 2019, section 4.3).

    In every stage of several steps each slot takes the kernel of the most similar of the earlier kept slots, if that is
    similar enough, times a signed scale of its own. The result is an ordinary model of the zoo: it saves, loads, trains
    and exports as any other. It has fewer layers, and fewer parameters where a soft bank's slots end in fewer kernels
    than it had templates.

    Args:
        model: a model of the zoo, or one with `Stage`s or shared layers, such as `soften` makes; left as it is. Soft,
            relaxed and hard banks fold alike.
        threshold: float in 0..1, the absolute cosine from which two slots are tied: 1 ties only what is equal but for
            scale, 0 ties all slots of a bank.
        data: pair of images `(images, height, width, channels)`, pixels in 0..255, and int labels `(images,)`, on which
            to measure the accuracy before and after.
        train_images: array of training images, augmented as in training. If given, the new model's
            batch-normalization statistics are measured anew on them; if not, they stay those of `model`.
        batch_size: int, images run at once for both.

    Returns:
        A new, uncompiled model whose attribute `fold_report`, a `FoldReport`, says what was done. The report is not
        saved with the model.

    Raises:
        ValueError: if the threshold is outside 0..1, the model has no stage with several slots, or `data` are not
            images and as many labels.

    Example:
        >>> folded = recurzoo.fold(recurzoo.load("swrn-22-1-2"), threshold=0.8)
        >>> print(folded.fold_report)
    """
    plan = {
        name: tuple(bank.fold(threshold) for bank in layer.banks)
        for name, layer in banked_layers(model).items()
        if any(bank.slots > 1 for bank in layer.banks)
    }
    if not plan:
        raise ValueError(f"Folding needs a stage of several steps. Received: {model.name!r}, which has none.")
    accuracies = {} if data is None else {"score_before": _accuracy(model, data, batch_size)}
    folded = replace_banks(model, plan)
    if data is not None:
        accuracies["score_after"] = _accuracy(folded, data, batch_size)
    if train_images is not None:
        reestimate_batch_norm(folded, train_images, batch_size)
        if data is not None:
            accuracies["score_reestimated"] = _accuracy(folded, data, batch_size)
    return _report(
        "fold", model, folded, plan, threshold, statistics_reestimated=train_images is not None, **accuracies
    )


def has_soft_banks(model: keras.Model) -> bool:
    """Whether some of a model's kernels are mixed of templates, so that there is something to materialize."""
    return any(isinstance(layer, SoftBank) for layer in all_layers(model))


def materialize(model: keras.Model) -> keras.Model:
    """Replace soft banks by the kernels they give: equal outputs, and nothing left to mix (eq. 1).

    Args:
        model: as for `fold`.

    Returns:
        A new, uncompiled model with a `fold_report`.

    Raises:
        ValueError: if the model has no soft bank.

    Example:
        >>> plain = recurzoo.materialize(recurzoo.load("swrn-22-1-2"))
    """

    def kernels(bank: KernelBank) -> Fold | None:
        if not isinstance(bank, SoftBank):
            return None
        return Fold(untied(bank.slots), ops.convert_to_numpy(bank.kernels()), None)

    plan = _plan_of_kind(model, kernels, "Materializing needs a model with softly shared kernels")
    plain = replace_banks(model, plan)
    # Images, and nothing else, are there to be tried.
    if len(model.inputs) == 1:
        check_outputs(model, plain)
    return _report("materialize", model, plain, plan)


def consolidate(model: keras.Model, data: tuple[Any, Any] | None = None, batch_size: int = 250) -> keras.Model:
    """Replace relaxed banks by their mean kernels; biases and normalizations stay per step.

    Args:
        model: as for `fold`.
        data: pair of images, pixels in 0..255, and int labels, on which to measure the accuracy before and after.
        batch_size: int, images run at once.

    Returns:
        A new, uncompiled model with a `fold_report`, whose `angle` says how far the kernels were from their means:
        under one degree it costs no accuracy.

    Raises:
        ValueError: if the model has no relaxed bank, or `data` are not images and as many labels.

    Example:
        >>> recurrent = recurzoo.consolidate(trained)
        >>> recurrent.fold_report.angle
    """

    def mean(bank: KernelBank) -> Fold | None:
        return bank.consolidate() if isinstance(bank, RelaxedBank) else None

    plan = _plan_of_kind(model, mean, "Consolidating needs a model with relaxed sharing")
    consolidated = replace_banks(model, plan)
    accuracies = {}
    if data is not None:
        accuracies["score_before"] = _accuracy(model, data, batch_size)
        accuracies["score_after"] = _accuracy(consolidated, data, batch_size)
    return _report("consolidate", model, consolidated, plan, **accuracies)


def _plan_of_kind(model: keras.Model, replacement: Any, needed: str) -> Plan:
    layers = banked_layers(model)
    plan = {name: tuple(replacement(bank) for bank in layer.banks) for name, layer in layers.items()}
    plan = {name: folds for name, folds in plan.items() if any(fold is not None for fold in folds)}
    if not plan:
        kinds = sorted({type(bank.sharing).__name__ for layer in layers.values() for bank in layer.banks})
        raise ValueError(f"{needed}. Received: {model.name!r}, with {', '.join(kinds) or 'no sharing'}")
    return plan


def _report(
    action: str, model: keras.Model, new: keras.Model, plan: Plan, threshold: float | None = None, **measured: Any
) -> keras.Model:
    stages = []
    layers = banked_layers(model)
    for name, after in banked_layers(new).items():
        pairs = zip(layers[name].banks, plan.get(name, ()), strict=False)
        banks = tuple(BankReport.of(bank, replacement) for bank, replacement in pairs if replacement is not None)
        if banks:
            stages.append(StageReport(name=name, loops=tuple(after.loops()), banks=banks))
    banks = tuple(bank for stage in stages for bank in stage.banks)
    report = FoldReport(
        action=action,
        threshold=threshold,
        layers_before=count_layers(model),
        layers_after=count_layers(new),
        parameters_before=count_parameters(model),
        parameters_after=count_parameters(new),
        stages=tuple(stages),
        weight_error=max(bank.weight_error for bank in banks),
        angle=max(bank.angle for bank in banks),
        **measured,
    )
    # Not as a plain attribute: Keras watches those for state to save.
    object.__setattr__(new, "fold_report", report)
    return new


def _accuracy(model: keras.Model, data: tuple[Any, Any], batch_size: int) -> float:
    images, labels = np.asarray(data[0]), np.asarray(data[1]).reshape(-1)
    if images.ndim != 4 or not len(images) or len(images) != len(labels) or len(model.output_shape) != 2:
        raise ValueError(
            "An accuracy is measured on images (images, height, width, channels) with a label each, by a model with a "
            f"head. Received: images of shape {images.shape}, {len(labels)} labels, outputs {model.output_shape}"
        )
    right = 0
    for start in range(0, len(images), batch_size):
        # Not `predict`, which would compile the model anew, and by XLA, for one pass.
        logits = model(ops.convert_to_tensor(images[start : start + batch_size]), training=False)
        guesses = ops.convert_to_numpy(logits).argmax(axis=1)
        right += int(np.sum(guesses == labels[start : start + batch_size]))
    return right / len(images)
