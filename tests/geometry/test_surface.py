"""Points given by face and barycentric weights."""

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import SurfacePoints, rotation_from_rotvec
from tests.geometry.shapes import icosphere


def some_points(count: int, n_faces: int) -> SurfacePoints:
    rng = np.random.default_rng(0)
    return SurfacePoints(
        face_index=rng.integers(0, n_faces, count),
        barycentric=rng.dirichlet(np.ones(3), count),
        names=tuple(f"p{i}" for i in range(count)),
    )


def test_corners_and_centres_are_where_they_should_be() -> None:
    sphere = icosphere(50.0, 1)
    points = SurfacePoints(face_index=[3, 3, 7], barycentric=[[0, 1, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5]])
    found = points.positions(sphere.vertices, sphere.faces)
    triangles = sphere.vertices[sphere.faces]
    np.testing.assert_allclose(found[0], triangles[3, 1])
    np.testing.assert_allclose(found[1], triangles[3].mean(axis=0))
    np.testing.assert_allclose(found[2], triangles[7, [0, 2]].mean(axis=0))


def test_operator_is_the_same_map_and_commutes_with_motions() -> None:
    sphere = icosphere(50.0, 2)
    points = some_points(40, len(sphere.faces))
    operator = points.operator(len(sphere.vertices), sphere.faces)
    assert operator.shape == (40, len(sphere.vertices))
    np.testing.assert_allclose(operator @ sphere.vertices, points.positions(sphere.vertices, sphere.faces), atol=1e-12)
    np.testing.assert_allclose(operator.sum(axis=1), 1)
    rotation = rotation_from_rotvec([1.0, 2.0, 3.0])
    moved = points.positions(sphere.vertices @ rotation.T + 5, sphere.faces)
    np.testing.assert_allclose(moved, points.positions(sphere.vertices, sphere.faces) @ rotation.T + 5, atol=1e-12)


def test_names_and_rows() -> None:
    points = some_points(5, 9)
    assert points.index("p3") == 3
    assert len(points) == 5
    part = points.take([4, 0])
    assert part.names == ("p4", "p0")
    np.testing.assert_array_equal(part.barycentric, points.barycentric[[4, 0]])
    with pytest.raises(InputError, match="called 'q'"):
        points.index("q")


def test_no_points_at_all() -> None:
    none = SurfacePoints(face_index=[], barycentric=np.zeros((0, 3)))
    sphere = icosphere(1.0, 0)
    assert none.positions(sphere.vertices, sphere.faces).shape == (0, 3)
    assert none.operator(12, sphere.faces).shape == (0, 12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"face_index": [-1, 0]}, "from 0"),
        ({"face_index": [0]}, r"expected shape \(1, 3\)"),
        ({"barycentric": [[0.5, 0.5, 0.1], [1, 0, 0]]}, "sum to 1"),
        ({"barycentric": [[1.5, -0.5, 0.0], [1, 0, 0]]}, "weights from 0"),
        ({"names": ("a",)}, "2 names or none"),
    ],
)
def test_broken_points_are_refused(fields: dict, message: str) -> None:
    good = {"face_index": [0, 1], "barycentric": [[1, 0, 0], [0, 1, 0]]}
    with pytest.raises(InputError, match=message):
        SurfacePoints(**{**good, **fields})


def test_points_on_another_topology_are_refused() -> None:
    points = some_points(5, 20)
    with pytest.raises(InputError, match="the mesh has 3 faces"):
        points.positions(np.zeros((4, 3)), np.zeros((3, 3), dtype=np.int32))
    with pytest.raises(InputError, match="only 2 vertices"):
        points.operator(2, icosphere(1.0, 0).faces)
