"""One model into another: sharing turned into the hard sharing it is close to, or into soft sharing."""

from recurzoo.rewriting.batch_norm import reestimate_batch_norm
from recurzoo.rewriting.fold import consolidate, fold, materialize
from recurzoo.rewriting.report import BankReport, FoldReport, StageReport
from recurzoo.rewriting.soften import plan_softening, soften
from recurzoo.rewriting.softening_plan import GroupReport, SofteningReport

__all__ = [
    "BankReport",
    "FoldReport",
    "GroupReport",
    "SofteningReport",
    "StageReport",
    "consolidate",
    "fold",
    "materialize",
    "plan_softening",
    "reestimate_batch_norm",
    "soften",
]
