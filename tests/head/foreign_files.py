"""Small files in the documented layouts of other head models, made from our own mean head."""

from __future__ import annotations

import pickle  # noqa: TID251  (to write what our reader must read or refuse)
import sys
import types
from pathlib import Path

import numpy as np
from scipy import sparse

from cephalon.head import HeadModel

MODES = 12
# The other model's frame: turned a little and moved, so that nothing can be right by accident.
_TURN = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(0.1), -np.sin(0.1)], [0.0, np.sin(0.1), np.cos(0.1)]])
_SHIFT_MM = np.array([3.0, 40.0, -20.0])


def other_frame(points: np.ndarray) -> np.ndarray:
    """Our head frame -> the other model's, mm."""
    return points @ _TURN.T + _SHIFT_MM


def head_and_eyes(model: HeadModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices mm, triangles and identity offsets (MODES, n, 3) of skin and eyeballs, in the other frame."""
    stop = model.parts["right_eye"].vertices.stop
    faces = model.faces[: model.parts["right_eye"].faces.stop]
    return other_frame(model.mean[:stop]), faces, model.identity_basis[:MODES, :stop] @ _TURN.T


def flame_values(model: HeadModel) -> dict[str, np.ndarray]:
    """FLAME's keys: metres, (n, 3, modes), five joints."""
    vertices, faces, identity = head_and_eyes(model)
    n = len(vertices)
    regressor = np.zeros((5, n))
    near = {0: [0.0, -150, -35], 1: [0.0, -120, -48], 2: [0.0, -10, 20]}
    for row, place in near.items():
        chosen = np.argsort(((vertices - other_frame(np.array(place))) ** 2).sum(1))[:20]
        regressor[row, chosen] = 1 / 20
    weights = np.zeros((n, 5))
    weights[:, 1] = 1
    for row, name in ((3, "left_eye"), (4, "right_eye")):
        part = model.parts[name].vertices
        regressor[row, part] = 1 / (part.stop - part.start)
        weights[part] = np.eye(5)[row]
    return {
        "v_template": vertices / 1000,
        "shapedirs": np.moveaxis(identity, 0, 2) / 1000,
        "f": faces.astype(np.uint32),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]]),
    }


def write_flame_pickle(path: Path, model: HeadModel) -> None:
    """A pickle as the authors ship it: protocol 2, a sparse regressor, chumpy objects."""
    module, parent = types.ModuleType("chumpy.ch"), types.ModuleType("chumpy")
    kind = type("Ch", (), {"__module__": "chumpy.ch"})
    module.Ch = kind  # type: ignore[attr-defined]
    values: dict[str, object] = dict(flame_values(model))
    shapes = kind()
    shapes.x = values["shapedirs"]  # type: ignore[attr-defined]
    values["shapedirs"] = shapes
    values["J_regressor"] = sparse.csc_matrix(values["J_regressor"])
    values["bs_style"] = "lbs"
    sys.modules.update({"chumpy": parent, "chumpy.ch": module})
    try:
        path.write_bytes(pickle.dumps(values, protocol=2))
    finally:
        del sys.modules["chumpy.ch"], sys.modules["chumpy"]


def write_basel_2019(path: Path, model: HeadModel) -> None:
    """The Statismo layout: mm, orthonormal basis and variances, faces (3, t), seen from inside, the face alone."""
    import h5py

    vertices, faces, identity = face_alone(model)
    flat = identity.reshape(MODES, -1).T
    basis, sd, _ = np.linalg.svd(flat, full_matrices=False)
    with h5py.File(path, "w") as file:
        file["shape/model/mean"] = vertices.reshape(-1).astype(np.float32)
        file["shape/model/pcaBasis"] = basis.astype(np.float32)
        file["shape/model/pcaVariance"] = (sd**2).astype(np.float32)
        file["shape/representer/cells"] = faces[:, [0, 2, 1]].T.astype(np.uint32)
        file["shape/representer/points"] = vertices.T.astype(np.float32)


def write_basel_2009(path: Path, model: HeadModel, *, version: str = "5") -> None:
    """01_MorphableModel.mat: micrometres, standard deviations, triangles from 1 and seen from inside."""
    from scipy.io import savemat

    vertices, faces, identity = face_alone(model)
    flat = identity.reshape(MODES, -1).T * 1000
    basis, sd, _ = np.linalg.svd(flat, full_matrices=False)
    values = {
        "shapeMU": (vertices.reshape(-1, 1) * 1000).astype(np.float32),
        "shapePC": basis.astype(np.float32),
        "shapeEV": sd.reshape(-1, 1).astype(np.float32),
        "tl": (faces[:, [0, 2, 1]] + 1).astype(np.float64),
    }
    if version == "5":
        savemat(path, values)
        return
    import h5py

    with h5py.File(path, "w", userblock_size=512) as file:  # MATLAB 7.3: HDF5 behind 512 bytes, axes the other way
        for name, value in values.items():
            file[name] = value.T
    with open(path, "r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(128))


def face_alone(model: HeadModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The skin in front of the ears' back, without the inside of mouth and eyes: a mask with ears."""
    skin = model.parts["skin"]
    hidden = np.max([model.regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0) > 0.5
    keep = (model.mean[:, 2] > -35) & (model.mean[:, 1] > -110) & (model.mean[:, 1] < 95) & ~hidden
    faces = model.faces[skin.faces]
    faces = faces[keep[faces].all(axis=1)]
    used, numbers = np.unique(faces, return_inverse=True)
    return (
        other_frame(model.mean[used]),
        numbers.reshape(-1, 3),
        np.ascontiguousarray(model.identity_basis[:MODES, used] @ _TURN.T),
    )


def write_gnm(path: Path, model: HeadModel) -> None:
    """GNM Head v3: metres, quads with a uv per corner, (joints, n) weights, groups by name."""
    stop = model.parts["right_eye"].vertices.stop
    quads = model.polygons[: model.parts["right_eye"].polygons.stop]
    uv = np.asarray(model.topology.uv)
    corners = uv[np.asarray(model.topology.polygons_uv)[: len(quads)]]
    quads = np.where(quads < 0, quads[:, [2]], quads)  # the eyes have a few triangles
    corners = np.where(
        np.asarray(model.topology.polygons_uv)[: len(quads), 3, None, None] < 0, corners[:, [0, 1, 2, 2]], corners
    )
    vertices, faces, identity = head_and_eyes(model)
    names = ["neck", "head", "eye_l", "eye_r"]
    weights = np.zeros((4, stop))
    weights[1] = 1
    for row, name in ((2, "left_eye"), (3, "right_eye")):
        weights[:, model.parts[name].vertices] = np.eye(4)[row][:, None]
    joints = other_frame(np.array([[0.0, -120, -48], [0, -15, -46], *model.joints()[3:5]]))
    np.savez(
        path,
        version="3.0",
        variant="head",
        template_vertex_positions=vertices / 1000,
        template_joint_positions=joints / 1000,
        vertex_identity_basis=identity / 1000,
        joint_identity_basis=np.zeros((MODES, 4, 3)),
        identity_names=np.array([f"head_{i}" for i in range(MODES)]),
        expression_basis=np.zeros((2, stop, 3)),
        expression_names=np.array(["lower_face_0", "lower_face_1"]),
        joint_names=np.array(names),
        joint_parent_indices=np.array([-1, 0, 1, 1]),
        skinning_weights=weights,
        pose_correctives_regressor=np.zeros((36, 3)),
        triangles=faces,
        quads=quads,
        quad_uvs=corners,
    )
