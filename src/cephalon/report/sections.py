"""The sections of the page, one function each: content in, HTML out."""

from __future__ import annotations

import base64
import json
import math

import numpy as np

from cephalon.files.html import text
from cephalon.report.content import RGB, PhotoRow, ProvenanceMap, ReportContent, SigmaMap
from cephalon.report.markup import NBSP, colour, count, data_uri, length, number, percent, significant
from cephalon.report.status import HALF_90, interval_percent, level, remarks, verdict

_SWITCHES = {
    "albedo": ("Albedo", "The skin’s own colour, light divided out"),
    "clay": ("Clay", "Grey, to judge the shape alone"),
    "sigma": ("Sigma", "How sure the shape is at each place"),
    "provenance": ("Provenance", "Where each piece of skin colour came from"),
}
_VIEWS = {"front": "Front", "threequarter": "Three-quarter", "profile": "Profile", "back": "Back"}
_MODES = {"both": "Side by side", "overlay": "Overlay", "photo": "Photo"}
_NO_SCRIPT = "The 3D view needs JavaScript; the pictures below show the head from all sides."
_PILLS = {"ok": "good", "left out": "plain", "poor": "look"}


def _section(name: str, title: str, *parts: str, control: str = "", attributes: str = "") -> str:
    inner = "\n".join(part for part in parts if part)
    head = f'<div class="section-head"><h2>{title}</h2>{control}</div>'
    return f'<section id="{name}"{attributes}>\n{head}\n{inner}\n</section>'


def _table(head: str, rows: str, label: str) -> str:
    """A table that scrolls sideways on a narrow screen."""
    head = f"<thead><tr>{head}</tr></thead>" if head else ""
    table = f"<table>{head}<tbody>{rows}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{table}</div>'


def _columns(*names: str) -> str:
    """Column headers; a name that begins with # is a column of numbers."""
    return "".join(f'<th scope="col"{" class=n" if name[0] == "#" else ""}>{name.lstrip("#")}</th>' for name in names)


def _radio(group: str, value: str, label: str, *, checked: bool, title: str = "") -> str:
    hint = f' title="{title}"' if title else ""
    state = " checked" if checked else ""
    return f'<label{hint}><input type="radio" name="{group}" value="{value}"{state}><span>{label}</span></label>'


def _enlargeable(label: str, image: bytes, *, kind: str = "", name: str = "") -> str:
    """A picture that opens at full size."""
    identity = f' id="{name}"' if name else ""
    picture = f'<img{identity} src="{data_uri(label, image)}" alt="{text(label)}">'
    return f'<button type="button" class="enlarge {kind}">{picture}</button>'


def _pill(photo: PhotoRow) -> str:
    return f'<span class="pill {_PILLS.get(photo.status, "bad")}">{text(photo.status)}</span>'


def header(content: ReportContent) -> str:
    """Title, badge, the status in words, and the measures to show large."""
    kind, word = level(content)
    names = content.highlights or tuple(content.measures)
    facts = "".join(_fact(name, *content.measures[name]) for name in names[:4])
    facts = f'<ul class="facts" aria-label="Main measures">{facts}</ul>' if facts else ""
    said = " ".join(remarks(content))
    said = f'<p class="said">{said}</p>' if said else ""
    return f"""<header class="top">
<p class="brand">Cephalon <span>head report</span></p>
<h1><bdi>{text(content.title)}</bdi></h1>
<p class="lead"><span class="badge {kind}">{word}</span> {" ".join(verdict(content))}</p>
{said}
{facts}
</header>"""


def _fact(name: str, mm: float, sigma_mm: float) -> str:
    return (
        f"<li><strong>{number(mm)} <small>mm</small></strong><span>{text(name)}</span>"
        f"<em>90{NBSP}%: {_interval(mm, sigma_mm)}</em></li>"
    )


def _interval(mm: float, sigma_mm: float) -> str:
    half = HALF_90 * sigma_mm
    return f"{number(mm - half)}{NBSP}–{NBSP}{number(mm + half)}" if sigma_mm > 0 else "–"


def viewer(content: ReportContent) -> str:
    """The 3D view with its switches; the script fills the panel with sliders."""
    legends = ""
    shown = ["albedo", "clay"]
    if content.sigma is not None:
        shown.append("sigma")
        legends += f'<div class="stage-legend" data-surface="sigma" hidden>{_sigma_scale(content.sigma)}</div>'
    if content.provenance is not None:
        shown.append("provenance")
        key = _provenance_key(content.provenance)
        legends += f'<div class="stage-legend" data-surface="provenance" hidden>{key}</div>'
    switches = "".join(
        _radio("surface", name, _SWITCHES[name][0], checked=name == "albedo", title=_SWITCHES[name][1])
        for name in shown
    )
    views = "".join(
        f'<button type="button" data-view="{name}" aria-pressed="false">{label}</button>'
        for name, label in _VIEWS.items()
    )
    return f"""<section class="viewer" aria-label="The head in 3D">
<div class="stage" id="stage">
<canvas id="canvas" tabindex="0" role="application" aria-roledescription="3D view" aria-label="The head in 3D"
 aria-describedby="stage-help"></canvas>
<p class="stage-note" id="stage-note" role="status">{_NO_SCRIPT}</p>
<fieldset class="segments surfaces needs-viewer"><legend class="hidden">What the skin shows</legend>
{switches}</fieldset>
{legends}
<div class="bar needs-viewer">
<div class="segments views" role="group" aria-label="Views">{views}</div>
<div class="segments" role="group" aria-label="Picture">
<button type="button" id="turntable" aria-pressed="false">Turntable</button>
<button type="button" id="save-picture" title="Save this picture as PNG">Save picture</button>
<button type="button" id="full-screen">Full screen</button>
</div>
</div>
</div>
<div class="panel needs-viewer" id="panel" role="region" aria-label="Expression, pose and light" tabindex="-1"></div>
<p class="hint needs-viewer" id="stage-help">Drag to turn, pinch or scroll (after a click) to zoom.
<span class="keys">Arrow keys turn, + and − zoom, the right button moves; a double click on a slider resets it.</span>
The address bar always holds the view you see.</p>
</section>"""


def photos(content: ReportContent) -> str:
    """Photos and overlays side by side, with a switch."""
    cards = "".join(
        _photo_card(at, photo)
        for at, photo in enumerate(content.photos, start=1)
        if photo.image is not None or photo.overlay is not None
    )
    if not cards:
        return ""
    modes = "".join(_radio("photo-mode", mode, label, checked=mode == "both") for mode, label in _MODES.items())
    control = (
        f'<fieldset class="segments needs-js"><legend class="hidden">What the photos show</legend>{modes}</fieldset>'
    )
    grid = f'<div class="photos">{cards}</div>'
    return _section("photos", "Photos", grid, control=control, attributes=' data-mode="both"')


def _photo_card(at: int, photo: PhotoRow) -> str:
    pictures = ""
    if photo.image is not None:
        pictures += _enlargeable(f"Photo {at}, {photo.name}", photo.image, kind="photo")
    if photo.overlay is not None:
        pictures += _enlargeable(f"Fitted head over photo {at}, {photo.name}", photo.overlay, kind="overlay")
    error = ""
    if photo.reprojection_percent is not None:
        error = f'<span class="small">{number(photo.reprojection_percent)}{NBSP}% of the eye distance</span>'
    same_view = ""
    if photo.camera_position_mm is not None:
        label = f'Same view in 3D<span class="hidden"> as photo {at}</span>'
        same_view = f'<button type="button" class="plain to-photo needs-viewer" data-view="photo{at}">{label}</button>'
    single = photo.image is None or photo.overlay is None
    return f"""<figure class="card{" single" if single else ""}">
<div class="pair">{pictures}</div>
<figcaption><span class="name"><b>{at}</b> <bdi>{text(photo.name)}</bdi></span>
{_pill(photo)}{error}{same_view}</figcaption>
</figure>"""


def turntable(content: ReportContent) -> str:
    """The pre-rendered strip, there even where nothing else is."""
    frames = "".join(
        f"<figure>{_enlargeable(f'Head, {picture.label}', picture.image)}"
        f"<figcaption>{text(picture.label)}</figcaption></figure>"
        for picture in content.turntable
    )
    if not frames:
        return ""
    label = "Pictures of the head from all sides"
    strip = f'<div class="strip" tabindex="0" role="group" aria-label="{label}">{frames}</div>'
    return _section("all-sides", "From all sides", strip)


def measures(content: ReportContent) -> str:
    """Every measure with its 90 % interval, as numbers and as a bar on one scale."""
    if not content.measures:
        return ""
    scale = _nice_ceiling(max(HALF_90 * sigma for _, sigma in content.measures.values()))
    rows = "".join(_measure_row(name, mm, sigma, scale) for name, (mm, sigma) in content.measures.items())
    typical = interval_percent(content)
    remark = f" Half of them are known to ±{NBSP}{number(typical)}{NBSP}% or better." if typical is not None else ""
    axis = f"<span>−{scale:g}</span><span>0</span><span>+{scale:g}{NBSP}mm</span>"
    head = f'{_columns("Measure", "#mm", "#90 % interval")}<th scope="col" class="axis">{axis}</th>'
    counted = count(len(content.measures), "length")
    intro = f"""<p class="intro">{counted} on the neutral head. The bar spans the 90{NBSP}% interval around the value;
all bars share one scale.{remark}</p>"""
    table = f'<table class="measures"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return _section("measures", "Measures", intro, table)


def _nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 3, 5, 8 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step for step in (1, 2, 3, 5, 8, 10) if step * power >= value * (1 - 1e-12)) * power


def _measure_row(name: str, mm: float, sigma_mm: float, scale: float) -> str:
    half = HALF_90 * sigma_mm
    reach = 100 * half / scale
    label = f"{text(name)}: {number(mm)} mm, plus or minus {number(half)} mm"
    drawn = (
        f'<path class="rule" d="M-100 0H100"/><rect x="{-reach:.2f}" y="-4" width="{2 * reach:.2f}" height="8"/>'
        '<path class="mode" d="M0-6V6"/>'
    )
    bar = f'<svg viewBox="-100 -6 200 12" preserveAspectRatio="none" role="img" aria-label="{label}">{drawn}</svg>'
    return f"""<tr><th scope="row">{text(name)}</th><td class="n">{number(mm)}</td>
<td class="n">{_interval(mm, sigma_mm)}</td><td class="axis">{bar}</td></tr>"""


def photo_table(content: ReportContent) -> str:
    """One row per photo: error, camera, status."""
    if not content.photos:
        return ""
    rows = ""
    for at, photo in enumerate(content.photos, start=1):
        figures = (
            number(photo.reprojection_px, 2),
            number(photo.reprojection_percent, 2),
            number(photo.focal_px, 0),
            number(photo.focal35_mm, 0),
            length(photo.distance_mm),
        )
        rows += (
            f'<tr><td class="n">{at}</td><th scope="row"><bdi>{text(photo.name)}</bdi></th><td>{_pill(photo)}</td>'
            + "".join(f'<td class="n">{figure}</td>' for figure in figures)
            + f'<td>{text(photo.source) or "–"}</td><td class="wide">{text(photo.reason)}</td></tr>'
        )
    head = _columns(
        *("#No.", "Photo", "Status", "#Error, px", "#Error, % of outer eye distance"),
        *("#Focal length, px", "#35 mm-equivalent, mm", "#Distance", "Points from", "Remark"),
    )
    intro = '<p class="intro">The error is the median distance between the measured points and the fitted head’s.</p>'
    return _section("photo-table", "Fit by photo", _table(head, rows, "Table of the fit by photo"), intro)


def maps(content: ReportContent) -> str:
    """The maps of the skin with their legends; the viewer paints the head with the same pictures."""
    cards = ""
    if content.provenance is not None:
        words = f"{_share_bar(content.provenance)}{_provenance_key(content.provenance)}"
        cards += _map_card("provenance", "Where the colour came from", content.provenance.png, words)
    if content.sigma is not None:
        words = f"""{_sigma_scale(content.sigma)}
<p class="small">Standard deviation of each place on the skin after the fit. Where no photo looked,
what heads usually look like speaks alone.</p>"""
        cards += _map_card("sigma", "How sure the shape is", content.sigma.png, words)
    return _section("maps", "Skin maps", f'<div class="maps">{cards}</div>') if cards else ""


def _map_card(surface: str, title: str, image: bytes | None, words: str) -> str:
    label = f"{title}, in the layout of the skin’s texture"
    picture = _enlargeable(label, image, name=f"map-{surface}") if image is not None else ""
    return f'<div class="card map">{picture}<div><h3>{title}</h3>{words}</div></div>'


def _rect(x: float, width: float, fill: RGB) -> str:
    return f'<rect x="{x:.3f}" width="{width:.3f}" height="10" fill="{colour(fill)}"/>'


def _share_bar(provenance: ProvenanceMap) -> str:
    total = sum(share for _, _, share in provenance.sources) or 1.0
    bars, start = "", 0.0
    for _, rgb, share in provenance.sources:
        bars += _rect(start, 100 * share / total, rgb)
        start += 100 * share / total
    return f'<svg class="shares" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>'


def _provenance_key(provenance: ProvenanceMap) -> str:
    items = ""
    for name, rgb, share in provenance.sources:
        swatch = f'<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">{_rect(0, 10, rgb)}</svg>'
        items += f"<li>{swatch}<bdi>{text(name)}</bdi> <b>{percent(share)}</b></li>"
    return f'<ul class="key">{items}</ul>'


def _sigma_scale(sigma: SigmaMap) -> str:
    steps = 48
    at = np.linspace(0, len(sigma.stops) - 1, steps)
    channels = [np.interp(at, np.arange(len(sigma.stops)), channel) for channel in zip(*sigma.stops, strict=True)]
    colours = np.stack(channels, axis=1).round().astype(int).tolist()
    bars = "".join(_rect(place, 1.05, (r, g, b)) for place, (r, g, b) in enumerate(colours))
    low, high = significant(sigma.low_mm), significant(sigma.high_mm)
    label = f"Colours from {low} mm, sure, to {high} mm, unsure"
    drawn = f'<svg viewBox="0 0 {steps} 10" preserveAspectRatio="none" role="img" aria-label="{label}">{bars}</svg>'
    ends = f"<span>{low}{NBSP}mm</span><span>sure → unsure</span><span>{high}{NBSP}mm</span>"
    return f'<div class="scale">{drawn}{ends}</div>'


def cues(content: ReportContent) -> str:
    """What gave the head its absolute size."""
    if not content.cues:
        return ""
    rows = ""
    for cue in content.cues:
        unit = f"{NBSP}{text(cue.unit)}" if cue.unit else ""
        fitted = "–" if cue.fitted is None else f"{significant(cue.fitted)}{unit}"
        stated = f"{significant(cue.value)}{NBSP}±{NBSP}{significant(cue.sigma, 2)}{unit}"
        rows += f'<tr><th scope="row">{text(cue.name)}</th><td class="n">{stated}</td><td class="n">{fitted}</td></tr>'
    intro = """<p class="intro">A photo alone says nothing about size: a small head close by looks like a large one
far away. These cues decided.</p>"""
    table = _table(_columns("Cue", "#States", "#Found"), rows, "Table of scale cues")
    return _section("scale", "Where the size comes from", intro, table)


def record(content: ReportContent, three_version: str) -> str:
    """Options, versions, licences, citation."""
    versions = {**content.versions, "three.js": three_version}
    licences = [*content.licences, ("three.js (the 3D view of this page)", "MIT", "© 2010–2026 three.js authors")]
    version_rows = "".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(v)}</td></tr>' for name, v in versions.items()
    )
    licence_rows = "".join(
        f'<tr><th scope="row">{text(what)}</th><td>{text(licence)}</td><td>{text(remark)}</td></tr>'
        for what, licence, remark in licences
    )
    folds = {
        "Versions": _table("", version_rows, "Table of versions"),
        "Licences": _table(_columns("What", "Licence", "Remark"), licence_rows, "Table of licences"),
    }
    if content.options:
        shown = text(json.dumps(content.options, indent=2, ensure_ascii=False, default=str))
        folds = {"Options": f'<pre class="scroll" tabindex="0">{shown}</pre>', **folds}
    citation = ""
    if content.citation:
        citation = f'<div><h3>How to cite</h3><pre class="cite" tabindex="0">{text(content.citation)}</pre></div>'
    folded = (f"<details><summary>{title}</summary>{inner}</details>" for title, inner in folds.items())
    return _section("record", "For the record", citation, *folded)


def assets(content: ReportContent) -> str:
    """What the viewer reads: the GLB and colours as base64, the rest as JSON that no text can break out of."""
    presets, cameras = [], []
    for at, photo in enumerate(content.photos, start=1):
        view = f"photo{at}"
        if photo.expression:
            weights = {str(name): float(weight) for name, weight in photo.expression.items()}
            presets.append({"view": view, "label": f"As in photo {at}", "weights": weights})
        if photo.camera_position_mm is not None:
            cameras.append({"view": view, "position": [float(x) / 1000 for x in photo.camera_position_mm]})
    config = json.dumps({"presets": presets, "cameras": cameras})
    for letter in "<>&":
        config = config.replace(letter, f"\\u{ord(letter):04x}")
    found = f'<script type="application/json" id="viewer-config">{config}</script>\n'
    found += _base64_block("asset-glb", content.glb)
    if content.sigma is not None and content.sigma.vertex_rgb is not None:
        found += _base64_block("colours-sigma", content.sigma.vertex_rgb.tobytes())
    return found


def _base64_block(name: str, data: bytes) -> str:
    return f'<script type="text/plain" id="{name}">{base64.b64encode(data).decode("ascii")}</script>\n'
