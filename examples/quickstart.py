"""The zoo in two minutes: load, predict, fine-tune, fold, export, and look at what the layers share.

Run it from a clone with `python examples/quickstart.py`; it needs no network and writes into `runs/quickstart`.
"""

# ruff: noqa: E402
import os
import time
from pathlib import Path

from recurzoo.base.environment import import_quietly

# TensorFlow is talkative when it starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import_quietly("tensorflow")

import keras
import matplotlib
import numpy as np
from sklearn.datasets import load_sample_images

import recurzoo
from recurzoo.data.images import resize
from recurzoo.data.sets import load_data

matplotlib.use("Agg")
from matplotlib import pyplot as plt

OUT = Path("runs/quickstart")
NAME = "swrn-22-1-2"


def main() -> None:
    keras.utils.set_random_seed(0)
    OUT.mkdir(parents=True, exist_ok=True)

    print(f"1. Load {NAME} and predict")
    model = recurzoo.load(NAME)
    facts = recurzoo.info(NAME)
    print(f"   {facts.parameters:,} parameters; {facts.sharing}")
    print(f"   recorded accuracy on CIFAR-10's test images: {facts.headline.rounded}")
    photographs = load_sample_images()
    pixels = np.stack([resize(image, (32, 32)) for image in photographs.images])
    for path, logits in zip(photographs.filenames, model.predict(pixels, verbose=0), strict=True):
        probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        best = np.argsort(-probabilities)[:3]
        guesses = ", ".join(f"{facts.class_names[i]} {probabilities[i]:.0%}" for i in best)
        print(f"   {Path(path).name}, of a class it has never seen: {guesses}")

    print("2. Fine-tune it on scikit-learn's digits, with a new head")
    digits = load_data("digits", (32, 32))
    model = recurzoo.load(NAME, num_classes=10)
    model.compile(
        keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.05, 8 * 45), momentum=0.9, nesterov=True),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,
    )
    start = time.perf_counter()
    model.fit(digits.train.images, digits.train.labels, batch_size=32, epochs=8, verbose=0)
    _, accuracy = model.evaluate(digits.test.images, digits.test.labels, verbose=0)
    print(f"   {accuracy:.2%} of {len(digits.test)} test digits after {time.perf_counter() - start:.0f} s")

    print("3. Fold it: similar kernels become one kernel in a loop")
    test = (digits.test.images, digits.test.labels)
    folded = recurzoo.fold(model, threshold=0.6, data=test, train_images=digits.train.images)
    print(folded.fold_report)

    print("4. Export both to ONNX")
    for name, network in (("fine-tuned", model), ("folded", folded)):
        report = recurzoo.export(network, OUT / f"{name}.onnx", format="onnx")
        print(f"   {report.path}: {report.bytes:,} bytes for {report.parameters:,} parameters")

    print("5. Draw the layer similarity matrices")
    stages = [stage for stage in model.stages if stage.banks[0].slots > 1]
    figure, axes = plt.subplots(1, len(stages), figsize=(3 * len(stages), 3.4))
    for stage, axis in zip(stages, axes, strict=True):
        axis.imshow(stage.banks[0].similarity(), vmin=0, vmax=1, cmap="gray")
        axis.set_xticks(range(stage.banks[0].slots))
        axis.set_yticks(range(stage.banks[0].slots))
        axis.set_title(stage.name.replace("_", " "))
        axis.set_xlabel("layer")
    figure.tight_layout()
    figure.savefig(OUT / "similarity.png", dpi=120)
    print(f"   {OUT / 'similarity.png'}")


if __name__ == "__main__":
    main()
