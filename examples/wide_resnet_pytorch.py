"""A Wide ResNet in PyTorch, plain or softly shared, by the names that its authors' states have.

`recurzoo.families.swrn.pytorch.export_soft_sharing(model)` gives what `WideResNet(...).load_state_dict` takes, and
`import_soft_sharing` reads its `state_dict()`. Laid out as PyTorch computes it fastest on a CPU, since
examples/costs.py times it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def _conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    made = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return made.to(memory_format=torch.channels_last)


class Bank(nn.Module):
    """The templates of a stage, `(templates, channels, channels, 3, 3)`."""

    def __init__(self, templates: int, channels: int):
        super().__init__()
        self.templates = nn.Parameter(torch.randn(templates, channels, channels, 3, 3) / (9 * channels) ** 0.5)


class SharedConv(nn.Module):
    """A convolution whose kernel is a mix of its stage's templates."""

    def __init__(self, bank: Bank):
        super().__init__()
        self.bank = bank
        self.coefficients = nn.Parameter(torch.randn(len(bank.templates), 1, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel = torch.einsum("k,koihw->oihw", self.coefficients.flatten(), self.bank.templates)
        return functional.conv2d(x, kernel.contiguous(memory_format=torch.channels_last), padding=1)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1, bank: Bank | None = None):
        super().__init__()
        self.bank = bank
        self.bn1, self.bn2 = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.conv1 = _conv(inputs, outputs, stride=stride) if bank is None else SharedConv(bank)
        self.conv2 = _conv(outputs, outputs) if bank is None else SharedConv(bank)
        self.convShortcut = None if inputs == outputs else _conv(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.bn1(x))
        carried = x if self.convShortcut is None else self.convShortcut(h)
        return carried + self.conv2(functional.relu(self.bn2(self.conv1(h))))


class WideResNet(nn.Module):
    """From normalized images `(batch, 3, height, width)` to logits: `WRN-depth-width`, or `SWRN-depth-width-templates`.

    Args:
        depth: int, 4 more than a multiple of 6.
        width: int.
        templates: int, of each stage; None leaves each layer its own kernel.
        classes: int.
    """

    def __init__(self, depth: int, width: int, templates: int | None = None, classes: int = 10):
        super().__init__()
        self.conv_3x3 = _conv(3, 16)
        inputs = 16
        for s, channels in enumerate((16 * width, 32 * width, 64 * width), start=1):
            bank = None if templates is None else Bank(templates, channels)
            first = Block(inputs, channels, 1 if s == 1 else 2)
            others = [Block(channels, channels, bank=bank) for _ in range((depth - 4) // 6 - 1)]
            setattr(self, f"bank_{s}", bank)
            setattr(self, f"stage_{s}", nn.Sequential(first, *others))
            inputs = channels
        self.lastact = nn.Sequential(nn.BatchNorm2d(inputs), nn.ReLU())
        self.classifier = nn.Linear(inputs, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage_3(self.stage_2(self.stage_1(self.conv_3x3(x))))
        return self.classifier(self.lastact(x).mean((2, 3)))
