"""How the steps of a stage share their kernels."""

from recurzoo.sharing.bank import Fold, Initializer, KernelBank, Sharing, kernel_initializer
from recurzoo.sharing.hard import HardBank, HardSharing, partly, tied, untied
from recurzoo.sharing.loops import Loop, find_loops
from recurzoo.sharing.relaxed import RelaxedBank, RelaxedSharing
from recurzoo.sharing.similarity import absolute_cosines, group_by_similarity
from recurzoo.sharing.soft import SoftBank, SoftSharing

__all__ = [
    "Fold",
    "HardBank",
    "HardSharing",
    "Initializer",
    "KernelBank",
    "Loop",
    "RelaxedBank",
    "RelaxedSharing",
    "Sharing",
    "SoftBank",
    "SoftSharing",
    "absolute_cosines",
    "find_loops",
    "group_by_similarity",
    "kernel_initializer",
    "partly",
    "tied",
    "untied",
]
