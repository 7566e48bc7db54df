"""Mean and standard deviation of each channel, for pixels in 0..1, as the papers publish them."""

from __future__ import annotations

from typing import NamedTuple


class ChannelStatistics(NamedTuple):
    """One number a channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


CIFAR10 = ChannelStatistics((125.3 / 255, 123.0 / 255, 113.9 / 255), (63.0 / 255, 62.1 / 255, 66.7 / 255))
CIFAR100 = ChannelStatistics((129.3 / 255, 124.1 / 255, 112.4 / 255), (68.2 / 255, 65.4 / 255, 70.4 / 255))
IMAGENET = ChannelStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
BY_DATASET = {"cifar10": CIFAR10, "cifar100": CIFAR100, "imagenet": IMAGENET}
