"""Answers as soon as a network is sure: each image stops at the step where it is, and spares the rest of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import keras
import numpy as np
from keras import ops

from recurzoo.analysis.reading import entropy, predicted, probabilities
from recurzoo.analysis.readouts import Readouts
from recurzoo.analysis.subject import BATCH, batches
from recurzoo.layers.operations import macs_by_step
from recurzoo.rewriting.steps import Piece, State, Steps, gather, readout_of, state_names

if TYPE_CHECKING:
    from recurzoo.models import ZooModel

Measure = Literal["confidence", "entropy", "agreement"]
Score = Callable[[np.ndarray, np.ndarray], float]
# Labels that agree, for the measure of that name.
AGREEING = 3


@dataclass(frozen=True)
class Answers:
    """What an `Anytime` network answers.

    Attributes:
        labels: int array `(images,)`, the likeliest classes; `(images, height, width)` of answers by pixel.
        steps: int array `(images,)`, steps taken of all stages together.
        operations: int array `(images,)`, multiply-accumulates spent, those of the heads included.
        logits: array `(images, classes)`, from which the labels are.
    """

    labels: np.ndarray
    steps: np.ndarray
    operations: np.ndarray
    logits: np.ndarray


@dataclass(frozen=True)
class Policy:
    """What some thresholds cost and bring, on some images.

    Attributes:
        threshold: for each the threshold.
        score: the share of right labels, or whatever was asked for.
        operations: mean multiply-accumulates an image.
        steps: mean steps an image.
    """

    threshold: np.ndarray
    score: np.ndarray
    operations: np.ndarray
    steps: np.ndarray


def anytime(
    model: ZooModel | str | Path,
    threshold: float = 0.9,
    measure: Measure = "confidence",
    readouts: Readouts | None = None,
) -> Anytime:
    """A network that stops for each image as soon as it is sure.

    After each step that can be read out, an image whose measure is strictly greater than the threshold has its answer,
    and is left out of the batch for all that follows. The measures lie in 0..1, where 1 is surest, so that at threshold
    1 no image stops early.

    Args:
        model: what `recurzoo.load` takes, or a Keras model with a head, whose layers stand in a row and whose images
            are of a fixed size.
        threshold: float in 0..1.
        measure: `"confidence"`, the probability of the likeliest class; `"entropy"`, 1 less the entropy of the
            probabilities over the logarithm of the number of classes; `"agreement"`, the share of the last three
            readouts that have the present label.
        readouts: heads from `recurzoo.fit_readouts`; where there is none, the network's own is used, if it fits.

    Returns:
        An `Anytime`, to be called with images.

    Raises:
        ValueError: if the threshold is outside 0..1, the measure is none of these, or the model cannot be read out.

    Example:
        >>> sure = recurzoo.anytime("rc-4-w16", threshold=0.9)
        >>> answers = sure(images)
        >>> answers.labels, answers.steps.mean(), answers.operations.mean()
    """
    if isinstance(model, (str, Path)):
        from recurzoo.zoo.loading import load

        model = load(model)
    return Anytime(model, threshold, measure, readouts)


class Anytime:
    """See `recurzoo.anytime`.

    Attributes:
        model: the network.
        threshold: float in 0..1.
        measure: one of `Measure`'s words.
        readouts: fitted heads, by the names of the states.
    """

    def __init__(
        self,
        model: keras.Model,
        threshold: float = 0.9,
        measure: Measure = "confidence",
        readouts: Readouts | None = None,
    ):
        if not 0 <= threshold <= 1:
            raise ValueError(f"A threshold lies between 0 and 1. Received: threshold={threshold}")
        if measure not in get_args(Measure):
            raise ValueError(f"What is measured is one of {get_args(Measure)}. Received: measure={measure!r}")
        self.model, self.threshold, self.measure = model, float(threshold), measure
        self.readouts = dict(readouts or {})
        self._network = network = Steps(model)
        if not network.is_readable(network.steps[-1]):
            raise ValueError(f"Answers are those of a network with a head. Received: {model.name!r}, without one")
        known = {state_names(piece)[-1] for piece in network.steps}
        if unknown := sorted(set(self.readouts) - known):
            raise ValueError(f"This network has no such states. Received: readouts of {', '.join(unknown[:3])}")
        self._macs = macs_by_step(model)
        self._compiled: dict[bool, list[_Part]] = {}

    def at(self, threshold: float) -> Anytime:
        """The same at another threshold."""
        other = Anytime(self.model, threshold, self.measure, self.readouts)
        other._compiled = self._compiled
        return other

    def __call__(self, images: Any, batch_size: int = BATCH) -> Answers:
        """Answer for some images.

        Args:
            images: array `(images, height, width, channels)`, pixels in 0..255.
            batch_size: int, images that begin together.

        Returns:
            `Answers`.
        """
        images = np.asarray(images)
        answers = [self._answer(batch) for _, batch in batches(images, "answering", batch_size)]
        whole = (np.concatenate([getattr(part, name) for part in answers]) for name in Answers.__dataclass_fields__)
        return Answers(*whole)

    def _answer(self, state: State) -> Answers:
        count = int(state.shape[0])
        logits: np.ndarray | None = None
        steps, operations = np.zeros(count, int), np.zeros(count, int)
        going = np.arange(count)
        earlier: list[np.ndarray] = []
        taken = spent = 0
        parts = self._parts(early=self.threshold < 1)
        for part in parts:
            state, tensor = part.run(_padded(state))
            taken, spent = taken + part.steps, spent + part.operations
            read = np.asarray(ops.convert_to_numpy(tensor))[: len(going)]
            stop = np.ones(len(going), bool)
            if part is not parts[-1]:
                stop = sureness(self.measure, read, earlier) > self.threshold
                earlier = [*earlier, predicted(read)][1 - AGREEING :]
            logits = np.zeros((count, *read.shape[1:]), read.dtype) if logits is None else logits
            done = going[stop]
            logits[done], steps[done], operations[done] = read[stop], taken, spent
            if stop.all():
                break
            if stop.any():
                going, earlier = going[~stop], [labels[~stop] for labels in earlier]
                state = gather(state, np.flatnonzero(~stop))
        assert logits is not None
        return Answers(predicted(logits), steps, operations, logits)

    def probe(self, images: Any, labels: Any, score: Score | None = None) -> Probe:
        """Look at every readout of some images, without stopping: what thresholds and curves are chosen from.

        Args:
            images: array `(images, height, width, channels)`, pixels in 0..255.
            labels: int array `(images,)`; of answers by pixel `(images, height, width)`.
            score: of logits and labels; the share of right labels by default.

        Returns:
            A `Probe`.
        """
        images, parts = np.asarray(images), self._parts(early=True)
        logits: list[list[np.ndarray]] = [[] for _ in parts]
        for _, state in batches(images, "reading out"):
            for part, found in zip(parts, logits, strict=True):
                state, tensor = part.run(state)
                found.append(ops.convert_to_numpy(tensor))
        read = np.array([part.operations_of_reading for part in parts])
        together = np.cumsum([part.operations for part in parts])
        return Probe(
            measure=self.measure,
            names=tuple(part.name for part in parts),
            logits=np.stack([np.concatenate(found) for found in logits]),
            labels=np.asarray(labels),
            steps=np.cumsum([part.steps for part in parts]),
            # To each readout by itself, and with all readouts before it.
            alone=together - np.cumsum(read) + read,
            together=together,
            score=score or _share_right,
        )

    def calibrate(
        self,
        images: Any,
        labels: Any,
        accuracy: float | None = None,
        budget: float | None = None,
        score: Score | None = None,
    ) -> Anytime:
        """Choose the threshold on images that were not trained on, and are not those to be measured.

        Args:
            images: array `(images, height, width, channels)`, pixels in 0..255.
            labels: int array `(images,)`.
            accuracy: float in 0..1: the fewest operations by which it is reached.
            budget: float in 0..1, in place of an accuracy: the best score for so large a share of the operations of the
                whole network, on average.
            score: of logits and labels, in place of the accuracy.

        Returns:
            An `Anytime` with that threshold.

        Raises:
            ValueError: if not one of accuracy and budget is given, or no threshold reaches it.
        """
        return self.at(self.probe(images, labels, score).choose(accuracy, budget))

    def _parts(self, early: bool) -> list[_Part]:
        """The network cut after each step where it is read out: after the last alone, or `early` too."""
        if early not in self._compiled:
            parts: list[_Part] = []
            pieces: list[Piece] = []
            for piece in self._network.body:
                pieces.append(piece)
                if piece is self._network.body[-1] or (early and self._reads(piece)):
                    parts.append(self._part(pieces))
                    pieces = []
            self._compiled[early] = parts
        return self._compiled[early]

    def _reads(self, piece: Piece) -> bool:
        return piece.step is not None and (state_names(piece)[-1] in self.readouts or self._network.is_readable(piece))

    def _part(self, pieces: list[Piece]) -> _Part:
        network, name = self._network, state_names(pieces[-1])[-1]
        head = None if pieces[-1] is network.body[-1] else self.readouts.get(name)
        reading = self._operations(network.head) if head is None else int(head.kernel.size)
        return _Part(
            name=name,
            run=network.compile(pieces, (head or network).read_out),
            steps=sum(piece.step is not None for piece in pieces),
            operations=self._operations(pieces) + reading,
            operations_of_reading=reading,
        )

    def _operations(self, pieces: Iterable[Piece]) -> int:
        return sum(self._macs.get(piece.name, 0) for piece in pieces)


@dataclass(frozen=True)
class _Part:
    """What a network does from one readout to the next."""

    name: str
    run: Callable[[State], tuple[State, Any]]
    steps: int
    operations: int
    operations_of_reading: int


@dataclass(frozen=True, eq=False)
class Probe:
    """Every readout of some images.

    Attributes:
        measure: one of `Measure`'s words.
        names: of the states that are read.
        logits: array `(readouts, images, ..., classes)`.
        labels: of the images.
        steps: array `(readouts,)`, steps taken until then.
        alone: array `(readouts,)`, multiply-accumulates of a network that is read out only there.
        together: array `(readouts,)`, those with all readouts before it.
        score: of logits and labels.
    """

    measure: Measure
    names: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray
    steps: np.ndarray
    alone: np.ndarray
    together: np.ndarray
    score: Score

    def sureness(self) -> np.ndarray:
        """The measure of each image at each readout but the last, `(readouts - 1, images)`."""
        labels = [predicted(logits) for logits in self.logits]
        found = [
            sureness(self.measure, logits, labels[max(0, place + 1 - AGREEING) : place])
            for place, logits in enumerate(self.logits[:-1])
        ]
        return np.stack(found) if found else np.zeros((0, self.logits.shape[1]))

    def policies(self, thresholds: np.ndarray) -> Policy:
        """What each threshold costs and brings."""
        measured, rows = self.sureness(), []
        for threshold in thresholds:
            sure = np.concatenate([measured > threshold, np.ones((1, self.logits.shape[1]), bool)])
            stop = sure.argmax(axis=0)
            spent = (self.together if threshold < 1 else self.alone)[stop]
            logits = self.logits[stop, np.arange(len(stop))]
            rows.append((self.score(logits, self.labels), spent.mean(), self.steps[stop].mean()))
        score, operations, steps = np.array(rows, float).reshape(-1, 3).T
        return Policy(np.asarray(thresholds, float), score, operations, steps)

    def thresholds(self, most: int = 100) -> np.ndarray:
        """Thresholds that differ in what they do, from 0 to 1: quantiles of the measures."""
        values = self.sureness().ravel()
        chosen = np.quantile(values, np.linspace(0, 1, most)) if len(values) else np.zeros(0)
        return np.unique(np.clip(np.concatenate([[0.0], chosen, [1.0]]), 0, 1))

    def fixed(self) -> Policy:
        """What it costs and brings to read all images out after the same step."""
        scores = np.array([self.score(logits, self.labels) for logits in self.logits])
        return Policy(np.full(len(scores), np.nan), scores, self.alone.astype(float), self.steps.astype(float))

    def choose(self, accuracy: float | None = None, budget: float | None = None) -> float:
        """The threshold for a wished accuracy, or for a share of the operations; see `Anytime.calibrate`."""
        if (accuracy is None) == (budget is None):
            raise ValueError(
                f"A threshold is chosen for an accuracy or for a budget. Received: accuracy={accuracy}, budget={budget}"
            )
        found = self.policies(self.thresholds())
        if accuracy is not None:
            enough, wish = found.score >= accuracy, f"accuracy={accuracy}, of at most {found.score.max():.4f}"
            best = np.lexsort((-found.score, found.operations))
        else:
            share = found.operations / self.alone[-1]
            enough, wish = share <= (budget or 0), f"budget={budget}, of at least {share.min():.4f}"
            best = np.lexsort((found.operations, -found.score))
        if not enough.any():
            raise ValueError(f"No threshold reaches this on these images. Received: {wish}")
        return float(found.threshold[best][enough[best]][0])


def sureness(measure: Measure, logits: np.ndarray, earlier: list[np.ndarray]) -> np.ndarray:
    """How sure logits are of each image, `(images,)` in 0..1; of answers by pixel, the mean.

    Args:
        measure: one of `Measure`'s words.
        logits: array `(images, ..., classes)`.
        earlier: the labels of the readouts before.
    """
    if measure == "agreement":
        label = predicted(logits)
        equal = sum((labels == label for labels in earlier[1 - AGREEING :]), start=np.ones(label.shape))
        found = equal / AGREEING
    elif measure == "entropy":
        return np.clip(1 - entropy(logits) / np.log(max(2, logits.shape[-1])), 0, 1)
    else:
        found = probabilities(logits).max(axis=-1)
    return found.reshape(len(found), -1).mean(axis=1)


def _share_right(logits: np.ndarray, labels: np.ndarray) -> float:
    return float((predicted(logits) == labels).mean())


def _padded(state: State) -> State:
    """A state of as many images as a power of two, where each size is compiled anew: the others are of no account."""
    if keras.backend.backend() != "jax":
        return state
    count = int(readout_of(state).shape[0])
    size = 1 << (count - 1).bit_length()
    return state if size == count else gather(state, np.minimum(np.arange(size), count - 1))
