"""What softening costs before any training: the table of docs/soften.md.

`python examples/softening.py DATA [LIMIT]`, where DATA is CIFAR-10 as `recurzoo evaluate` takes it, and LIMIT how many
test images to measure on, 2,000 by default. It takes about a minute on 2 cores.
"""

# ruff: noqa: E402
import os
import sys

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import recurzoo
from recurzoo.tasks.task import open_task
from recurzoo.zoo.evaluating import model_and_record

NAME, SAMPLE = "wrn-22-1", 2000


def main(data: str, limit: int) -> None:
    model, record = model_and_record(NAME)
    task = open_task(data, model, record, train=True, limit=limit)
    images = task.sample(record.recipe)[:SAMPLE]

    def accuracy(network: recurzoo.models.ZooModel) -> str:
        return next(f"{score.value:.2%}" for score in task.scores(network) if score.metric == "accuracy")

    print(f"{NAME}: {accuracy(model)} of {limit} test images")
    for templates in (4, 3, 2, 1):
        for method in ("svd", "kmeans", "random") if templates < 4 else ("svd",):
            softened = recurzoo.soften(model, templates, method=method)
            report = softened.soften_report
            before = accuracy(softened)
            recurzoo.reestimate_batch_norm(softened, images)
            error = max(group.error for group in report.groups)
            print(
                f"{templates} templates by {method}: {report.parameters_after:,} parameters, error of kernels at most "
                f"{error:.2f}, {before}, with statistics anew {accuracy(softened)}",
                flush=True,
            )


main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
