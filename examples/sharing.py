"""The picture that README begins with: the same six layers, and the kernels that they use by each way of sharing.

`python examples/sharing.py docs/sharing.svg`
"""

# ruff: noqa: E402
import os
import sys

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import keras

from recurzoo.analysis.plots import WIDTH, Picture
from recurzoo.analysis.wiring import draw_stage
from recurzoo.layers import ConvolutionBlock, Stage
from recurzoo.sharing import SoftSharing, partly, tied, untied

STEPS = 6
SHARINGS = {
    "plain": untied(STEPS),
    "partly shared": partly((0, 1, 2, 3, 3, 3)),
    "softly shared": SoftSharing(2),
    "recurrent": tied(STEPS),
}


def draw(figure) -> None:
    figure.set_size_inches(WIDTH, 1.1)
    for axes, (title, sharing) in zip(figure.subplots(1, len(SHARINGS)), SHARINGS.items(), strict=True):
        # The coefficients of soft sharing are those that training starts from.
        keras.utils.set_random_seed(3)
        stage = Stage(ConvolutionBlock(4), STEPS, sharing, name="stage")
        stage.build((None, 8, 8, 4))
        draw_stage(axes, stage)
        axes.set_title(title)
        axes.set_axis_off()


Picture(draw).save(sys.argv[1])
