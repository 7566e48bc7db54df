"""Soft, relaxed and plain sharing turned into the hard sharing it is close to."""

from recurzoo.folding.normalization import reestimate_batch_norm
from recurzoo.folding.replacing import consolidate, fold, materialize
from recurzoo.folding.report import BankReport, FoldReport, StageReport

__all__ = [
    "BankReport",
    "FoldReport",
    "StageReport",
    "consolidate",
    "fold",
    "materialize",
    "reestimate_batch_norm",
]
