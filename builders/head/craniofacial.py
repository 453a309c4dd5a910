"""Craniofacial landmarks as points on the head's surface, set ``iso``.

Each landmark is defined on the average adult of the shape controls, by an extremum over named vertices where
anatomy defines one, else by an hm08 vertex that was chosen on magnified renders with MakeHuman's painted skin; from
there it is carried along by the topology. Names follow the usual
abbreviations (Farkas; ISO 15535 where it has one); paired points end in ``_l`` and ``_r`` (the person's left and
right). Right points mirror the left ones exactly.

Directions: head frame, +x the person's left, +y up, +z forward, Frankfurt plane horizontal, mm.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_landmarks
from builders.head.controls import average_adult
from builders.head.lips import lip_rings
from cephalon.geometry import SurfacePoints, triangulate

Float = NDArray[np.float64]

SELLION_SEARCH_MM = 60.0
"""Height above the tip of the nose of the brow end of the line from which sellion is the deepest point."""

GLABELLA_SEARCH_MM = 26.0
"""Height above sellion up to which the glabella is searched."""

NASION_ABOVE_SELLION_MM = 4.7
"""How much the nasion-subnasale height of 3D Facial Norms exceeds the sellion-subnasale length of NIOSH 2003 (men)."""

VERTEX_POINTS = {
    "sn": 317,
    "li": 496,
    "sto": 468,
    "al_l": 11673,
    "ac_l": 11753,
    "sbal_l": 7096,
    "ft_l": 11869,
    "go_l": 7695,
    "pra_l": 12023,
    "obs_l": 12338,
    "obi_l": 12349,
}
"""hm08 vertices of the landmarks that were chosen by eye."""

LARYNX_BELOW_CERVICALE_MM = 25.0
"""Along the skin, from the angle under the jaw to the level at which the neck is taped."""

NECK_LEAN_DEG = 20.0
"""How far the plane square to the neck's axis rises backwards, against the Frankfurt plane."""

UPPER_LIP_EDGE = (455, 466)
"""hm08 midline edge on which the upper vermilion border lies."""

UPPER_LIP_PLACE = 0.6
"""Where on that edge, from its first vertex."""

PHILTRUM_EDGE = (7210, 7215)
"""hm08 edge in whose middle the left peak of the upper lip lies."""

CORNER_RING = 3
"""Ring of vertices from the lips' inner edge that bounds the visible corner of the mouth; within it the lips touch."""

POINT_NAMES = {
    "v": "vertex: highest midline point",
    "tr": "trichion: midline hairline, put where the forehead is as high as the nose third (glabella to subnasale)",
    "g": "glabella: most forward midline point between the brow ridges",
    "n": "nasion: midline, height of the upper lid folds, 4.7 mm above sellion",
    "se": "sellion: deepest midline point of the nasal root",
    "prn": "pronasale: most forward point of the nose tip",
    "sn": "subnasale: midline, where the columella meets the upper lip",
    "ls": "labiale superius: upper vermilion border, midline",
    "sto": "stomion: midline of the line where the closed lips meet, on the upper lip",
    "li": "labiale inferius: lower vermilion border, midline",
    "sl": "sublabiale: deepest midline point of the chin fold",
    "pg": "pogonion: most forward midline point of the chin",
    "gn": "gnathion: midline point of the chin farthest down and forward (35 degrees)",
    "me": "menton: lowest midline point of the chin (farthest down, 25 degrees forward)",
    "c": "cervicale: midline angle between the underside of the jaw and the neck",
    "nf": "front of the neck: midline, 25 mm below cervicale along the skin, just below the larynx",
    "nb": "back of the neck: midline, where the plane through nf square to the neck's axis leaves it",
    "op": "opisthocranion: midline point at the back of the head farthest from glabella",
    "en": "endocanthion: inner corner of the lid margin",
    "ex": "exocanthion: outer corner of the lid margin",
    "ps": "palpebrale superius: upper lid margin above the pupil",
    "pi": "palpebrale inferius: lower lid margin below the pupil",
    "or": "orbitale: lowest point of the lower rim of the orbit",
    "al": "alare: most lateral point of the wing of the nose",
    "ac": "alar crest: where the wing meets the cheek",
    "sbal": "subalare: foot of the wing of the nose",
    "cph": "christa philtri: peak of the upper vermilion border",
    "ch": "cheilion: corner of the mouth",
    "ft": "frontotemporale: deepest point of the temple beside the brow",
    "zy": "zygion: most lateral point of the cheek arch",
    "go": "gonion: jaw angle, most lateral, lower and hind point",
    "eu": "euryon: most lateral point of the skull above the ear",
    "t": "tragion: notch above the tragus",
    "sa": "superaurale: highest point of the ear",
    "sba": "subaurale: lowest point of the ear lobe",
    "pra": "preaurale: front of the ear's root, at the height of the tragion",
    "pa": "postaurale: hindmost point of the helix",
    "obs": "otobasion superius: upper end of the ear's root",
    "obi": "otobasion inferius: lower end of the ear's root",
}
"""Landmarks and their definitions; the paired ones without their side."""


Place = tuple[int, int, float]
"""A point on an edge: asset vertices a, b and t in [0, 1], at (1 - t) a + t b."""


def craniofacial_points(base: HeadBase) -> SurfacePoints:
    """Find the landmarks; their faces are those of the triangulated skin, with which the asset's faces begin."""
    vertices = average_adult(base)
    found = _midline_places(base, vertices) | _lateral_places(base, vertices)
    faces = triangulate(base.polygons[base.part("skin")[1]])[0]
    names, rows, weights = [], [], []
    for name in POINT_NAMES:
        if name in found:
            sides = {name: found[name]}
        else:
            a, b, t = found[f"{name}_l"]
            sides = {f"{name}_l": (a, b, t), f"{name}_r": (int(base.symmetry[a]), int(base.symmetry[b]), t)}
        for full_name, place in sides.items():
            row, barycentric = _on_face(faces, place)
            names.append(full_name)
            rows.append(row)
            weights.append(barycentric)
    return SurfacePoints(face_index=np.array(rows, dtype=np.int32), barycentric=np.array(weights), names=tuple(names))


def profile(base: HeadBase) -> NDArray[np.int32]:
    """Midline vertices of the skin from the collar in front over face and crown to the collar behind."""
    symmetry = base.symmetry
    neighbours: dict[int, list[int]] = {}
    for corners in base.polygons[base.part("skin")[1]].tolist():
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            if symmetry[a] == a and symmetry[b] == b:
                for u, w in ((a, b), (b, a)):
                    if w not in neighbours.setdefault(u, []):
                        neighbours[u].append(w)
    start = max((v for v, around in neighbours.items() if len(around) == 1), key=lambda v: base.vertices[v, 2])
    chain, previous = [start], -1
    while True:
        ahead = [v for v in neighbours[chain[-1]] if v != previous]
        if not ahead:
            return np.array(chain, dtype=np.int32)
        previous = chain[-1]
        chain.append(ahead[0])


def _midline_places(base: HeadBase, vertices: Float) -> dict[str, Place]:
    """Landmarks of the midline, by extrema along the profile."""
    chain = profile(base)
    y, z = vertices[chain, 1], vertices[chain, 2]
    step = np.arange(len(chain))
    hits = {n: int(np.flatnonzero(chain == base.asset_index([VERTEX_POINTS[n]])[0])[0]) for n in ("li", "sto", "sn")}

    def best(score: Float, keep: NDArray[np.bool_]) -> int:
        return int(np.argmax(np.where(keep, score, -np.inf)))

    def farthest_from_line(a: int, b: int) -> int:
        offset = (z - z[a]) * (y[b] - y[a]) - (y - y[a]) * (z[b] - z[a])
        return best(np.abs(offset), (step > min(a, b)) & (step < max(a, b)))

    li, lip = hits["li"], int(np.flatnonzero(chain == base.asset_index(UPPER_LIP_EDGE)[0])[0])
    hits["v"] = crown = int(np.argmax(y))
    hits["prn"] = prn = best(z, (step > lip) & (step < crown) & (y < 0))
    sn = hits["sn"]
    brow = int(np.flatnonzero((step > prn) & (y > y[prn] + SELLION_SEARCH_MM))[0])
    hits["se"] = se = farthest_from_line(prn, brow)
    hits["g"] = g = best(z, (step > se) & (step < crown) & (y < y[se] + GLABELLA_SEARCH_MM))
    hits["op"] = best(np.hypot(y - y[g], z - z[g]), (step > crown) & (y > -20))
    chin = (step < li) & (y > y[li] - 45) & (z > z[li] - 35)
    hits["me"] = me = best(z * np.sin(np.deg2rad(25)) - y * np.cos(np.deg2rad(25)), chin)
    hits["gn"] = best(z * np.sin(np.deg2rad(35)) - y * np.cos(np.deg2rad(35)), chin)
    hits["sl"] = sl = best(-z, chin & (y > y[li] - 16))
    hits["pg"] = best(z, chin & (step < sl))
    hits["c"] = farthest_from_line(0, me)
    places: dict[str, Place] = {name: (int(chain[i]), int(chain[i]), 0.0) for name, i in hits.items()}
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(y), np.diff(z)))])
    places["tr"] = _along(chain, arc, arc[g] + float(np.hypot(y[g] - y[sn], z[g] - z[sn])))
    places["n"] = _along(chain, y, y[se] + NASION_ABOVE_SELLION_MM, start=se)
    upper, lower = base.asset_index(UPPER_LIP_EDGE).tolist()
    places["ls"] = (upper, lower, UPPER_LIP_PLACE)
    places["nf"] = _along(chain, arc, arc[hits["c"]] - LARYNX_BELOW_CERVICALE_MM)
    a, b, t = places["nf"]
    _, front_y, front_z = (1 - t) * vertices[a] + t * vertices[b]
    below = front_y + (front_z - z) * np.tan(np.deg2rad(NECK_LEAN_DEG)) - y
    places["nb"] = _along(chain, below, 0.0, start=hits["op"])
    return places


def _along(chain: NDArray[np.int32], value: Float, wanted: float, start: int = 0) -> Place:
    """Point of the chain, from `start` on, where an increasing value first reaches `wanted`."""
    i = start + int(np.flatnonzero(value[start:] >= wanted)[0])
    return int(chain[i - 1]), int(chain[i]), float((wanted - value[i - 1]) / (value[i] - value[i - 1]))


def _lateral_places(base: HeadBase, vertices: Float) -> dict[str, Place]:
    """Landmarks of the left side."""
    x, y, z = vertices[: base.part("skin")[0].stop].T
    marks = load_landmarks()
    loops = marks["loops"]
    lid = base.asset_index(loops["left_lid"])
    pupil = vertices[base.part("left_eye")[0]].mean(axis=0)
    pinna = _pinna(base)
    named = VERTEX_POINTS | {"t_l": marks["vertices"]["left_tragion"], "or_l": marks["vertices"]["left_orbitale"]}
    hits = {name: int(base.asset_index([v])[0]) for name, v in named.items() if name.endswith("_l")}

    def best(score: Float, keep: NDArray[np.bool_] | NDArray[np.int32]) -> int:
        allowed = np.zeros(len(x), dtype=bool)
        allowed[keep] = True
        return int(np.argmax(np.where(allowed & (x > 0), score, -np.inf)))

    hits["en_l"], hits["ex_l"] = best(-x, lid), best(x, lid)
    above = lid[y[lid] > (y[hits["en_l"]] + y[hits["ex_l"]]) / 2]
    below = np.setdiff1d(lid, above)
    hits["ps_l"], hits["pi_l"] = best(-np.abs(x - pupil[0]), above), best(-np.abs(x - pupil[0]), below)
    outside, _, lip = lip_rings(base)
    hits["ch_l"] = best(x, np.flatnonzero((outside == CORNER_RING) & (lip == 0)))
    hits["sa_l"], hits["sba_l"], hits["pa_l"] = best(y, pinna), best(-y, pinna), best(-z, pinna)
    nose_base, eye_level, tragion = y[hits["sbal_l"]], y[hits["ex_l"]], z[hits["t_l"]]
    hits["zy_l"] = best(x, (y > nose_base) & (y < eye_level) & (z > tragion + 12))
    hits["eu_l"] = best(x, y > y[hits["sa_l"]] + 3)
    places: dict[str, Place] = {name: (vertex, vertex, 0.0) for name, vertex in hits.items()}
    inner, outer = base.asset_index(PHILTRUM_EDGE).tolist()
    places["cph_l"] = (inner, outer, 0.5)
    return places


def _pinna(base: HeadBase) -> NDArray[np.bool_]:
    """Skin vertices (n_skin,) of the outer ears: those that MakeHuman's ear-wing shapes move by over 0.5 mm."""
    moved = np.zeros(len(base.vertices))
    for side in "lr":
        moved += np.linalg.norm(base.target(f"ears/{side}-ear-wing-incr"), axis=1)
    return (moved > 0.5)[: base.part("skin")[0].stop]


def _on_face(faces: NDArray[np.int32], place: Place) -> tuple[int, Float]:
    """First triangle with the place's edge (or vertex), and its barycentric weights (3,)."""
    a, b, t = place
    row = int(np.flatnonzero((faces == a).any(axis=1) & (faces == b).any(axis=1))[0])
    return row, (1.0 - t) * (faces[row] == a) + t * (faces[row] == b)
