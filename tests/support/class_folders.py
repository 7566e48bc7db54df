"""Data sets as folders of images."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_folder(root: Path, test="test", classes=("cat", "dog"), size=(8, 8)):
    """Three training and two test images a class, of random pixels; `size` is `(width, height)`."""
    generator = np.random.default_rng(0)
    for part, count in (("train", 3), (test, 2)):
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = generator.integers(0, 256, (size[1], size[0], 3)).astype("uint8")
                Image.fromarray(pixels).save(root / part / name / f"{number}.png")
    return root
