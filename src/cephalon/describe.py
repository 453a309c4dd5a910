"""What a file holds, for `cephalon info`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cephalon.core import InputError

if TYPE_CHECKING:
    from cephalon.geometry import Mesh


_NO_PICTURES = (".html", ".htm", ".md", ".txt", ".csv", ".mtl", ".tar", ".zip", ".usdz", ".hdr", ".npy", ".pp", ".lnd")


def describe(path: str | Path) -> dict[str, Any]:
    """Return plain facts about a file, by its kind (told from the name's ending).

    Raises
    ------
    InputError
        If there is no such file, its kind is unknown, or it is damaged.
    """
    path = Path(path)
    try:
        if path.is_dir():
            path = path / "fit.json"
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    suffix = path.suffix.lower()
    readers = {".glb": _glb, ".obj": _obj, ".ply": _ply, ".stl": _stl, ".json": _json, ".pts": _points}
    readers |= dict.fromkeys((".npz", ".pkl", ".mat", ".h5"), _model)
    if suffix in _NO_PICTURES:
        raise InputError(
            f"{path}: info knows photos, .glb, .obj, .ply, .stl, fit.json, codes, landmarks (.json, .pts) and head models"
            " (.npz, .pkl, .mat, .h5)"
        )
    return {"file": str(path), "bytes": size, **readers.get(suffix, _photo)(path)}


def _glb(path: Path) -> dict[str, Any]:
    from cephalon.files.glb import read_glb

    found = read_glb(path)
    low, high = found.bounds_mm
    names = found.primitives[0].morph_names if found.primitives else ()
    return {
        "kind": "binary glTF",
        "primitives": [
            f"{p.name} ({len(p.positions)} vertices, {len(p.triangles)} triangles)" for p in found.primitives
        ],
        "vertices": sum(len(p.positions) for p in found.primitives),
        "triangles": sum(len(p.triangles) for p in found.primitives),
        "materials": [m.name for m in found.materials],
        "joints": [j.name for j in found.joints],
        "morph_targets": list(names),
        "size_mm": [round(float(x), 2) for x in high - low],
    }


def _obj(path: Path) -> dict[str, Any]:
    from cephalon.files.obj import read_obj

    mesh = read_obj(path).mesh
    return {
        "kind": "Wavefront OBJ",
        "vertices": len(mesh.vertices),
        "polygons": len(mesh.polygons),
        "groups": list(mesh.groups),
        "size_in_its_unit": _size(mesh),
    }


def _size(mesh: Mesh) -> list[float]:
    return [round(float(x), 3) for x in mesh.vertices.max(0) - mesh.vertices.min(0)]


def _ply(path: Path) -> dict[str, Any]:
    from cephalon.files.ply import read_ply

    found = read_ply(path)
    return {
        "kind": "PLY",
        "vertices": len(found.mesh.vertices),
        "polygons": len(found.mesh.polygons),
        "unit": found.unit or "not said",
        "attributes": list(found.attributes),
    }


def _stl(path: Path) -> dict[str, Any]:
    import numpy as np

    from cephalon.files.stl import read_stl

    mesh = read_stl(path)
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]).astype(np.int64)
    there, back = ends @ [len(mesh.vertices), 1], ends @ [1, len(mesh.vertices)]
    return {
        "kind": "STL",
        "vertices": len(mesh.vertices),
        "triangles": len(mesh.faces),
        "closed": np.array_equal(np.sort(there), np.sort(back)),
        "size_in_its_unit": _size(mesh),
    }


def _json(path: Path) -> dict[str, Any]:
    from cephalon.files.document import read_json

    found = read_json(path)
    if found.get("schema") == "cephalon.fit":
        try:
            return {
                "kind": "result of a reconstruction",
                "status": found["status"],
                "photos": [f"{p['name']} ({p['status']}, {p['reprojection_px']:.1f} px)" for p in found["photos"]],
                "measures": [f"{name} {m['mm']:.1f} ± {m['sigma_mm']:.1f} mm" for name, m in found["measures"].items()],
                "head_model": found["model"]["name"],
                "written_by": f"Cephalon {found['versions']['cephalon']}",
            }
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(f"{path}: calls itself a result of Cephalon, but is not complete ({error!r})") from error
    if found.get("schema") == "cephalon.code":
        try:
            return {
                "kind": "code of a person (cephalon convert)",
                "head_model": str(found["model"]["name"]),
                "identity": f"{len(found['identity'])} numbers",
            }
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: calls itself a code of Cephalon, but is not complete ({error!r})") from error
    return _points(path)


def _points(path: Path) -> dict[str, Any]:
    from cephalon.observe import read_record

    found = read_record(path)
    return {"kind": "landmarks", "set": str(found.get("set")), "points": len(found["points"])}


def _model(path: Path) -> dict[str, Any]:
    from cephalon.head.foreign import load_model

    model = load_model(path)
    foreign = {name: name for name in ("obtain", "registration", "eyes", "texture", "notes")}
    foreign |= {"expressions": "expressions_from", "joints": "joints_from"}
    return {
        "kind": "head model",
        "name": model.meta.get("name", ""),
        "licence": model.meta.get("licence", ""),
        "vertices": len(model.mean),
        "polygons": len(model.polygons),
        "identity_modes": model.identity_count,
        "expressions": len(model.expression_names),
        "joints": list(model.joint_names),
        "parts": list(model.parts),
        "point_sets": [f"{name} ({len(points.names)})" for name, points in model.point_sets.items()],
        "sha256": model.sha256,
        **{words: model.meta[name] for name, words in foreign.items() if model.meta.get("foreign")},
    }


def _photo(path: Path) -> dict[str, Any]:
    from cephalon.photo import Photo

    photo = Photo.open(path)
    height, width = photo.rgb_srgb.shape[:2]
    return {
        "kind": "photo",
        "width": width,
        "height": height,
        "alpha": photo.alpha is not None,
        "focal35_mm": photo.focal35_mm if photo.focal35_mm is not None else "not recorded",
        "notes": list(photo.notes),
        "sha256": photo.sha256,
    }
