"""The families, a paper each. Importing this module registers their classes with Keras; `recurzoo` does when it can."""

import keras

from recurzoo.families.base import ZooModel
from recurzoo.families.frnn.network import FRNN
from recurzoo.families.preresnet.network import PreActivationResNet
from recurzoo.families.rc.network import RC
from recurzoo.families.relaxed.network import RelaxedResNet
from recurzoo.families.scnn.network import SCNN
from recurzoo.families.softened.network import Softened
from recurzoo.families.swrn.bottleneck import BottleneckSWRN
from recurzoo.families.swrn.network import SWRN

__all__ = [
    "FRNN",
    "RC",
    "SCNN",
    "SWRN",
    "BottleneckSWRN",
    "PreActivationResNet",
    "RelaxedResNet",
    "Softened",
    "ZooModel",
]

# Keras' older HDF5 files (`model.save("net.h5")`) name a model's class without its package.
keras.saving.get_custom_objects().update({kind.__name__: kind for kind in ZooModel.__subclasses__()})
