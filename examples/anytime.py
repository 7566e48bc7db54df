"""Whether time falls with operations where answers stop early: the table of docs/anytime.md.

`python examples/anytime.py DATA [LIMIT]`, where DATA is CIFAR-10 as `recurzoo evaluate` takes it, and LIMIT how many
test images to answer for, 1,000 by default. Each network answers at some thresholds and, in turns with it, without
stopping. It takes ten minutes on 2 cores.
"""

# ruff: noqa: E402
import os
import sys
from functools import partial

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import numpy as np

import recurzoo
from recurzoo.benchmarking.run import take_turns
from recurzoo.tasks.task import open_task
from recurzoo.zoo.evaluating import model_and_record

NAMES = ("rc-4-w16", "swrn-28-2-2", "preresnet-50-ubn", "frnn-3-t5-w16")
THRESHOLDS = (0.5, 0.8, 0.95)
PAIRS = 9


def main(data: str, limit: int) -> None:
    print("| network | threshold | labels as without stopping | operations | time |")
    print("|---|---|---|---|---|")
    for name in NAMES:
        model, record = model_and_record(name)
        images = open_task(data, model, record, limit=limit).test.images
        whole = recurzoo.anytime(model, 1.0)
        for threshold in THRESHOLDS:
            sure = whole.at(threshold)
            answers, labels = sure(images), whole(images)
            same = (answers.labels == labels.labels).mean()
            operations = answers.operations.mean() / labels.operations.mean()
            seconds = take_turns([partial(sure, images), partial(whole, images)], PAIRS, 0)
            spent = np.median(seconds[0] / seconds[1])
            print(f"| {name} | {threshold} | {same:.1%} | {operations:.2f} | {spent:.2f} |", flush=True)


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1000)
