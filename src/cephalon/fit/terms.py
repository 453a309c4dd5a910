"""What every factor gives the solver: whitened residuals in groups, their Jacobian, and a loss; and how to whiten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cephalon.fit.unknowns import State

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Terms:
    """Whitened residuals of one factor at one state.

    Attributes
    ----------
    residual : (g, d): g independent groups of d numbers, each N(0, I) if the factor's sigma is right.
    jacobian : (g d, c) derivative with respect to the unknowns named by `columns`.
    columns : places of these c unknowns in the vector (shared unknowns, then the photo's own).
    nu : degrees of freedom of a d-variate Student-t over each group; None for a Gaussian.
    gram : (c, c) jacobian^T jacobian of a Gaussian, where it is known beforehand.
    """

    residual: Float
    jacobian: Float
    columns: slice | NDArray[np.intp]
    nu: float | None = None
    gram: Float | None = None


class Factor(Protocol):
    """One source of knowledge. A new estimator is a new factor, and nothing else changes.

    `photo` is the photo whose unknowns the factor touches, or None for shared unknowns alone.
    """

    @property
    def photo(self) -> int | None:
        """The photo, or None."""
        ...

    def held(self, state: State, slack: float) -> Factor:
        """Return the factor with whatever it holds constant during a step brought up to date.

        `slack` in [0, 1] adds that share of the prior's own variance to the noise: 1 for the very first step, when the
        head is still the mean head and far points are no outliers, 0 at the end.
        """
        ...

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return the residuals (g, d) and nu alone."""
        ...

    def terms(self, state: State) -> Terms:
        """Return residuals and Jacobian."""
        ...


def _root_and_det(covariance: Float) -> tuple[Float, Float]:
    """Return the symmetric square roots of (m, 2, 2) positive definite matrices and the roots' determinants (m,)."""
    a, b, c, d = covariance[:, 0, 0], covariance[:, 0, 1], covariance[:, 1, 0], covariance[:, 1, 1]
    det = np.sqrt(a * d - b * c)
    trace = np.sqrt(a + d + 2 * det)
    root = covariance / trace[:, None, None]
    root[:, 0, 0] += det / trace
    root[:, 1, 1] += det / trace
    return root, det


def square_root(covariance: Float) -> Float:
    """Return the symmetric square root of (m, 2, 2) positive definite matrices (closed form of Cayley and Hamilton)."""
    return _root_and_det(covariance)[0]


def inverse_square_root(covariance: Float) -> Float:
    """Return W (m, 2, 2), symmetric, with W C W = I."""
    root, det = _root_and_det(covariance)
    inverse = -root / det[:, None, None]
    inverse[:, 0, 0], inverse[:, 1, 1] = root[:, 1, 1] / det, root[:, 0, 0] / det
    return inverse


def loss(residual: Float, nu: float | None) -> float:
    """Return the energy of residuals (g, d), in nats: r^2 / 2, or (nu + d) / 2 log(1 + r^2 / nu) for a Student-t."""
    square = np.einsum("gd,gd->g", residual, residual)
    if nu is None:
        return 0.5 * float(square.sum())
    return 0.5 * (nu + residual.shape[1]) * float(np.log1p(square / nu).sum())


def group_weights(residual: Float, nu: float | None) -> Float:
    """Return the weight (g,) of each group in the quadratic that touches the loss from above (iterated reweighting)."""
    if nu is None:
        return np.ones(len(residual))
    square = np.einsum("gd,gd->g", residual, residual)
    return (nu + residual.shape[1]) / (nu + square)


def gauss_newton(terms: Terms, *, exact: bool = False) -> tuple[Float, Float]:
    """Return rows r (m,) and J (m, c) such that J^T r is the gradient and J^T J the model of the Hessian.

    By default J^T J majorises the loss, which makes a step safe. With `exact` it has the loss's own curvature
    (residuals taken as linear), cut off at 0.1 of that bound where a Student-t bends the other way: what a posterior
    needs.
    """
    g, d = terms.residual.shape
    if terms.nu is None:
        return terms.residual.reshape(-1), terms.jacobian
    root = np.sqrt(group_weights(terms.residual, terms.nu))
    residual = root[:, None] * terms.residual
    jacobian = terms.jacobian.reshape(g, d, -1)
    if exact:
        # along the residual the curvature is (nu - r^2) / (nu + r^2) of the bound; J shrinks there and r grows
        square = np.einsum("gd,gd->g", terms.residual, terms.residual)
        less = np.sqrt(np.clip((terms.nu - square) / (terms.nu + square), 0.1, None))
        unit = terms.residual / np.sqrt(np.maximum(square, 1e-30))[:, None]
        left = np.eye(d) - (1 - less)[:, None, None] * unit[:, :, None] * unit[:, None, :]
        jacobian = (root[:, None, None] * left) @ jacobian
        residual = residual / less[:, None]
    else:
        jacobian = root[:, None, None] * jacobian
    return residual.reshape(-1), jacobian.reshape(g * d, -1)
