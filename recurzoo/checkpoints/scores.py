"""The test scores in a checkpoint's record: under which names they stand there, and the one that tells most."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

# On what the scores were measured: how many images, their fingerprint, or how many generated grids in each phase.
IMAGES, FINGERPRINT, GRIDS = "test_images", "test_fingerprint", "test_grids_a_phase"

# How a readout time that was not trained got its normalisation statistics.
WAYS = ("reused", "recomputed")

# What a score is of, for machines, and the headline's words for it.
ACCURACY, TEST_ACCURACY = "accuracy", "test accuracy"
_ACCURACY = "test_accuracy"
_F1 = re.compile(r"test_f1(?P<without>_without_queries)?_phase_(?P<phase>[0-9]{1,9})")
_READOUT = re.compile(rf"test_accuracy_at_readout_(?P<time>[0-9]{{1,9}})_(?P<way>{'|'.join(WAYS)})")


class Score(NamedTuple):
    """A test score, a share of 1; of one phase where the test has several.

    Attributes:
        metric: `accuracy` or `f1`.
        name: in words.
        value: float.
        phase: int, or None.
    """

    metric: str
    name: str
    value: float
    phase: int | None = None

    @property
    def rounded(self) -> str:
        """The value as people compare it."""
        return f"{self.value:.2%}" if self.metric == ACCURACY else f"{self.value:.4f}"


class Headline(NamedTuple):
    """The score by which a checkpoint is compared.

    Attributes:
        metric: `test accuracy`, or `F1 in phase N`, the last one's.
        value: float, a share of 1.
        examples: int, on how many images, or grids a phase; None if the record does not say.
    """

    metric: str
    value: float
    examples: int | None


def scores(metrics: Mapping[str, Any], of: str | None = None) -> list[Score]:
    """The test scores among a record's metrics.

    Args:
        metrics: the record's.
        of: str, the baseline that was trained beside the checkpoint, for that one's scores.
    """
    found = []
    for key, value in _of(metrics, of).items():
        if not _is_number(value):
            continue
        if key == _ACCURACY:
            found.append(Score(ACCURACY, "Test accuracy", value))
        elif match := _F1.fullmatch(key):
            name = "Test F1 without the query cells" if match["without"] else "Test F1"
            found.append(Score("f1", name, value, int(match["phase"])))
    return found


def headline(metrics: Mapping[str, Any], of: str | None = None) -> Headline | None:
    """The score by which a checkpoint is compared: the accuracy, or the F1 on the last phase's grids.

    Args:
        metrics: the record's.
        of: str, the baseline that was trained beside the checkpoint, for that one's.

    Returns:
        A `Headline`, or None without either.
    """
    found = _of(metrics, of)
    if found.get(_ACCURACY) is not None:
        return Headline(TEST_ACCURACY, found[_ACCURACY], found.get(IMAGES))
    phases = [int(match["phase"]) for key in found if (match := _F1.fullmatch(key)) and not match["without"]]
    if not phases:
        return None
    last = max(phases)
    return Headline(f"F1 in phase {last}", found[f"test_f1_phase_{last}"], found.get(GRIDS))


def describe(headline: Headline | None) -> str:
    """A checkpoint's figure in words."""
    # A record says what it likes.
    if headline is None or not _is_number(headline.value):
        return "not measured"
    metric, value, examples = headline
    count = f"{examples:,}" if isinstance(examples, int) else ""
    if metric == TEST_ACCURACY:
        return f"{value:.2%}" + (f" of {count} images" if count else "")
    return f"{value:.3f} {metric}" + (f", {count} grids" if count else "")


def readouts(metrics: Mapping[str, Any]) -> dict[int, dict[str, float]]:
    """The accuracies of a fully recurrent network at other readout times than its own, among a record's metrics.

    Args:
        metrics: the record's.

    Returns:
        By readout time, in order: the accuracy with the statistics of the last trained step `reused`, and with
        statistics `recomputed`.
    """
    found: dict[int, dict[str, float]] = {}
    for key, value in metrics.items():
        if (match := _READOUT.fullmatch(key)) and _is_number(value):
            found.setdefault(int(match["time"]), {})[match["way"]] = value
    return dict(sorted(found.items()))


def others(metrics: Mapping[str, Any], baseline: str | None = None) -> dict[str, Any]:
    """A record's metrics without test scores, a baseline's metrics, and what says on what they were measured.

    Args:
        metrics: the record's.
        baseline: str, the architecture that was trained beside the checkpoint.
    """
    told = {_ACCURACY, IMAGES, FINGERPRINT, GRIDS}
    return {
        key: value
        for key, value in metrics.items()
        if key not in told
        and not _F1.fullmatch(key)
        and not _READOUT.fullmatch(key)
        and not (baseline and key.startswith(f"{baseline}_"))
    }


def rounded(name: str, value: Any) -> str:
    """One of `others` as people read it."""
    if not isinstance(value, float):
        return "" if value is None else str(value)
    return f"{value:.2%}" if name.endswith(ACCURACY) else f"{value:.4g}"


def others_in_words(metrics: Mapping[str, Any], baseline: str | None = None) -> dict[str, str]:
    """What `others` gives, names and values as people read them."""
    return {name.replace("_", " "): rounded(name, value) for name, value in others(metrics, baseline).items()}


def _of(metrics: Mapping[str, Any], baseline: str | None) -> dict[str, Any]:
    start = f"{baseline}_" if baseline else ""
    return {key.removeprefix(start): value for key, value in metrics.items() if key.startswith(start)}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
