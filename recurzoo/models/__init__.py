"""The families, a paper each. Importing this module registers their classes with Keras."""

from recurzoo.models.base import ZooModel
from recurzoo.models.bottleneck_swrn import BottleneckSWRN
from recurzoo.models.swrn import SWRN

__all__ = ["SWRN", "BottleneckSWRN", "ZooModel"]
