"""Templates for a group of kernels: a few kernels whose mixes come as near to all of the group as they can."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, get_args

import numpy as np

Method = Literal["svd", "kmeans", "random"]
METHODS = get_args(Method)
# Of the largest eigenvalue: what is smaller is rounding.
NEGLIGIBLE = 1e-12
MOST_ROUNDS = 100


class KernelGroup:
    """The kernels of a group, compared with each other.

    Every template is a mix of the group's kernels, so all that there is to know of templates and errors follows from
    the kernels' cosines, a matrix as small as the group. Kernels are compared by direction: a large one has no more to
    say about the templates than a small one.

    Args:
        kernels: array `(slots, ...)`.
        method: `"svd"` (the best there is), `"kmeans"` (a template a cluster of kernels alike but for sign and size) or
            `"random"` (random mixes of the kernels).
        seed: int, of the random mixes.
    """

    def __init__(self, kernels: np.ndarray, method: Method = "svd", seed: int = 0):
        if method not in METHODS:
            raise ValueError(f"Templates are found by {', '.join(METHODS)}. Received: method={method!r}")
        self.method = method
        self.seed = seed
        flat = kernels.reshape(len(kernels), -1).astype("float64")
        self.norms = np.linalg.norm(flat, axis=1)
        flat /= np.maximum(self.norms, 1e-30)[:, None]
        self.cosines = flat @ flat.T

    def errors(self, most: int) -> tuple[float, ...]:
        """The root mean square of the kernels' relative errors with 1, 2, ..., `most` templates."""
        squares = []
        for templates in range(1, most + 1):
            mix = self._mix(templates)
            rebuilt = np.sum(self._coefficients(mix) * (self.cosines @ mix.T), axis=1)
            squares.append(np.mean(np.maximum(np.diag(self.cosines) - rebuilt, 0)))
        return tuple(float(np.sqrt(square)) for square in squares)

    def soften(self, kernels: np.ndarray, templates: int) -> tuple[np.ndarray, np.ndarray]:
        """Find templates, and the coefficients that mix the kernels from them, by least squares.

        Args:
            kernels: those of the group again.
            templates: int, how many.

        Returns:
            Arrays `(templates, ...)`, each as large as the kernels are on average, and `(slots, templates)`.
        """
        mix = self._mix(templates)
        coefficients = self._coefficients(mix)
        lengths = np.sqrt(np.maximum(np.sum(mix @ self.cosines * mix, axis=1), NEGLIGIBLE))
        size = np.sqrt(np.mean(self.norms**2))
        # Eigenvectors have no sign of their own; in most slots the templates count as positive.
        signs = np.where(coefficients.sum(axis=0) < 0, -1, 1)
        scale = signs * size / lengths
        flat = kernels.reshape(len(kernels), -1)
        found = (scale[:, None] * mix / np.maximum(self.norms, 1e-30)).astype("float32") @ flat
        weights = self.norms[:, None] * coefficients / scale if size else coefficients
        return found.reshape(templates, *kernels.shape[1:]).astype("float32"), weights.astype("float32")

    def _coefficients(self, mix: np.ndarray) -> np.ndarray:
        return self.cosines @ mix.T @ np.linalg.pinv(mix @ self.cosines @ mix.T, rcond=NEGLIGIBLE, hermitian=True)

    def _mix(self, templates: int) -> np.ndarray:
        """Templates as mixes of the kernels' directions: array `(templates, slots)`."""
        slots = len(self.cosines)
        if self.method == "random":
            # The first rows are those of fewer templates, so that more are never worse.
            return np.random.default_rng(self.seed).normal(size=(slots, slots))[:templates]
        if self.method == "kmeans":
            return self._cluster_means(templates)
        return self._directions[:templates]

    @cached_property
    def _directions(self) -> np.ndarray:
        """The eigenvectors of the cosines as rows, those of the largest eigenvalues first."""
        return np.linalg.eigh(self.cosines)[1].T[::-1]

    def _cluster_means(self, clusters: int) -> np.ndarray:
        """Lloyd's algorithm for lines through the origin, from kernels that are far from each other."""
        alike = np.abs(self.cosines)
        leaders = [int(alike.sum(axis=1).argmax())]
        while len(leaders) < clusters:
            others = np.setdiff1d(np.arange(len(alike)), leaders)
            leaders.append(int(others[alike[others][:, leaders].max(axis=1).argmin()]))
        mix = np.eye(len(alike))[leaders]
        nearest = None
        for _ in range(MOST_ROUNDS):
            lengths = np.sqrt(np.maximum(np.sum(mix @ self.cosines * mix, axis=1), NEGLIGIBLE))
            cosines = self.cosines @ mix.T / lengths
            before, nearest = nearest, np.abs(cosines).argmax(axis=1)
            if before is not None and np.array_equal(before, nearest):
                break
            members = nearest == np.arange(clusters)[:, None]
            # A cluster that lost its last kernel keeps the mean it had.
            mix = np.where(members.any(axis=1)[:, None], members * np.sign(cosines.T), mix)
        return mix
