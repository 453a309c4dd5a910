"""fit.json and posterior.npz: what a result folder says of itself, written and read back."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.files.bounded import read_bytes
from cephalon.files.document import check_schema, json_bytes, read_json
from cephalon.files.npz import read_npz
from cephalon.files.png import read_png
from cephalon.geometry import Camera, Rigid
from cephalon.head import HeadModel
from cephalon.head.licence import model_licence
from cephalon.values.head import Head, provenance_colours
from cephalon.values.records import PhotoFit, Posterior, ScaleCue, Texture

SCHEMA = "cephalon.fit"
FORMAT_VERSION = 1
_MOST_ARRAY_BYTES = 64 * 2**20


def document(head: Head, files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of fit.json as plain data (schema "cephalon.fit", format_version 1)."""
    from cephalon import __version__

    posterior = head.posterior
    measures = {name: {"mm": m.mm, "sigma_mm": m.sigma_mm} for name, m in head.measures().items()}
    photos = []
    if posterior is not None:
        for k, fitted in enumerate(posterior.photos):
            entry = _photo(fitted, head)
            if k < len(head.photos):
                entry = {"name": head.photos[k].name, "sha256": head.photos[k].sha256, **entry}
            if k < len(head.observations):
                entry["landmarks"] = head.observations[k].source
            photos.append(entry)
    texture = head.texture
    return {
        "schema": SCHEMA,
        "format_version": FORMAT_VERSION,
        "versions": {"cephalon": __version__, "numpy": np.__version__},
        "status": "sampled" if posterior is None else posterior.status,
        "reason": "" if posterior is None else posterior.reason,
        "units": {"length": "mm", "angle": "rad", "image": "px"},
        "model": {"name": head.model.meta.get("name", ""), "sha256": head.model.sha256},
        "measures": measures,
        "scale_cues": [] if posterior is None else [_cue(cue) for cue in posterior.cues],
        "photos": photos,
        "identity": head.identity.tolist(),
        "fit": None
        if posterior is None
        else {"iterations": posterior.iterations, "energy": posterior.energy, "tempering": posterior.tempering},
        "texture": None
        if texture is None
        else {
            "size_px": texture.albedo_srgb.shape[0],
            "provenance": {
                name: {"share": texture.shares().get(name, 0.0), "colour_srgb": list(colour)}
                for name, colour in zip(
                    texture.provenance_names, provenance_colours(texture.provenance_names), strict=True
                )
            },
            "iris_srgb": {side: c.tolist() for side, c in zip(("left", "right"), texture.iris_srgb, strict=True)},
            "iris_seen": {side: bool(s) for side, s in zip(("left", "right"), texture.iris_seen, strict=True)},
            "light": texture.light.tolist(),
        },
        "options": dict(head.options),
        "licences": _licences(head.model),
        "files": dict(files),
    }


def _licences(model: HeadModel) -> dict[str, str]:
    found = model_licence(model)
    return {
        "code": "Apache-2.0",
        "head model": f"{found.licence}; {found.origin}",
        "this head": f"{found.result}: {found.remark}",
    }


def _photo(fitted: PhotoFit, head: Head) -> dict[str, Any]:
    camera = fitted.camera
    return {
        "status": fitted.status,
        "reason": fitted.reason,
        "reprojection_px": fitted.reprojection_px,
        "reprojection_percent_of_outer_eye_distance": fitted.reprojection_percent,
        "camera": {
            "width": camera.width,
            "height": camera.height,
            "focal_px": camera.focal_px,
            "focal35_mm": camera.focal35_mm,
            "focal_sigma_log": fitted.focal_sigma,
            "principal_point": camera.principal_point.tolist(),
            "k1": camera.k1,
            "k2": camera.k2,
        },
        "distance_mm": fitted.distance_mm,
        "camera_from_head": {
            "rotation": fitted.camera_from_head.rotation.tolist(),
            "translation": fitted.camera_from_head.translation.tolist(),
        },
        "expression": {
            name: float(weight) for name, weight in zip(head.model.expression_names, fitted.expression, strict=True)
        },
        "joint_rotvecs": {
            name: rotvec.tolist() for name, rotvec in zip(head.model.joint_names, fitted.joint_rotvecs, strict=True)
        },
    }


def _cue(cue: ScaleCue) -> dict[str, Any]:
    return {"name": cue.name, "value": cue.value, "sigma": cue.sigma, "unit": cue.unit, "fitted": cue.fitted}


def document_bytes(head: Head, *, files: Mapping[str, Any]) -> bytes:
    """Return fit.json as bytes, the same for the same head."""
    return json_bytes(document(head, files))


def posterior_bytes(head: Head) -> bytes:
    """Return posterior.npz as bytes: the arrays that fit.json has no room for (no pickle, no time stamps)."""
    assert head.posterior is not None
    arrays: dict[str, NDArray[Any]] = {
        "identity": head.posterior.identity,
        "identity_sqrt_precision": head.posterior.identity_sqrt_precision.astype(np.float32),
    }
    for k, fitted in enumerate(head.posterior.photos):
        arrays[f"photo{k}_points_px"] = fitted.points_px.astype(np.float32)
        arrays[f"photo{k}_inlier"] = fitted.inlier.astype(np.float32)
    if head.texture is not None:
        arrays["provenance"] = head.texture.provenance
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), part.getvalue(), zipfile.ZIP_DEFLATED
            )
    return buffer.getvalue()


def read_head(folder: Path, model: HeadModel | None) -> Head:
    """Read a result folder; see `Head.load`."""
    if not (folder / "fit.json").is_file():
        raise InputError(f"{folder}: no fit.json in it; give a folder that  cephalon reconstruct  wrote")
    found = read_json(folder / "fit.json")
    check_schema(found, SCHEMA, FORMAT_VERSION, where=str(folder / "fit.json"))
    model = model or HeadModel.load()
    try:
        if found["model"]["sha256"] != model.sha256:
            raise InputError(
                f"{folder}: made with another head model ({found['model']['name']}, sha256 {found['model']['sha256'][:12]});"
                f" this one is {model.meta.get('name', '')} {model.sha256[:12]}: give the model that it was made with (--from), or"
                " use the Cephalon version that wrote it"
            )
        arrays = _arrays(folder / "posterior.npz") if found["fit"] is not None else {}
        identity = np.asarray(arrays.get("identity", found["identity"]), dtype=np.float64)
        posterior = None if found["fit"] is None else _posterior(found, arrays, identity, model)
        return Head(
            model=model,
            identity=identity,
            posterior=posterior,
            texture=None if found["texture"] is None else _texture(found, arrays, folder),
            options=found["options"],
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InputError(f"{folder}: the result is damaged ({type(error).__name__}: {error}); make it anew") from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    data = read_bytes(path, max_bytes=_MOST_ARRAY_BYTES, what="posterior file")
    return read_npz(data, where=str(path), what="posterior file", max_unpacked=_MOST_ARRAY_BYTES)


def _posterior(found: Mapping[str, Any], arrays: Mapping[str, Any], identity: Any, model: HeadModel) -> Posterior:
    photos = []
    for k, entry in enumerate(found["photos"]):
        camera = entry["camera"]
        photos.append(
            PhotoFit(
                camera=Camera(
                    width=camera["width"],
                    height=camera["height"],
                    focal_px=camera["focal_px"],
                    principal_point=np.asarray(camera["principal_point"]),
                    k1=camera["k1"],
                    k2=camera["k2"],
                ),
                camera_from_head=Rigid(
                    rotation=_orthonormal(np.asarray(entry["camera_from_head"]["rotation"])),
                    translation=np.asarray(entry["camera_from_head"]["translation"]),
                ),
                expression=as_array(
                    "expression", [entry["expression"][name] for name in model.expression_names], (None,)
                ),
                joint_rotvecs=as_array(
                    "joint_rotvecs", [entry["joint_rotvecs"][name] for name in model.joint_names], (None, 3)
                ),
                reprojection_px=float(entry["reprojection_px"]),
                reprojection_percent=float(entry["reprojection_percent_of_outer_eye_distance"]),
                points_px=arrays[f"photo{k}_points_px"].astype(np.float64),
                inlier=arrays[f"photo{k}_inlier"].astype(np.float64),
                focal_sigma=float(camera["focal_sigma_log"]),
                status=entry["status"],
                reason=entry["reason"],
            )
        )
    return Posterior(
        identity=identity,
        identity_sqrt_precision=arrays["identity_sqrt_precision"].astype(np.float64),
        photos=tuple(photos),
        cues=tuple(ScaleCue(**cue) for cue in found["scale_cues"]),
        status=found["status"],
        reason=found["reason"],
        iterations=found["fit"]["iterations"],
        energy=found["fit"]["energy"],
        tempering=found["fit"]["tempering"],
    )


def _orthonormal(rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo the rounding of a rotation written with nine digits."""
    u, _, vt = np.linalg.svd(rotation)
    return u @ vt


def _texture(found: Mapping[str, Any], arrays: Mapping[str, Any], folder: Path) -> Texture:
    entry = found["texture"]
    return Texture(
        albedo_srgb=read_png(folder / "albedo.png")[..., :3],
        provenance=arrays["provenance"],
        provenance_names=tuple(entry["provenance"]),
        iris_srgb=np.array([entry["iris_srgb"][side] for side in ("left", "right")], dtype=np.uint8),
        iris_seen=np.array([entry["iris_seen"][side] for side in ("left", "right")]),
        light=np.asarray(entry["light"], dtype=np.float64).reshape(-1, 9, 3),
    )
