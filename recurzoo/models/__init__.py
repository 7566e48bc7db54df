"""The families, a paper each. Importing this module registers their classes with Keras."""

from recurzoo.models.base import ZooModel
from recurzoo.models.bottleneck_swrn import BottleneckSWRN
from recurzoo.models.frnn import FRNN
from recurzoo.models.preresnet import PreActivationResNet
from recurzoo.models.rc import RC
from recurzoo.models.relaxed_resnet import RelaxedResNet
from recurzoo.models.scnn import SCNN
from recurzoo.models.swrn import SWRN

__all__ = ["FRNN", "RC", "SCNN", "SWRN", "BottleneckSWRN", "PreActivationResNet", "RelaxedResNet", "ZooModel"]
