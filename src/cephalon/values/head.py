"""The head that the user wanted: model, identity, posterior, texture; its mesh, measures, uncertainty and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.export import fine_mesh, head_glb, head_obj, head_scene, part_looks
from cephalon.files.atomic import OutputFolder, write_bytes, write_files
from cephalon.files.ply import ply_bytes
from cephalon.files.png import png_bytes
from cephalon.files.stl import stl_bytes
from cephalon.files.usd import usdz_bytes
from cephalon.geometry import Mesh
from cephalon.head import HeadCode, HeadModel
from cephalon.head.solid import Solid, printable_solid
from cephalon.photo import Photo
from cephalon.values.records import Measure, Observation, Posterior, Texture

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """What the user wanted: a whole head, metric, textured, rigged, and how sure it is.

    Attributes
    ----------
    model : the head model that the identity belongs to.
    posterior : the fit; None for a head that was sampled or made by hand.
    identity : (k,) whitened coefficients.
    texture : None if no texture was asked for.
    photos, observations : what the head was made from (empty for a sampled head).
    options : options of every stage as plain data, kept for the record.
    timings_s : seconds by stage.
    """

    model: HeadModel
    identity: Float
    posterior: Posterior | None = None
    texture: Texture | None = None
    photos: tuple[Photo, ...] = ()
    observations: tuple[Observation, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    timings_s: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", as_array("identity", self.identity, (self.model.identity_count,)))

    @property
    def code(self) -> HeadCode:
        """The neutral code of this head: identity alone."""
        return HeadCode(identity=self.identity)

    def mesh(self, expression: Mapping[str, float] | None = None) -> Mesh:
        """Return the mesh in mm (head frame), neutral or with ARKit coefficients by name."""
        return self.model.mesh(self.model.code(identity=self.identity, expression=expression))

    def points(self, set_name: str) -> Float:
        """Return the named points of the neutral head, (k, 3) mm."""
        return self.model.points(self.code, set_name)

    def vertex_sigma(self) -> Float:
        """Return the (n,) posterior sd of each vertex of the neutral head, mm (root mean square over x, y, z).

        The span's part comes from the identity posterior, what the span cannot represent from the model's residual.
        """
        residual = np.asarray(self.model.residual_mm, dtype=np.float64)
        if self.posterior is None:
            return residual
        factor = self.posterior.identity_factor().astype(np.float32)
        variance = np.empty(len(residual))
        basis = self.model.identity_basis
        for start in range(0, len(residual), 512):
            block = basis[:, start : start + 512].reshape(len(basis), -1)
            spread = factor.T @ block
            variance[start : start + 512] = (spread * spread).sum(0).reshape(-1, 3).mean(1)
        return np.sqrt(variance + residual**2)

    def measures(self) -> dict[str, Measure]:
        """Return every measure of the neutral head with its posterior sd."""
        return dict(_measures(self))

    def measure(self, name: str) -> Measure:
        """Return one measure by name, for example "interpupillary distance"."""
        found = self.measures()
        if name not in found:
            raise InputError(f"measure {name!r} is unknown; known are: {', '.join(sorted(found))}")
        return found[name]

    # -- files --------------------------------------------------------------------------------------------------

    def looks(self) -> dict[str, Any]:
        """Return the materials of all parts (`export.PartLook` by part name)."""
        if self.texture is None:
            return part_looks(self.model)
        return part_looks(self.model, albedo_srgb=self.texture.albedo_srgb, iris_srgb=self.texture.iris_srgb)

    def glb(self, *, expression: Mapping[str, float] | None = None) -> bytes:
        """Return the rigged head as the bytes of a GLB file: metres, neutral (or posed), 52 morph targets, joints."""
        extras = {"generator": "Cephalon", "model": self.model.meta.get("name", ""), "model_sha256": self.model.sha256}
        return head_glb(self.model, self.identity, self.looks(), expression=expression, extras=extras)

    def ply(self) -> bytes:
        """Return the neutral head as the bytes of a PLY file: mm, the model's own vertices in their order.

        At each vertex: `sigma_mm` (posterior sd); with a texture also its colour and, on the skin, `provenance`: which
        source the colour came from, counted as the header's comment lists them.
        """
        attributes: dict[str, Any] = {"sigma_mm": self.vertex_sigma()}
        comment = f"Cephalon head, neutral; head model {self.model.meta.get('name', '')} {self.model.sha256[:12]}"
        colours = None
        if self.texture is not None:
            codes, colours = _at_vertices(self.model, self.texture)
            attributes["provenance"] = codes
            names = ", ".join(f"{i} = {name}" for i, name in enumerate(self.texture.provenance_names))
            comment += f"\nprovenance: {names}"
        return ply_bytes(self.mesh(), attributes, colours_srgb=colours, comment=comment, quads=True)

    def solid(self) -> Solid:
        """Return the neutral head as one closed surface for printing (eyes and mouth closed, a flat foot)."""
        fine = fine_mesh(self.model)
        skin = fine.mesh.faces[fine.parts["skin"].faces]
        return printable_solid(self.model, self.model.vertices(self.code), operator=fine.operator, skin=skin)

    def usdz(self, *, expression: Mapping[str, float] | None = None) -> bytes:
        """Return the rigged head as the bytes of a USD package (needs the extra usd)."""
        return usdz_bytes(head_scene(self.model, self.identity, self.looks(), expression=expression))

    def save(self, folder: str | Path, *, force: bool = False, also: Sequence[str] = ()) -> None:
        """Write head.glb, head.obj, albedo.png, provenance.png, fit.json and posterior.npz to a folder, all or nothing.

        `also` names further formats: "ply" (sigma and provenance at the vertices), "stl" (one closed solid), "usdz".
        `cephalon.save` writes the overlays and the report beside them.

        Raises
        ------
        InputError
            If the folder cannot be written or holds something else than an earlier result (unless `force`).
        """
        with OutputFolder(folder, force=force) as out:
            self.write_files(out, also=also)
            self.write_document(out)

    def write_files(self, out: OutputFolder, *, also: Sequence[str] = ()) -> bytes:
        """Write the mesh and texture files into an open output folder (`write_document` comes last); return the GLB."""
        glb = self.glb()
        out.write("head.glb", glb)
        vertices = self.model.vertices(self.code)
        texture_name = None
        if self.texture is not None:
            texture_name = "albedo.png"
            out.write("albedo.png", png_bytes(self.texture.albedo_srgb, level=2))
            out.write("provenance.png", png_bytes(provenance_picture(self.texture), level=6))
        obj, mtl = head_obj(self.model, vertices, self.looks(), texture_name=texture_name)
        out.write("head.obj", obj)
        out.write("head.mtl", mtl)
        for name in also:
            if name not in FURTHER:
                raise InputError(f"further format {name!r}: expected one of {', '.join(FURTHER)}")
            out.write(f"head.{name}", self._further(name))
        return glb

    def _further(self, name: str) -> bytes:
        if name == "ply":
            return self.ply()
        if name == "usdz":
            return self.usdz()
        solid = self.solid()
        comment = f"solid, thinnest {solid.thinnest_mm:.1f} mm, {solid.crossings} crossings"
        return stl_bytes(solid.mesh, comment=comment)

    def write_document(self, out: OutputFolder) -> None:
        """Write fit.json and posterior.npz; the document lists every file written before it with its hash."""
        from cephalon.values.document import document_bytes, posterior_bytes

        if self.posterior is not None:
            out.write("posterior.npz", posterior_bytes(self))
        out.write("fit.json", document_bytes(self, files=out.manifest()))

    def write_mesh(self, path: str | Path, *, expression: Mapping[str, float] | None = None) -> None:
        """Write the head to one .glb, .obj, .ply, .stl or .usdz file (an .obj refers to an .mtl of the same name beside).

        PLY and STL hold the neutral head alone.

        Raises
        ------
        InputError
            If the suffix is another one, or the place cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() == ".glb":
            write_bytes(path, self.glb(expression=expression))
        elif path.suffix.lower() == ".obj":
            vertices = self.mesh(expression).vertices
            obj, mtl = head_obj(self.model, vertices, self.looks(), material_name=path.stem)
            write_files({path.with_suffix(".mtl"): mtl, path: obj})
        elif path.suffix.lower() == ".usdz":
            write_bytes(path, self.usdz(expression=expression))
        elif path.suffix.lower() in (".ply", ".stl"):
            if expression:
                raise InputError(f"{path}: an expression is written to .glb, .obj or .usdz; this format is neutral")
            write_bytes(path, self._further(path.suffix.lower()[1:]))
        else:
            raise InputError(f"{path}: expected a file name ending in .glb, .obj, .ply, .stl or .usdz")

    @staticmethod
    def load(folder: str | Path, *, model: HeadModel | None = None) -> Head:
        """Read a head back from a folder that `save` wrote (photos and observations are not kept in it).

        Raises
        ------
        InputError
            If the folder holds no result, is damaged, or belongs to another head model.
        """
        from cephalon.values.document import read_head

        return read_head(Path(folder), model)


FURTHER = ("ply", "stl", "usdz")
"""Formats that `Head.save` writes when asked."""


def _at_vertices(model: HeadModel, texture: Texture) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Sample the texture at the skin's vertices: provenance code (n,) and colour (n, 3) sRGB; other parts plain."""
    topology, skin = model.topology, model.parts["skin"]
    codes = np.zeros(len(model.mean), dtype=np.int32)
    colours = np.full((len(model.mean), 3), 200, dtype=np.uint8)
    if topology.uv is None or topology.polygons_uv is None:
        return codes, colours
    corners, corners_uv = topology.polygons[skin.polygons], topology.polygons_uv[skin.polygons]
    known = corners >= 0
    uv = topology.uv[corners_uv[known]]
    for image, target in ((texture.provenance, codes), (texture.albedo_srgb, colours)):
        height, width = image.shape[:2]
        row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
        column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
        target[corners[known]] = image[row, column]
    return codes, colours


@lru_cache(maxsize=8)
def _measures(head: Head) -> dict[str, Measure]:
    factor = None if head.posterior is None else head.posterior.identity_factor()
    found = head.model.measures_with_sigma(head.model.vertices(head.code), factor)
    return {name: Measure(mm=mm, sigma_mm=sigma) for name, (mm, sigma) in found.items()}


def provenance_picture(texture: Texture) -> NDArray[np.uint8]:
    """Paint the provenance codes in distinct colours, (s, s, 3) sRGB."""
    return np.array(provenance_colours(texture.provenance_names), dtype=np.uint8)[texture.provenance]


_PHOTO_COLOURS = (
    (47, 128, 165), (214, 140, 60), (98, 155, 92), (168, 96, 150), (196, 92, 80), (108, 118, 190), (176, 160, 72),
)  # fmt: skip
_OTHER_COLOURS = {"outside": (24, 26, 28), "mirrored": (142, 192, 208), "completed": (196, 192, 186)}


def provenance_colours(names: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """Return one sRGB colour per source: fixed ones for "outside", "mirrored", "completed"; the photos take turns."""
    photos = [name for name in names if name not in _OTHER_COLOURS]
    return tuple(_OTHER_COLOURS.get(name) or _PHOTO_COLOURS[photos.index(name) % len(_PHOTO_COLOURS)] for name in names)
