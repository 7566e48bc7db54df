"""Layers in NumPy and float64, written from the formulas: what the tests measure against."""

from __future__ import annotations

import numpy as np


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def convolve(x: np.ndarray, kernel: np.ndarray, stride: int = 1) -> np.ndarray:
    """Images (n, h, w, in), kernel (k, k, in, out); `k // 2` zeros on every side, as PyTorch's padding does."""
    size = kernel.shape[0]
    pad = size // 2
    padded = np.pad(np.asarray(x, "float64"), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    height = (padded.shape[1] - size) // stride + 1
    width = (padded.shape[2] - size) // stride + 1
    result = np.zeros((len(x), height, width, kernel.shape[-1]))
    for row in range(height):
        for column in range(width):
            patch = padded[:, row * stride : row * stride + size, column * stride : column * stride + size]
            result[:, row, column] = np.tensordot(patch, kernel, axes=3)
    return result


def normalize(
    x: np.ndarray, mean: np.ndarray, variance: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float = 1e-5
) -> np.ndarray:
    return (np.asarray(x, "float64") - mean) / np.sqrt(variance + epsilon) * gamma + beta


def absolute_cosine(a: np.ndarray, b: np.ndarray) -> float:
    return abs(float(a @ b)) / (np.linalg.norm(a) * np.linalg.norm(b))


def similarity(vectors: np.ndarray) -> np.ndarray:
    """The layer similarity matrix, entry by entry."""
    flat = [np.asarray(v, "float64").ravel() for v in vectors]
    return np.array([[absolute_cosine(a, b) for b in flat] for a in flat])
