"""What softening costs, before and after training on: the tables of docs/soften.md.

`python examples/softening.py DATA [LIMIT]`, where DATA is CIFAR-10 as `recurzoo evaluate` takes it, and LIMIT how many
test images to measure on before training, 2,000 by default. That takes about a minute on 2 cores. With `--train` it
also trains two templates on for two epochs, without and with the original as teacher, and measures on all test images.
"""

# ruff: noqa: E402
import argparse
import os

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import keras
import tensorflow as tf

import recurzoo
from recurzoo.tasks.task import Task, open_task
from recurzoo.zoo.evaluating import model_and_record

NAME, SAMPLE = "wrn-22-1", 2000
EPOCHS, BATCH, RATE = 2, 128, 0.02


def accuracy(network: keras.Model, task: Task) -> str:
    return next(f"{score.value:.2%}" for score in task.scores(network) if score.metric == "accuracy")


def measure(data: str, limit: int) -> None:
    """The table of all templates and methods, without training."""
    model, record = model_and_record(NAME)
    task = open_task(data, model, record, train=True, limit=limit)
    images = task.sample(record.recipe)[:SAMPLE]
    print(f"{NAME}: {accuracy(model, task)} of {limit} test images")
    for templates in (4, 3, 2, 1):
        for method in ("svd", "kmeans", "random") if templates < 4 else ("svd",):
            softened = recurzoo.soften(model, templates, method=method)
            report = softened.soften_report
            before = accuracy(softened, task)
            recurzoo.reestimate_batch_norm(softened, images)
            error = max(group.error for group in report.groups)
            print(
                f"{templates} templates by {method}: {report.parameters_after:,} parameters, error of kernels at most "
                f"{error:.2f}, {before}, with statistics anew {accuracy(softened, task)}",
                flush=True,
            )


def train_on(data: str) -> None:
    """Two templates trained on, each time from the same softened network."""
    model, record = model_and_record(NAME)
    task = open_task(data, model, record, train=True)
    change = keras.Sequential(
        [keras.layers.ZeroPadding2D(4), keras.layers.RandomCrop(32, 32), keras.layers.RandomFlip("horizontal")]
    )
    train = task.examples(0)
    pairs = tf.data.Dataset.from_tensor_slices((train.images, train.labels))
    batches = pairs.shuffle(len(train.images), seed=0).batch(BATCH, drop_remainder=True)
    batches = batches.map(lambda images, labels: (change(tf.cast(images, "float32"), training=True), labels))
    print(f"{NAME}: {accuracy(model, task)} of all test images")
    for distilled in (False, True):
        keras.utils.set_random_seed(0)
        model.trainable = True
        softened = recurzoo.soften(model, 2)
        model.trainable = False
        steps = keras.optimizers.schedules.PolynomialDecay(RATE, EPOCHS * len(batches), 0.0)
        student: keras.Model = softened
        if distilled:
            # By its name Keras 3.15 would compare logits as if they were probabilities.
            loss = keras.distillation.LogitsDistillation(temperature=2.0, loss=keras.losses.KLDivergence())
            student = keras.distillation.Distiller(model, softened, loss)
        student.compile(
            keras.optimizers.SGD(steps, momentum=0.9, nesterov=True),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        student.fit(batches, epochs=EPOCHS, verbose=0)
        teacher = "the original as teacher" if distilled else "no teacher"
        print(f"2 templates, {EPOCHS} epochs with {teacher}: {accuracy(softened, task)}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("limit", type=int, nargs="?", default=2000)
    parser.add_argument("--train", action="store_true")
    arguments = parser.parse_args()
    measure(arguments.data, arguments.limit)
    if arguments.train:
        train_on(arguments.data)
