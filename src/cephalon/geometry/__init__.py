"""Rotations, cameras, meshes, surface points, alignment and the rasteriser; numpy arrays in and out, in mm and px."""

from __future__ import annotations

from cephalon.geometry.align import Similarity, procrustes
from cephalon.geometry.camera import Camera
from cephalon.geometry.mesh import (
    Mesh,
    boundary_loops,
    connected_pieces,
    corner_angles,
    edges,
    euler_characteristic,
    face_areas,
    face_normals,
    half_edges,
    is_manifold,
    triangulate,
    vertex_normals,
)
from cephalon.geometry.raster import (
    Raster,
    interpolate,
    point_visibility,
    rasterise,
    rasterise_mesh,
    rasterise_uv,
    vertex_visibility,
)
from cephalon.geometry.rigid import (
    Rigid,
    left_jacobian_so3,
    rotation_from_rotvec,
    rotation_jacobian,
    rotvec_from_rotation,
    skew,
)
from cephalon.geometry.sampling import bilinear, halved, pyramid, trilinear
from cephalon.geometry.subdivide import Subdivision, subdivision
from cephalon.geometry.surface import SurfacePoints

__all__ = [
    "Camera",
    "Mesh",
    "Raster",
    "Rigid",
    "Similarity",
    "Subdivision",
    "SurfacePoints",
    "bilinear",
    "boundary_loops",
    "connected_pieces",
    "corner_angles",
    "edges",
    "euler_characteristic",
    "face_areas",
    "face_normals",
    "half_edges",
    "halved",
    "interpolate",
    "is_manifold",
    "left_jacobian_so3",
    "point_visibility",
    "procrustes",
    "pyramid",
    "rasterise",
    "rasterise_mesh",
    "rasterise_uv",
    "rotation_from_rotvec",
    "rotation_jacobian",
    "rotvec_from_rotation",
    "skew",
    "subdivision",
    "triangulate",
    "trilinear",
    "vertex_normals",
    "vertex_visibility",
]
