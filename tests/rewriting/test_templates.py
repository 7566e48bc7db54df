"""Templates and errors against NumPy's own decompositions."""

import numpy as np
import pytest

from recurzoo.rewriting.templates import METHODS, KernelGroup


@pytest.fixture
def kernels(rng):
    """Of sizes that differ by a factor of a thousand, one of them another one's mirror image."""
    kernels = rng.normal(size=(6, 3, 3, 4, 5)) * np.array([1, 100, 0.1, 1, 1, 1]).reshape(-1, 1, 1, 1, 1)
    kernels[5] = -3 * kernels[2]
    return kernels.astype("float32")


def relative_errors(kernels, templates, coefficients):
    rebuilt = np.tensordot(coefficients, templates, 1)
    flat, lost = (x.reshape(len(x), -1).astype("float64") for x in (kernels, kernels - rebuilt))
    return np.linalg.norm(lost, axis=1) / np.linalg.norm(flat, axis=1)


def test_the_errors_of_svd_are_what_the_singular_values_leave(kernels):
    flat = kernels.reshape(6, -1).astype("float64")
    singular = np.linalg.svd(flat / np.linalg.norm(flat, axis=1, keepdims=True), compute_uv=False)
    expected = np.sqrt(np.maximum(1 - np.cumsum(singular**2) / 6, 0))
    np.testing.assert_allclose(KernelGroup(kernels).errors(6), expected, atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_errors_foretell_what_templates_give_and_coefficients_are_least_squares(kernels, method):
    group = KernelGroup(kernels, method, seed=3)
    errors = group.errors(6)
    assert errors[-1] < 1e-6
    assert np.all(np.array(errors) >= np.array(KernelGroup(kernels).errors(6)) - 1e-9)
    size = np.sqrt(np.mean(np.sum(kernels.reshape(6, -1) ** 2, axis=1)))
    for count in (1, 2, 4):
        templates, coefficients = group.soften(kernels, count)
        assert templates.shape == (count, 3, 3, 4, 5)
        assert coefficients.shape == (6, count)
        found = relative_errors(kernels, templates, coefficients)
        assert np.sqrt(np.mean(found**2)) == pytest.approx(errors[count - 1], abs=1e-5)
        best = np.linalg.lstsq(templates.reshape(count, -1).T, kernels.reshape(6, -1).T, rcond=None)[0].T
        np.testing.assert_allclose(coefficients, best, atol=1e-4 * np.abs(best).max())
        np.testing.assert_allclose(np.linalg.norm(templates.reshape(count, -1), axis=1), size, rtol=1e-4)


def test_a_kernel_counts_by_its_direction_alone(kernels):
    larger = kernels * np.array([50, 1, 1, 0.01, 1, -7], "float32").reshape(-1, 1, 1, 1, 1)
    group, other = KernelGroup(kernels), KernelGroup(larger)
    np.testing.assert_allclose(group.errors(6), other.errors(6), atol=1e-6)
    span, other_span = (
        np.linalg.qr(g.soften(k, 3)[0].reshape(3, -1).T)[0] for g, k in ((group, kernels), (other, larger))
    )
    np.testing.assert_allclose(span @ span.T, other_span @ other_span.T, atol=1e-4)


def test_kmeans_finds_clusters_whatever_their_signs_and_sizes(rng):
    centers = rng.normal(size=(3, 40))
    labels = np.array([0, 1, 2, 0, 1, 2, 0])
    kernels = centers[labels] * rng.choice([-2, 1, 5], size=(7, 1)) + 0.01 * rng.normal(size=(7, 40))
    templates, coefficients = KernelGroup(kernels, "kmeans").soften(kernels, 3)
    assert len(set(np.abs(coefficients).argmax(axis=1)[:3])) == 3
    np.testing.assert_array_equal(np.abs(coefficients).argmax(axis=1), np.abs(coefficients).argmax(axis=1)[labels])
    assert relative_errors(kernels, templates, coefficients).max() < 0.05


def test_equal_kernels_and_zeros_are_no_trouble():
    kernels = np.zeros((3, 2, 2), "float32")
    assert KernelGroup(kernels).errors(3) == (0, 0, 0)
    kernels[:2] = [[1, 2], [3, 4]]
    templates, coefficients = KernelGroup(kernels).soften(kernels, 2)
    np.testing.assert_allclose(np.tensordot(coefficients, templates, 1), kernels, atol=1e-5)
    assert np.isfinite(templates).all()


def test_another_method_is_refused(kernels):
    with pytest.raises(ValueError, match="Received: method='pca'"):
        KernelGroup(kernels, "pca")
