"""How much of a head the model can show: fitted, metric and without scale, to scanned heads.

    PYTHONPATH=. python benchmarks/model_expressiveness.py [--model head.npz] [--ict FOLDER] [--scans FOLDER]
        [--heads 30] [--png curves.png]

(a) Heads drawn from ICT-FaceKit's statistics (N(0, 1) weights). The model's prior was made from the same statistics, so
    this measures what registration, correction to anthropometry and truncation lose, not unseen people.
(b) Real scans in the folder of scans (meshmonk's face, the heads of two MRI templates), which took no part in anything;
    ICT-FaceKit's own model is fitted beside ours by the same code.
(c) MeshMonk's simulated faces, drawn by its authors from a model of other people than ICT-FaceKit's: the nearest thing
    to unseen people in number. Again ICT-FaceKit's own model beside ours.

A fit finds identity and rigid motion that bring samples of the scanned surface to the model's surface (point-to-plane,
Gauss-Newton, |z|^2 as the prior, far or turned-away pairs left out); the distance is that of the scan's vertices to the
closest point of the fitted surface, over the face region of the NoW protocol (a ball around the seven points) and over
skull, ears and neck. Generalisation is that distance as a function of the number of modes; specificity that of 50
random people of the model to the most alike of the fitted heads, vertex to vertex over the face after rigid alignment
(Davies et al. 2002; Styner et al. 2003), on (c) for both models. Prints Markdown, writes one picture of curves.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from builders.head.ict import FOLDER_VARIABLE, IctModel, ict_folder, load_ict
from cephalon.geometry import face_areas, procrustes, rotation_from_rotvec, vertex_normals
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Faces = NDArray[np.int32]

SIGMA_MM = 0.7
SAMPLES = 2500
ROUNDS = 14
CURVE = (5, 10, 20, 40, 70, 100, 140, 200)
FARTHEST_MM = 25.0
"""Scanned surface farther than this from the mean head, hair or clothes, does not count."""

NOW_ROWS = (36, 39, 42, 45, 33, 48, 54)
"""The seven points of the protocol among the 68."""
REGIONS = ("face", "skull", "ears", "neck")
MESHMONK_POINTS = ("en_r", "en_l", "prn", "ch_r", "ch_l")
PEOPLE = 50
"""Random people of a model, for specificity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A linear model of a surface: mean (n, 3), basis (k, n, 3), triangles, anchors (a, 3) on the mean."""

    mean: Float
    basis: NDArray[np.float32]
    faces: Faces
    matched: NDArray[np.bool_]
    """(n,) vertices that scans can show."""

    def head(self, z: Float) -> Float:
        k = len(z)
        return self.mean + (z.astype(np.float32) @ self.basis[:k].reshape(k, -1)).reshape(self.mean.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A scanned surface and points on it that say how it lies; `region` of each vertex, -1 where it does not count."""

    name: str
    vertices: Float
    faces: Faces
    anchors: Float
    region: NDArray[np.int_]


def ours(model: HeadModel) -> Shape:
    skin = model.parts["skin"]
    rows = skin.vertices
    hidden = np.max([model.regions[name][rows] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    return Shape(
        mean=model.mean[rows],
        basis=np.ascontiguousarray(model.identity_basis[:, rows]),
        faces=model.faces[skin.faces],
        matched=hidden < 0.5,
    )


def ict_shape(ict: IctModel) -> Shape:
    return Shape(mean=ict.mean, basis=ict.modes, faces=ict.faces, matched=np.ones(len(ict.mean), dtype=bool))


def closest(points: Float, vertices: Float, faces: Faces) -> tuple[Float, NDArray[np.intp], Float]:
    """Closest points, their triangles and distances."""
    import igl

    found: Any = igl.point_mesh_squared_distance(
        np.ascontiguousarray(points), np.ascontiguousarray(vertices), np.ascontiguousarray(faces.astype(np.int64))
    )
    return found[2], found[1].reshape(-1), np.sqrt(found[0].reshape(-1))


def fit(shape: Shape, scan: Scan, anchors: Float, modes: int, rng: np.random.Generator) -> tuple[Float, Float]:
    """Identity z (modes,) and the scan's vertices moved into the model's frame; `anchors` lie on the model's mean."""
    rigid = procrustes(scan.anchors, anchors)
    moved, normals = rigid.apply(scan.vertices), vertex_normals(scan.vertices, scan.faces) @ rigid.rotation.T
    area = np.zeros(len(moved))
    np.add.at(area, scan.faces.reshape(-1), np.repeat(face_areas(scan.vertices, scan.faces) / 3, 3))
    area[scan.region < 0] = 0.0
    chosen = rng.choice(len(moved), min(SAMPLES, np.count_nonzero(area)), replace=False, p=area / area.sum())
    z = np.zeros(modes)
    flat = shape.basis[:modes]
    for step in range(ROUNDS):
        head = shape.head(z)
        reach = 20.0 if step < 4 else 8.0 if step < 8 else 5.0
        place, face, distance = closest(moved[chosen], head, shape.faces)
        corners = shape.faces[face]
        weights = barycentric(place, head[corners])
        normal = np.einsum("pc,pcx->px", weights, vertex_normals(head, shape.faces)[corners])
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        good = (distance < reach) & ((normal * normals[chosen]).sum(axis=1) > 0.3) & shape.matched[corners].all(axis=1)
        corners, weights, normal, place = corners[good], weights[good], normal[good], place[good]
        points = moved[chosen[good]]
        slopes = np.einsum("pc,kpcx,px->pk", weights, flat[:, corners], normal, optimize=True)
        turning = np.hstack([np.cross(points, normal), normal])
        matrix = np.vstack([np.hstack([slopes, -turning]) / SIGMA_MM, np.eye(modes, modes + 6)])
        side = np.concatenate([((points - place) * normal).sum(axis=1) / SIGMA_MM, -z])
        found = np.linalg.solve(matrix.T @ matrix + 1e-9 * np.eye(modes + 6), matrix.T @ side)
        z = z + found[:modes]
        turn = rotation_from_rotvec(found[modes : modes + 3])
        moved, normals = moved @ turn.T + found[modes + 3 :], normals @ turn.T
    return z, moved


def barycentric(points: Float, triangles: Float) -> Float:
    a, b, rest = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0], points - triangles[:, 0]
    aa, ab, bb, ra, rb = (np.einsum("px,px->p", u, v) for u, v in ((a, a), (a, b), (b, b), (rest, a), (rest, b)))
    below = np.maximum(aa * bb - ab * ab, 1e-18)
    v, w = (bb * ra - ab * rb) / below, (aa * rb - ab * ra) / below
    return np.stack([1 - v - w, v, w], axis=1)


def now_region(vertices: Float, seven: Float) -> NDArray[np.bool_]:
    """Vertices in the ball of the NoW protocol; `seven` in its order."""
    middle = (seven[1] + seven[2]) / 2
    radius = 1.4 * (np.linalg.norm(seven[0] - seven[3]) + np.linalg.norm(middle - seven[4])) / 2
    return np.linalg.norm(vertices - (seven[4] + 0.3 * (middle - seven[4])), axis=1) < radius


def ict_scans(ict: IctModel, model: HeadModel, rng: np.random.Generator, count: int) -> list[Scan]:
    """Drawn heads, with the regions that our mean head has there."""
    used = np.zeros(len(ict.mean), dtype=bool)
    used[np.unique(ict.faces)] = True
    anchors = ict.landmarks[17:]
    rigid = procrustes(ict.mean[anchors], model.points(None, "ibug68")[17:], with_scale=True)
    skin = model.faces[model.parts["skin"].faces]
    _, face, _ = closest(rigid.apply(ict.mean), model.mean[model.parts["skin"].vertices], skin)
    by_region = {name: model.regions[name][skin[face]].mean(axis=1) > 0.5 for name in ("skull", "ears", "neck")}
    hidden = np.max([model.regions[n][skin[face]].max(axis=1) for n in ("mouth_cavity", "nostrils")], axis=0) > 0.5
    _, offsets = ict.heads(count, rng)
    scans = []
    for i in range(count):
        vertices = ict.mean + offsets[i]
        region = np.full(len(vertices), 4)
        for row, name in enumerate(REGIONS[1:], start=1):
            region[by_region[name]] = row
        region[now_region(vertices, vertices[ict.landmarks[list(NOW_ROWS)]]) & ~by_region["ears"]] = 0
        region[~used | hidden] = -1
        scans.append(
            Scan(name=f"ICT {i}", vertices=vertices, faces=ict.faces, anchors=vertices[anchors], region=region)
        )
    return scans


def distances(shape: Shape, z: Float, moved: Float, scan: Scan, region: int) -> Float:
    """Distances (r,) mm of the scan's vertices of a region to the fitted surface."""
    return closest(moved[scan.region == region], shape.head(z), shape.faces)[2]


def row(name: str, cells: Mapping[str, Float]) -> str:
    texts = [f"{np.median(d):.2f} / {d.mean():.2f}" if len(d) else "-" for d in cells.values()]
    return f"| {name} | " + " | ".join(texts) + " |"


def held_out(model: HeadModel, ict: IctModel, count: int) -> dict[str, list[tuple[int, float, float]]]:
    rng = np.random.default_rng(1)
    shape, anchors = ours(model), model.points(None, "ibug68")[17:]
    scans = ict_scans(ict, model, rng, count)
    before: dict[str, list[Float]] = {name: [] for name in REGIONS}
    after: dict[str, list[Float]] = {name: [] for name in REGIONS}
    heads = []
    for scan in scans:
        for z, moved, into in (
            (*_rigid(shape, scan, anchors, rng), before),
            (*fit(shape, scan, anchors, len(shape.basis), rng), after),
        ):
            for index, name in enumerate(REGIONS):
                into[name].append(distances(shape, z, moved, scan, index))
        heads.append(shape.head(z))
    print(f"\n{count} heads drawn from ICT-FaceKit; median / mean distance, mm\n")
    print("| | " + " | ".join(REGIONS) + " |\n|---|" + "---|" * len(REGIONS))
    print(row("mean head", {name: np.concatenate(before[name]) for name in REGIONS}))
    print(row(f"fitted, {len(shape.basis)} modes", {name: np.concatenate(after[name]) for name in REGIONS}))
    points = curve(shape, scans[: max(count // 3, 3)], anchors, rng)
    print("\n| modes | " + " | ".join(str(p[0]) for p in points) + " |\n|---|" + "---|" * len(points))
    print("| generalisation, face, median | " + " | ".join(f"{p[1]:.2f}" for p in points) + " |")
    print("| generalisation, face, mean | " + " | ".join(f"{p[2]:.2f}" for p in points) + " |")
    face, skin = face_vertices(model), model.parts["skin"].vertices
    people = [model.vertices(model.sample(rng=rng))[skin][face] for _ in range(PEOPLE)]
    apart = specificity(people, [head[face] for head in heads])
    print(
        f"\nspecificity ({PEOPLE} people, nearest of {count} fitted heads): {apart[0]:.2f} +- {apart[1]:.2f} mm; "
        f"the fitted heads among themselves: {apart[2]:.2f} mm"
    )
    return {"ICT, face": points}


def _rigid(shape: Shape, scan: Scan, anchors: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """The mean head, moved rigidly: a fit with one mode of no size."""
    return fit(_still(shape), scan, anchors, 1, rng)


def _still(shape: Shape) -> Shape:
    """The shape with one mode of no size."""
    return replace(shape, basis=np.zeros_like(shape.basis[:1]))


def specificity(people: list[Float], heads: list[Float]) -> tuple[float, float, float]:
    """Mean and sd over people of the distance to the nearest head, and the mean of that among the heads.

    All are the vertices of the face in one order.
    """
    bank = np.stack([head - head.mean(axis=0) for head in heads])

    def nearest(shape: Float, among: Float) -> float:
        return min(
            float(np.linalg.norm(procrustes(other, shape).apply(other) - shape, axis=1).mean()) for other in among
        )

    found = [nearest(person - person.mean(axis=0), bank) for person in people]
    among = [nearest(bank[i], np.delete(bank, i, axis=0)) for i in range(len(bank))]
    return float(np.mean(found)), float(np.std(found)), float(np.mean(among))


def face_vertices(model: HeadModel) -> NDArray[np.intp]:
    """Rows of the skin's vertices that belong to the face."""
    return np.flatnonzero(model.regions["face"][model.parts["skin"].vertices] > 0.5)


def simulated_faces(folder: Path, count: int) -> list[Scan]:
    """MeshMonk's simulated faces; its template says where the five anchors lie."""
    with np.load(folder / "meshmonk" / "template.npz", allow_pickle=False) as data:
        five = [int(np.linalg.norm(data["vertices"] - place, axis=1).argmin()) for place in data["landmarks5"]]
    with np.load(folder / "meshmonk" / "simulated_faces.npz", allow_pickle=False) as data:
        heads, faces = data["vertices"].astype(np.float64)[:count], data["faces"]
    return [
        Scan(name=f"simulated {i}", vertices=head, faces=faces, anchors=head[five], region=np.full(len(head), 4))
        for i, head in enumerate(heads)
    ]


def independent(model: HeadModel, ict: IctModel, folder: Path, count: int) -> dict[str, list[tuple[int, float, float]]]:
    """Ours and ICT-FaceKit's model on simulated faces of other people."""
    iso, rng = model.point_set("iso"), np.random.default_rng(3)
    at = model.points(None, "iso")[[iso.names.index(n) for n in MESHMONK_POINTS]]
    rigid = procrustes(ict.mean[ict.landmarks[17:]], model.points(None, "ibug68")[17:], with_scale=True)
    on_ict = ict.mean[closest_vertices(rigid.inverse().apply(at), ict)]
    mine = ours(model)
    scans = []
    for scan in simulated_faces(folder, count):
        _, placed = _rigid(mine, scan, at, rng)
        region = np.where(now_region(placed, model.points(None, "now7")), 0, -1)
        scans.append(replace(scan, region=region))
    face = face_vertices(model)
    people = [model.vertices(model.sample(rng=rng))[model.parts["skin"].vertices][face] for _ in range(PEOPLE)]
    rows = closest_vertices(rigid.inverse().apply(mine.mean[face]), ict)
    theirs = [(ict.mean + offset)[rows] for offset in ict.heads(PEOPLE, rng)[1]]
    print(f"\n{len(scans)} simulated faces of other people (MeshMonk), face; median / mean distance, mm\n")
    print(
        "| model | mean head | all modes | rms z | specificity | the fitted among themselves |\n|---|---|---|---|---|---|"
    )
    curves = {}
    for title, shape, anchors, chosen, drawn in (
        ("ours", mine, at, face, people),
        ("ICT-FaceKit", ict_shape(ict), on_ict, rows, theirs),
    ):
        before, after, heads, sizes = [], [], [], []
        still = _still(shape)
        for scan in scans:
            before.append(distances(still, *_rigid(shape, scan, anchors, rng), scan, 0))
            z, moved = fit(shape, scan, anchors, len(shape.basis), rng)
            after.append(distances(shape, z, moved, scan, 0))
            heads.append(shape.head(z)[chosen])
            sizes.append((z**2).mean())
        apart = specificity(drawn, heads)
        cells = [f"{np.median(d):.2f} / {d.mean():.2f}" for d in (np.concatenate(before), np.concatenate(after))]
        print(
            f"| {title} | {cells[0]} | {cells[1]} | {np.sqrt(np.mean(sizes)):.2f} "
            f"| {apart[0]:.2f} +- {apart[1]:.2f} | {apart[2]:.2f} |"
        )
        curves[f"simulated, {title}"] = curve(shape, scans[: max(count // 4, 3)], anchors, rng)
    return curves


def curve(shape: Shape, scans: list[Scan], anchors: Float, rng: np.random.Generator) -> list[tuple[int, float, float]]:
    """Number of modes, median and mean distance mm over the faces of the scans."""
    points = []
    for modes in [m for m in CURVE if m < len(shape.basis)] + [len(shape.basis)]:
        pooled = np.concatenate([distances(shape, *fit(shape, s, anchors, modes, rng), s, 0) for s in scans])
        points.append((modes, float(np.median(pooled)), float(pooled.mean())))
    return points


def real_scans(folder: Path, model: HeadModel) -> list[tuple[Scan, tuple[str, ...]]]:
    """Scans, and which named points (set iso) their anchors are."""
    found = []
    path = folder / "meshmonk" / "demo_face.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as data:
            vertices, faces, five = data["vertices"].astype(np.float64), data["faces"], data["landmarks5"]
        found.append(("meshmonk demo face", vertices, faces, five, MESHMONK_POINTS, ("face",)))
    path = folder / "fsaverage" / "fsaverage_head.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as data:
            vertices, faces, three = _upright(data["vertices_ras"]), data["faces"], _upright(data["fiducials_ras"])
        found.append(("fsaverage (40 people)", vertices, faces, three, ("t_l", "n", "t_r"), ("face", "skull", "neck")))
    path = folder / "colin27" / "colin27_upper_head.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as data:
            vertices, faces = _upright(data["vertices_ras"]), data["faces"]
        crown = vertices[:, 1] > vertices[:, 1].max() - 80.0
        ends = [np.argmax(vertices[:, 1])]
        ends += [
            np.flatnonzero(crown)[np.argmax(sign * vertices[crown, axis])] for axis, sign in ((2, -1), (0, 1), (0, -1))
        ]
        found.append(
            ("colin27, upper head", vertices, faces, vertices[ends], ("v", "op", "eu_l", "eu_r"), ("skull", "ears"))
        )
    scans = []
    iso, skin = model.point_set("iso"), model.faces[model.parts["skin"].faces]
    for name, vertices, faces, anchors, names, regions in found:
        at = model.points(None, "iso")[[iso.names.index(n) for n in names]]
        start = Scan(name=name, vertices=vertices, faces=faces, anchors=anchors, region=_outer(vertices, faces))
        _, placed = _rigid(ours(model), start, at, np.random.default_rng(0))
        _, face, distance = closest(placed, model.mean[model.parts["skin"].vertices], skin)
        region = np.full(len(vertices), -1)
        for index, which in enumerate(REGIONS):
            if which in regions and which != "face":
                region[model.regions[which][skin[face]].mean(axis=1) > 0.5] = index
        hidden = np.max([model.regions[n][skin[face]].max(axis=1) for n in ("mouth_cavity", "nostrils")], axis=0) > 0.5
        if "face" in regions:
            region[now_region(placed, model.points(None, "now7"))] = 0
        region[hidden | (distance > FARTHEST_MM) | (start.region < 0)] = -1
        scans.append((Scan(name=name, vertices=vertices, faces=faces, anchors=anchors, region=region), names))
    return scans


def _upright(ras: NDArray[Any]) -> Float:
    """Right, anterior, superior as the head frame: left, up, front."""
    return np.stack([-ras[:, 0], ras[:, 2], ras[:, 1]], axis=1).astype(np.float64)


def _outer(vertices: Float, faces: Faces) -> NDArray[np.int_]:
    """Region 4 for vertices of the largest connected piece of a scan, -1 for crumbs and vertices of no triangle."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    links = coo_matrix(
        (np.ones(faces.size), (faces.reshape(-1), np.roll(faces, 1, axis=1).reshape(-1))), shape=(len(vertices),) * 2
    )
    piece = connected_components(links, directed=False)[1]
    return np.where(piece == np.bincount(piece[faces[:, 0]]).argmax(), 4, -1)


def real(model: HeadModel, ict: IctModel, folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Ours and ICT-FaceKit's model on real scans."""
    curves: dict[str, list[tuple[int, float, float]]] = {}
    iso = model.point_set("iso")
    rigid = procrustes(ict.mean[ict.landmarks[17:]], model.points(None, "ibug68")[17:], with_scale=True)
    print("\nreal scans; median / mean distance, mm\n")
    print("| scan | model | " + " | ".join(REGIONS) + " |\n|---|---|" + "---|" * len(REGIONS))
    for scan, names in real_scans(folder, model):
        at = model.points(None, "iso")[[iso.names.index(n) for n in names]]
        on_ict = ict.mean[closest_vertices(rigid.inverse().apply(at), ict)]
        for title, shape, anchors in (("ours", ours(model), at), ("ICT-FaceKit", ict_shape(ict), on_ict)):
            rng = np.random.default_rng(2)
            rows = {"mean head": _rigid(shape, scan, anchors, rng)}
            rows[f"{len(shape.basis)} modes"] = fit(shape, scan, anchors, len(shape.basis), rng)
            for label, (z, moved) in rows.items():
                flat = shape if label != "mean head" else _still(shape)
                cells = {name: distances(flat, z, moved, scan, i) for i, name in enumerate(REGIONS)}
                sigma = f", rms z {np.sqrt((z**2).mean()):.2f}" if label != "mean head" else ""
                print(row(f"{scan.name} | {title}, {label}{sigma}", cells))
            if (scan.region == 0).any():
                curves[f"{scan.name}, {title}"] = curve(shape, [scan], anchors, rng)
    return curves


def closest_vertices(points: Float, ict: IctModel) -> NDArray[np.intp]:
    used = np.unique(ict.faces)
    return used[np.linalg.norm(ict.mean[used][None] - points[:, None], axis=2).argmin(axis=1)]


def draw(curves: dict[str, list[tuple[int, float, float]]], path: Path) -> None:
    """One picture of median distance against the number of modes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for name, points in curves.items():
        axes.plot([p[0] for p in points], [p[1] for p in points], marker="o", label=name)
    axes.set(xlabel="identity modes", ylabel="median distance over the face, mm", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=130, bbox_inches="tight")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--ict", type=Path, help=f"folder of ICT-FaceKit; default: the variable {FOLDER_VARIABLE}")
    parser.add_argument("--scans", type=Path, help="folder of real scans")
    parser.add_argument("--heads", type=int, default=30)
    parser.add_argument("--png", type=Path)
    options = parser.parse_args()
    model, ict = HeadModel.load(options.model), load_ict(ict_folder(options.ict))
    curves = held_out(model, ict, options.heads)
    if options.scans is not None:
        curves |= real(model, ict, options.scans)
        curves |= independent(model, ict, options.scans, options.heads)
    if options.png is not None:
        draw(curves, options.png)


if __name__ == "__main__":
    main()
