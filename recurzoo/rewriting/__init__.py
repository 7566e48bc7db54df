"""Soft, relaxed and plain sharing turned into the hard sharing it is close to."""

from recurzoo.rewriting.batch_norm import reestimate_batch_norm
from recurzoo.rewriting.fold import consolidate, fold, materialize
from recurzoo.rewriting.report import BankReport, FoldReport, StageReport

__all__ = [
    "BankReport",
    "FoldReport",
    "StageReport",
    "consolidate",
    "fold",
    "materialize",
    "reestimate_batch_norm",
]
