"""What the tests put on a page: a toy head with everything a report can show."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np

from cephalon.report import CueRow, PhotoRow, Picture, ProvenanceMap, ReportContent, SigmaMap
from tests.report.glb import png, toy_head

HOSTILE = (
    "\"><script>alert(1)</script><img src=x onerror=alert(2)>' onload='alert(3)",
    "</script><script>alert(4)</script>",
    "</title></style></textarea><!-- <svg onload=alert(5)> ]]>",
    "{{constructor.constructor('alert(6)')()}} ${alert(7)} %3Cscript%3E &lt;b&gt; javascript:alert(8)",
    "cat\u202egpj.exe \u0000\u0008\u2028\ufeff \udcff\ud800",
    "a" * 5000,
)


@cache
def toy_glb() -> bytes:
    return toy_head()


def _plain(*colour: int, width: int = 40, height: int = 50) -> bytes:
    return png(np.full((height, width, 3), colour, np.uint8))


@cache
def full_content() -> ReportContent:
    """A page with every section. The left half of the provenance map is photo 1, the right half completed."""
    codes = np.full((64, 64), 3, np.uint8)
    codes[:, :32] = 1
    codes[:4] = 0
    row, column = np.mgrid[0:64, 0:64]
    photos = tuple(
        PhotoRow(
            name=f"photo {at}.jpg",
            image=_plain(200, 80 * at, 60),
            overlay=_plain(60, 80 * at, 200),
            reprojection_px=1.8 + at,
            reprojection_percent=1.1 + 0.2 * at,
            focal_px=1400.0,
            focal35_mm=50.0,
            distance_mm=900.0 + 400 * at,
            source="file points.json",
            camera_position_mm=(300.0 * at, 20.0, 700.0),
            expression={"jawOpen": 0.4, "mouthSmileLeft": 0.3},
        )
        for at in (1, 2)
    )
    return ReportContent(
        title="A toy head",
        glb=toy_glb(),
        photos=photos,
        turntable=tuple(
            Picture(label=side, image=_plain(120, 110, 100)) for side in ("front", "left", "back", "right")
        ),
        measures={"head breadth": (152.0, 2.1), "head length": (196.0, 3.0), "interpupillary distance": (63.0, 0.9)},
        cues=(CueRow(name="iris diameter", value=11.7, sigma=0.5, fitted=11.8),),
        sigma=SigmaMap.of_uv(0.5 + np.abs(column - 32) / 12, row > 1),
        provenance=ProvenanceMap.of_codes(codes, ("outside", "photo 1", "mirrored", "completed")),
        options={"fit": {"sigma_px": 1.5}},
        versions={"Cephalon": "0.1.0"},
        licences=(("Cephalon", "Apache-2.0", ""),),
        citation="@software{cephalon}",
    )


def hostile_content(bad: str) -> ReportContent:
    """Put `bad` everywhere that a page shows words."""
    base = full_content()
    photo = dataclasses.replace(
        base.photos[0], name=bad, reason=bad, source=bad, status="disagrees", expression={bad: 0.5, "jawOpen": 0.2}
    )
    assert base.provenance is not None
    sources = tuple((bad, rgb, share) for _, rgb, share in base.provenance.sources)
    return dataclasses.replace(
        base,
        title=bad,
        reason=bad,
        photos=(photo, *base.photos[1:]),
        turntable=(Picture(label=bad, image=base.turntable[0].image),),
        measures={bad: (10.0, 1.0)},
        highlights=(),
        cues=(CueRow(name=bad, value=1, sigma=1, unit=bad),),
        provenance=dataclasses.replace(base.provenance, sources=sources),
        notes=(bad,),
        options={bad: {bad: [bad]}},
        versions={bad: bad},
        licences=((bad, bad, bad),),
        citation=bad,
    )
