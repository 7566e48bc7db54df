"""Mean and standard deviation of each channel, for pixels in 0..1, as the papers publish them.

The same figures as the catalog's, which models do not read.
"""

from __future__ import annotations

CIFAR10_MEAN = (125.3 / 255, 123.0 / 255, 113.9 / 255)
CIFAR10_STD = (63.0 / 255, 62.1 / 255, 66.7 / 255)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
