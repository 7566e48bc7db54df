"""Image classification as a task of a run."""

import numpy as np
import pytest
from PIL import Image

import recurzoo
from recurzoo.catalog.recipe import load_recipe
from recurzoo.tasks.classification import SMALLEST_STD
from recurzoo.tasks.task import plan_task

CHANGES = ["architecture=swrn-16-1-1", "dataset=pets", "image_size=8"]


def test_a_constant_channel_has_no_spread_to_divide_by(tmp_path, rng):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            # Its red is 255 and its blue 0 in all images.
            pixels = np.zeros((8, 8, 3), "uint8")
            pixels[..., 0], pixels[..., 1] = 255, rng.integers(0, 256, (8, 8))
            Image.fromarray(pixels).save(tmp_path / part / name / "0.png")
    task = plan_task(load_recipe("swrn-22-1-2.cifar10.cpu", CHANGES), str(tmp_path))
    mean, std = task.model_arguments["mean"], task.model_arguments["std"]
    green = np.stack([task.examples(0).images[..., 1]]) / 255
    assert mean == pytest.approx((1, green.mean(), 0))
    assert std == pytest.approx((SMALLEST_STD, green.std(), SMALLEST_STD))
    model = recurzoo.create("swrn-16-1-1", **task.model_arguments)
    outputs = model.predict(task.examples(0).images, verbose=0)
    assert np.isfinite(outputs).all()
    # Not what is the same in all images decides.
    assert np.abs(outputs).max() < 100
