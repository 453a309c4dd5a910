"""From a `Head` to its overlays and its report page."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from cephalon.files.atomic import OutputFolder
from cephalon.files.png import jpeg_bytes, png_bytes
from cephalon.geometry import interpolate, rasterise_uv
from cephalon.head import HeadModel
from cephalon.head.licence import model_licence
from cephalon.report.content import (
    CueRow,
    PhotoRow,
    Picture,
    ProvenanceMap,
    ReportContent,
    SigmaMap,
)
from cephalon.report.page import report_html
from cephalon.report.pictures import overlay, turntable
from cephalon.values import Head, Texture

Image = NDArray[np.uint8]

OVERLAY_PX = 1024
PHOTO_PX = 1024
TURNTABLE_PX = 240
MAP_PX = 512
HIGHLIGHTS = ("interpupillary distance", "head breadth", "head length", "head circumference")


def write_head_report(head: Head, out: OutputFolder, *, glb: bytes | None = None) -> None:
    """Write overlay_1.png, overlay_2.png, ... and report.html into an open output folder.

    Parameters
    ----------
    glb : the bytes of head.glb if they are at hand; else they are made.
    """
    overlays = head_overlays(head)
    for number, image in enumerate(overlays, start=1):
        out.write(f"overlay_{number}.png", png_bytes(image, level=1))
    content = report_content(head, overlays=overlays, glb=glb or head.glb())
    out.write("report.html", report_html(content).encode("utf-8"))


def head_overlays(head: Head) -> list[Image]:
    """Draw the fitted head over each of its photos; an empty list for a head without photos."""
    if head.posterior is None:
        return []
    drawn = []
    for photo, observation, fitted in zip(head.photos, head.observations, head.posterior.photos, strict=True):
        vertices = head.model.vertices(
            head.model.code(
                identity=head.identity,
                expression=fitted.expression,
                joints=dict(zip(head.model.joint_names, fitted.joint_rotvecs, strict=True)),
            )
        )
        drawn.append(overlay(head.model, vertices, photo.rgb_srgb, fitted, observation, long_side=OVERLAY_PX))
    return drawn


def report_content(head: Head, *, overlays: list[Image], glb: bytes) -> ReportContent:
    """Collect what the report page of a head shows."""
    from cephalon import __version__

    posterior, model = head.posterior, head.model
    views = turntable(model, model.vertices(head.code), looks=head.looks(), size=TURNTABLE_PX)
    names = ("front", "left three-quarter", "left", "left back", "back", "right back", "right", "right three-quarter")
    measures = {name: (m.mm, m.sigma_mm) for name, m in head.measures().items()}
    return ReportContent(
        title=PurePath(head.photos[0].name).stem if head.photos else "sampled head",
        glb=glb,
        status="sampled" if posterior is None else posterior.status,
        reason="" if posterior is None else posterior.reason,
        photos=_photo_rows(head, overlays),
        turntable=tuple(
            Picture(label=name, image=jpeg_bytes(view, quality=88)) for name, view in zip(names, views, strict=True)
        ),
        measures=measures,
        highlights=tuple(name for name in HIGHLIGHTS if name in measures),
        cues=()
        if posterior is None
        else tuple(
            CueRow(name=c.name, value=c.value, sigma=c.sigma, unit=c.unit, fitted=c.fitted) for c in posterior.cues
        ),
        sigma=None if posterior is None or model.topology.uv is None else sigma_map(head),
        provenance=None if head.texture is None else _provenance(head.texture),
        notes=tuple(note for photo in head.photos for note in photo.notes),
        options=dict(head.options),
        versions={"Cephalon": __version__, "head model": f"{model.meta.get('name', '')} {model.sha256[:12]}"},
        licences=_licences(model),
        citation=citation(),
    )


def _licences(model: HeadModel) -> tuple[tuple[str, str, str], ...]:
    """Return code, head model and result; another head model with the licence that it came under."""
    found = model_licence(model)
    return (
        ("Cephalon", "Apache-2.0", "code"),
        ("head model", found.licence, found.origin),
        ("this head", found.result, found.remark),
    )


def citation() -> str:
    """Return how to cite Cephalon, plain text with BibTeX."""
    from importlib import resources

    return (resources.files("cephalon") / "data" / "cite.txt").read_text(encoding="utf-8").strip()


def sigma_map(head: Head) -> SigmaMap:
    """Paint the posterior sd of the skin's vertices into the skin's UV."""
    model = head.model
    skin = model.parts["skin"]
    sigma = head.vertex_sigma()
    topology = model.topology
    assert topology.uv is not None
    assert topology.faces_uv is not None
    raster = rasterise_uv(topology.uv, topology.faces_uv[skin.faces], MAP_PX)
    return SigmaMap.of_uv(interpolate(raster, model.faces[skin.faces], sigma), raster.covered)


def _provenance(texture: Texture) -> ProvenanceMap:
    step = max(1, texture.provenance.shape[0] // MAP_PX)
    return ProvenanceMap.of_codes(texture.provenance[::step, ::step], texture.provenance_names, shares=texture.shares())


def _photo_rows(head: Head, overlays: list[Image]) -> tuple[PhotoRow, ...]:
    rows = []
    if head.posterior is None:
        return ()
    for photo, observation, fitted, drawn in zip(
        head.photos, head.observations, head.posterior.photos, overlays, strict=True
    ):
        strongest = sorted(zip(fitted.expression, head.model.expression_names, strict=True), reverse=True)
        rows.append(
            PhotoRow(
                name=photo.name,
                image=jpeg_bytes(_reduced(photo.rgb_srgb, PHOTO_PX), quality=86),
                overlay=jpeg_bytes(drawn, quality=86),
                status=fitted.status,
                reason=fitted.reason,
                reprojection_px=fitted.reprojection_px,
                reprojection_percent=fitted.reprojection_percent,
                focal_px=fitted.camera.focal_px,
                focal35_mm=fitted.camera.focal35_mm,
                distance_mm=fitted.distance_mm,
                source=observation.source,
                camera_position_mm=tuple(fitted.camera_from_head.inverse().translation.tolist()),
                expression={name: float(weight) for weight, name in strongest if weight > 0.02},
            )
        )
    return tuple(rows)


def _reduced(rgb: Image, long_side: int) -> Image:
    from PIL import Image as Pillow

    picture = Pillow.fromarray(np.ascontiguousarray(rgb))
    picture.thumbnail((long_side, long_side), Pillow.Resampling.LANCZOS)
    return np.asarray(picture)
