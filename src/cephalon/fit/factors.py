"""The factors of the fit: landmarks, priors, and everything that states an absolute size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cephalon.fit.points import PointModel
from cephalon.fit.terms import Terms, inverse_square_root
from cephalon.fit.unknowns import Layout, PhotoState, State
from cephalon.geometry import skew

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LandmarkFactor:
    """Measured points of one set in one photo.

    predicted_i = project(R x_i(identity, expression, gaze) + t) + field_i, and predicted_i - measured_i has the
    covariance tempering * (independent part of the network's) + projected residual of the model.

    Attributes
    ----------
    set_index, rows : which of the photo's point sets this is, and the m rows of it that take part.
    points : the m points in use.
    position, covariance : (m, 2) px and (m, 2, 2) px^2, the independent part.
    field : (m, 2, q) px per coefficient: the smooth part of the landmarks' error; `field_columns` its place in the
        photo's.
    prior_covariance : (m, 3, 3) mm^2 spread of each point under the prior of identity and expression.
    residual_scale : factor on the points' residual sd.
    expression_residual : sd per axis of how a point moves, as a share of how far the expression moves it.
    whitening : (m, 2, 2) inverse square root of the covariance in force; set by `held`.
    """

    photo: int
    layout: Layout
    size: tuple[int, int]
    set_index: int
    rows: NDArray[np.intp]
    points: PointModel
    position: Float
    covariance: Float
    field: Float
    field_columns: slice
    prior_covariance: Float
    residual_scale: float
    expression_residual: float
    nu: float
    whitening: Float | None = None

    def held(self, state: State, slack: float) -> LandmarkFactor:
        """Return the factor whitened by the covariance that this state's distance, direction and expression give."""
        own = state.photos[self.photo]
        camera = own.camera(*self.size)
        points = self.points.positions(self._weights(state), own.gaze)
        _, d_point, _ = camera.project_jacobian(own.seen(points))
        across = d_point @ own.rotation
        moved = self.points.basis[:, :, self.points.modes :] @ own.expression
        square = (self.residual_scale * self.points.residual_mm) ** 2
        square = square + self.expression_residual**2 * (moved * moved).sum(axis=1)
        covariance = self.covariance + square[:, None, None] * (across @ across.transpose(0, 2, 1))
        if slack > 0:
            covariance = covariance + slack * (across @ self.prior_covariance @ across.transpose(0, 2, 1))
        return replace(self, whitening=inverse_square_root(covariance))

    def thinned(self, most: int) -> LandmarkFactor:
        """Return the factor of evenly picked rows, at most that many."""
        rows = np.linspace(0, len(self.points) - 1, min(most, len(self.points))).round().astype(int)
        return replace(
            self,
            rows=self.rows[rows],
            points=self.points.take(rows),
            position=self.position[rows],
            covariance=self.covariance[rows],
            field=self.field[rows],
            prior_covariance=self.prior_covariance[rows],
            whitening=None if self.whitening is None else self.whitening[rows],
        )

    def widened(self, times: float) -> LandmarkFactor:
        """Return the held factor with `times` the covariance, smooth part and model residual included."""
        root = float(np.sqrt(times))
        return replace(
            self,
            covariance=self.covariance * times,
            field=self.field * root,
            residual_scale=self.residual_scale * root,
            expression_residual=self.expression_residual * root,
            whitening=self._whitening() / root,
        )

    def _weights(self, state: State) -> Float:
        return np.concatenate([state.identity, state.photos[self.photo].expression])

    def _whitening(self) -> Float:
        if self.whitening is None:
            raise RuntimeError("call held() before residual() or terms()")
        return self.whitening

    def predicted(self, state: State) -> Float:
        """Return where the points of the head fall in the photo, (m, 2) px, without the smooth error."""
        own = state.photos[self.photo]
        points = self.points.positions(self._weights(state), own.gaze)
        return own.camera(*self.size).project(own.seen(points))

    def _offsets(self, own: PhotoState) -> Float:
        return self.field @ own.field[self.field_columns]

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return whitened residuals (m, 2); a point behind the camera counts as very far off."""
        own = state.photos[self.photo]
        error = self.predicted(state) + self._offsets(own) - self.position
        return np.nan_to_num(np.einsum("mab,mb->ma", self._whitening(), error), nan=1e6), self.nu

    def terms(self, state: State) -> Terms:
        """Return whitened residuals (m, 2) and their Jacobian by all shared and own unknowns."""
        own, layout, whitening = state.photos[self.photo], self.layout, self._whitening()
        camera = own.camera(*self.size)
        points, of_eyes, by_gaze = self.points.jacobian(self._weights(state), own.gaze)
        turned = (points - own.pivot) @ own.rotation.T
        pivot = own.pivot_in_camera
        in_camera = turned + pivot
        pixels, d_point, d_focal = camera.project_jacobian(in_camera)
        error = pixels + self._offsets(own) - self.position
        d_point = whitening @ d_point
        across = d_point @ own.rotation
        k, m = layout.modes, len(pixels)
        s = layout.shared
        jacobian = np.zeros((m, 2, s + layout.photo(self.photo)))
        rows = self.points.eye_rows
        coefficients = across @ self.points.basis
        coefficients[rows] = across[rows] @ of_eyes
        jacobian[:, :, :k] = coefficients[:, :, :k]
        jacobian[:, :, s : s + layout.expressions] = coefficients[:, :, k:]
        if len(rows):
            jacobian[rows, :, s + layout.gaze.start : s + layout.gaze.stop] = across[rows] @ by_gaze
        jacobian[:, :, s + layout.rotation.start : s + layout.rotation.stop] = -d_point @ skew(turned)
        place, mm_per_px = s + layout.place.start, np.exp(-own.place[2])
        jacobian[:, :, place : place + 2] = mm_per_px * d_point[:, :, :2]
        jacobian[:, :, place + 2] = -d_point @ pivot
        by_focal = camera.focal_px * np.einsum("mab,mb->ma", whitening, d_focal)
        jacobian[:, :, s + layout.focal] = by_focal + pivot[2] * d_point[:, :, 2]
        by_radial = camera.distortion_jacobian(in_camera)[:, :, 0]
        jacobian[:, :, s + layout.radial] = np.einsum("mab,mb->ma", whitening, by_radial)
        start = s + layout.field.start + self.field_columns.start
        jacobian[:, :, start : start + self.field.shape[2]] = whitening @ self.field
        return Terms(
            residual=np.einsum("mab,mb->ma", whitening, error),
            jacobian=jacobian.reshape(2 * m, -1),
            columns=slice(0, jacobian.shape[2]),
            nu=self.nu,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearFactor:
    """A Gaussian statement on a linear function of the unknowns: (A x - b), whitened.

    `kind` names the piece of the state that x is: "identity", "iris", or of a photo "expression", "gaze", "field".

    Attributes
    ----------
    matrix : (m, c) rows divided by their sd; `target` (m,) likewise.
    columns : the c places of x in the vector (shared unknowns, then the photo's).
    gram : (c, c) A^T A.
    """

    photo: int | None
    kind: str
    matrix: Float
    target: Float
    columns: slice
    gram: Float

    @staticmethod
    def of(photo: int | None, kind: str, matrix: Float, columns: slice, target: Float | None = None) -> LinearFactor:
        """Return the factor of whitened rows; `target` is 0 when not given."""
        target = np.zeros(len(matrix)) if target is None else target
        return LinearFactor(
            photo=photo, kind=kind, matrix=matrix, target=target, columns=columns, gram=matrix.T @ matrix
        )

    def held(self, state: State, slack: float) -> LinearFactor:
        """Return the factor itself: nothing is held."""
        return self

    def _unknown(self, state: State) -> Float:
        if self.kind == "identity":
            return state.identity
        if self.kind == "iris":
            return np.array([state.iris])
        own = state.photos[self.photo or 0]
        return {"expression": own.expression, "gaze": own.gaze.reshape(-1), "field": own.field}[self.kind]

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return A x - b as groups of one."""
        return (self.matrix @ self._unknown(state) - self.target)[:, None], None

    def terms(self, state: State) -> Terms:
        """Return A x - b and A."""
        residual, _ = self.residual(state)
        return Terms(residual=residual, jacobian=self.matrix, columns=self.columns, gram=self.gram)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExclusionFactor:
    """Coefficients that do not go together: a_i b_i = 0 within sigma, and mouthClose at most jawOpen within sigma.

    Attributes
    ----------
    first, second : (m,) indices of coefficients that move the same skin opposite ways.
    lower, upper : coefficients of which the first is meant to stay below the second.
    """

    photo: int
    layout: Layout
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    lower: NDArray[np.intp]
    upper: NDArray[np.intp]
    sigma: float

    def held(self, state: State, slack: float) -> ExclusionFactor:
        """Return the factor itself: nothing is held."""
        return self

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return the products and the excesses in units of sigma."""
        e = state.photos[self.photo].expression
        excess = np.maximum(e[self.lower] - e[self.upper], 0.0)
        return (np.concatenate([e[self.first] * e[self.second], excess]) / self.sigma)[:, None], None

    def terms(self, state: State) -> Terms:
        """Return them with their Jacobian."""
        e = state.photos[self.photo].expression
        m = len(self.first)
        rows = np.arange(m)
        jacobian = np.zeros((m + len(self.lower), len(e)))
        jacobian[rows, self.first] = e[self.second]
        jacobian[rows, self.second] = e[self.first]
        over = np.flatnonzero(e[self.lower] > e[self.upper])
        jacobian[m + over, self.lower[over]] = 1.0
        jacobian[m + over, self.upper[over]] = -1.0
        start = self.layout.shared + self.layout.expression.start
        residual, nu = self.residual(state)
        columns = slice(start, start + len(e))
        return Terms(residual=residual, jacobian=jacobian / self.sigma, columns=columns, nu=nu)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CameraFactor:
    """Prior of a photo's camera: log focal length, log distance, radial distortion.

    Attributes
    ----------
    log_focal, log_focal_sigma : mean and sd of the log of the focal length in px.
    log_distance, log_distance_sigma : the same of the distance in mm.
    """

    photo: int
    layout: Layout
    log_focal: float
    log_focal_sigma: float
    log_distance: float
    log_distance_sigma: float
    radial_sigma: float

    def held(self, state: State, slack: float) -> CameraFactor:
        """Return the factor itself: nothing is held."""
        return self

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return the three deviations in units of their sd."""
        own = state.photos[self.photo]
        values = [
            (own.log_focal - self.log_focal) / self.log_focal_sigma,
            (own.log_focal - own.place[2] - self.log_distance) / self.log_distance_sigma,
            own.radial / self.radial_sigma,
        ]
        return np.array(values)[:, None], None

    def terms(self, state: State) -> Terms:
        """Return them with their Jacobian."""
        layout = self.layout
        columns = layout.shared + np.array([layout.focal, layout.place.start + 2, layout.radial])
        jacobian = np.diag([1 / self.log_focal_sigma, -1 / self.log_distance_sigma, 1 / self.radial_sigma])
        jacobian[1, 0] = 1 / self.log_distance_sigma
        return Terms(residual=self.residual(state)[0], jacobian=jacobian, columns=columns)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IrisFactor:
    """Size of the iris in one photo: what was measured in px is focal * diameter / depth, to a relative sigma.

    The diameter is one unknown for the person (`State.iris`), so two eyes and five photos do not make the population's
    spread smaller.

    Attributes
    ----------
    points : the m iris centres that were measured; `diameter_px` (m,), `sigma` (m,) of its log.
    iris_mm, iris_sigma_mm : the population's diameter.
    """

    photo: int
    layout: Layout
    points: PointModel
    diameter_px: Float
    sigma: Float
    iris_mm: float
    iris_sigma_mm: float
    nu: float

    def held(self, state: State, slack: float) -> IrisFactor:
        """Return the factor itself: nothing is held."""
        return self

    def _in_camera(self, state: State) -> tuple[Float, Float, Float, Float]:
        own = state.photos[self.photo]
        points, of_eyes, by_gaze = self.points.jacobian(np.concatenate([state.identity, own.expression]), own.gaze)
        basis = self.points.basis.copy()
        basis[self.points.eye_rows] = of_eyes
        turned = (points - own.pivot) @ own.rotation.T
        all_gaze = np.zeros((len(points), 3, 4))
        all_gaze[self.points.eye_rows] = by_gaze
        axis = own.rotation[2]
        return turned, turned[:, 2] + own.pivot_in_camera[2], axis @ basis, axis @ all_gaze

    def _residual(self, state: State, depth: Float) -> Float:
        own = state.photos[self.photo]
        diameter = max(self.iris_mm + self.iris_sigma_mm * state.iris, 1e-3)
        predicted = own.log_focal + np.log(diameter) - np.log(np.maximum(depth, 1e-3))
        return ((predicted - np.log(self.diameter_px)) / self.sigma)[:, None]

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return log(predicted / measured) in units of sigma."""
        own = state.photos[self.photo]
        points = self.points.positions(np.concatenate([state.identity, own.expression]), own.gaze)
        return self._residual(state, own.seen(points)[:, 2]), self.nu

    def terms(self, state: State) -> Terms:
        """Return it with its Jacobian."""
        layout, own = self.layout, state.photos[self.photo]
        turned, depth, by_weights, by_gaze = self._in_camera(state)
        s, k = layout.shared, layout.modes
        jacobian = np.zeros((len(depth), s + layout.photo(self.photo)))
        per_depth = -1.0 / depth
        jacobian[:, :k] = per_depth[:, None] * by_weights[:, :k]
        jacobian[:, s : s + layout.expressions] = per_depth[:, None] * by_weights[:, k:]
        jacobian[:, s + layout.gaze.start : s + layout.gaze.stop] = per_depth[:, None] * by_gaze
        jacobian[:, s + layout.rotation.start] = per_depth * turned[:, 1]
        jacobian[:, s + layout.rotation.start + 1] = -per_depth * turned[:, 0]
        of_pivot = own.pivot_in_camera[2] / depth
        jacobian[:, s + layout.place.start + 2] = of_pivot
        jacobian[:, s + layout.focal] = 1.0 - of_pivot
        jacobian[:, k] = self.iris_sigma_mm / max(self.iris_mm + self.iris_sigma_mm * state.iris, 1e-3)
        return Terms(
            residual=self._residual(state, depth),
            jacobian=jacobian / self.sigma[:, None],
            columns=slice(0, jacobian.shape[1]),
            nu=self.nu,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IpdFactor:
    """A measured interpupillary distance for far sight: the distance between the eyes' centres of rotation.

    Attributes
    ----------
    eye_mean, eye_basis : (2, 3) and (2, 3, k) the centres as a function of the identity.
    """

    eye_mean: Float
    eye_basis: Float
    ipd_mm: float
    sigma_mm: float
    photo: int | None = None

    def held(self, state: State, slack: float) -> IpdFactor:
        """Return the factor itself: nothing is held."""
        return self

    def _between(self, state: State) -> Float:
        joints = self.eye_mean + self.eye_basis @ state.identity
        return joints[0] - joints[1]

    def fitted_mm(self, state: State) -> float:
        """Return the distance on the fitted head, mm."""
        return float(np.linalg.norm(self._between(state)))

    def residual(self, state: State) -> tuple[Float, float | None]:
        """Return (fitted - measured) / sigma."""
        return np.array([[(self.fitted_mm(state) - self.ipd_mm) / self.sigma_mm]]), None

    def terms(self, state: State) -> Terms:
        """Return it with its Jacobian."""
        between = self._between(state)
        unit = between / np.linalg.norm(between)
        jacobian = (unit @ (self.eye_basis[0] - self.eye_basis[1]))[None] / self.sigma_mm
        return Terms(residual=self.residual(state)[0], jacobian=jacobian, columns=slice(0, jacobian.shape[1]))
