"""The memory of a training step against the number of steps of a network: the table of docs/distributed.md.

`python examples/memory.py`, on Linux, on the backend that KERAS_BACKEND says. Of each network a process trains a step
of 128 images of noise, another one of 64; by how much more the first one grows tells what an image takes, in MiB. It
takes ten minutes on 2 cores.
"""

import os
import resource
import statistics
import subprocess
import sys

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
STEPS = (2, 4, 8, 16)
FEW, MANY, PAIRS = 64, 128, 3


def train(steps: int, remat: bool, batch: int) -> int:
    """The most KiB that this process has held after a step of training."""
    import_quietly("tensorflow")
    import keras
    import numpy as np

    import recurzoo

    model = recurzoo.create(f"rc-{steps}-w16")
    for stage in model.stages:
        stage.remat = remat
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_on_batch(np.zeros((batch, 32, 32, 3), "float32"), np.zeros(batch, int))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(*words: int) -> int:
    command = [sys.executable, __file__, *map(str, words)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    print("| steps | states kept | computed twice |")
    print("|---|---|---|")
    for steps in STEPS:
        found = []
        for remat in (0, 1):
            # What else a process holds differs a little from one to the next.
            pairs = [(measure(steps, remat, MANY), measure(steps, remat, FEW)) for _ in range(PAIRS)]
            found.append(statistics.median((many - few) / (MANY - FEW) / 1024 for many, few in pairs))
        print(f"| {steps} | {' | '.join(f'{value:.2f}' for value in found)} |", flush=True)


if len(sys.argv) > 1:
    print(train(int(sys.argv[1]), sys.argv[2] == "1", int(sys.argv[3])))
else:
    main()
