"""A small folder in the layout of the NoW challenge, made from sampled heads: to try the kit, and to look at the layout."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.evaluate.meshes import NOW7, Shape
from cephalon.evaluation.bench import CUES, OPTIONS
from cephalon.evaluation.heads import head_shape
from cephalon.evaluation.people import Person, draw_person, observe
from cephalon.files import OutputFolder
from cephalon.fit import fit
from cephalon.geometry import Similarity, rotation_from_rotvec
from cephalon.head import HeadModel

Float = NDArray[np.float64]

MARKER = "images.txt"
MOST = 1000
NOISE_PERCENT = 2.5
# The photos of a person (challenge, shot), and which other shots each of the two methods is given as well.
IMAGES = (("front", 0), ("three-quarter", 1))
METHODS: dict[str, tuple[int, ...]] = {"one-photo": (), "with-profile": (3,)}


def example(options: argparse.Namespace, *, say: Callable[[str], None], out: Callable[[str], None]) -> int:
    """Write the folder as `cephalon evaluate example` asks, and say how to score it."""
    if not 1 <= options.people <= MOST:
        raise InputError(f"--people: expected a number from 1 to {MOST}, got {options.people}")
    model = HeadModel.load()
    folder: Path = options.output
    with OutputFolder(folder, force=options.force, marker=MARKER) as written:
        images, facts = [], ["name,yaw_deg"]
        for number in range(options.people):
            subject = f"person_{number:03d}"
            person = draw_person(model, options.seed, number)
            scan = _scan(model, person, np.random.default_rng([options.seed, number, 2]))
            written.write(f"scans/{subject}/scan.obj", _obj(scan, "# units: mm\n"))
            written.write(f"landmarks/{subject}/scan.pp", _picked(_seven(scan)))
            for challenge, shot in IMAGES:
                name = f"{subject}/{challenge}/photo"
                images.append(f"{name}.jpg")
                facts.append(f"{name},{person.shots[shot].yaw_deg:.1f}")
                for method, others in METHODS.items():
                    found = _predicted(model, person, (shot, *others))
                    written.write(f"{method}/{name}.obj", _obj(found))
                    written.write(f"{method}/{name}.txt", _rows(_seven(found), "").encode("ascii"))
            if number % 10 == 9:
                say(f"{number + 1} of {options.people} people")
        written.write("facts.csv", ("\n".join(facts) + "\n").encode("ascii"))
        written.write(MARKER, ("\n".join(images) + "\n").encode("ascii"))
    methods = " ".join(f"{folder / name}" for name in METHODS)
    out(f"wrote {folder}: scans and landmarks of {options.people} people in mm, predictions of two methods in metres")
    out(
        f"score it:  cephalon evaluate now --predictions {methods} --scans {folder / 'scans'} --landmarks"
        f" {folder / 'landmarks'} --list {folder / MARKER} --facts {folder / 'facts.csv'} --metrical --unit m -o now-out"
    )
    return 0


def _scan(model: HeadModel, person: Person, rng: np.random.Generator) -> Shape:
    """Return what a scanner makes of a person: four triangles for each, 0.1 mm of noise, turned and moved."""
    exact = head_shape(model, person.vertices)
    vertices, faces = _quartered(exact.vertices, exact.faces)
    move = Similarity(
        scale=1.0, rotation=rotation_from_rotvec(rng.normal(0, 0.2, 3)), translation=rng.normal(0, 40.0, 3)
    )
    noisy = vertices + rng.normal(0, 0.1, vertices.shape)
    return Shape(vertices=move.apply(noisy), faces=faces, landmarks=move.apply(_seven(exact)))


def _quartered(vertices: Float, faces: NDArray[np.int32]) -> tuple[Float, NDArray[np.int32]]:
    """Return the mesh with every edge halved."""
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, of_side = np.unique(sides, axis=0, return_inverse=True)
    middle = len(vertices) + of_side.reshape(-1, 3)
    (a, b, c), (ab, bc, ca) = faces.T, middle.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    finer = np.concatenate([np.stack(part, axis=1) for part in parts]).astype(np.int32)
    return np.concatenate([vertices, vertices[edges].mean(axis=1)]), finer


def _predicted(model: HeadModel, person: Person, shots: tuple[int, ...]) -> Shape:
    """Return what Cephalon's fit makes of the landmarks of some shots, in metres."""
    posterior = fit([observe(person, shot, NOISE_PERCENT) for shot in shots], model, OPTIONS, CUES)
    found = head_shape(model, model.vertices(model.code(identity=posterior.identity)))
    return replace(found, vertices=0.001 * found.vertices, landmarks=0.001 * _seven(found))


def _seven(shape: Shape) -> Float:
    if shape.landmarks is None:
        raise InputError("the head model has no point set now7")
    return shape.landmarks


def _rows(values: Float, first: str) -> str:
    return "".join(f"{first}{x:.7g} {y:.7g} {z:.7g}\n" for x, y, z in values.tolist())


def _obj(shape: Shape, comment: str = "") -> bytes:
    corners = "".join(f"f {a} {b} {c}\n" for a, b, c in (shape.faces + 1).tolist())
    return (comment + _rows(shape.vertices, "v ") + corners).encode("ascii")


def _picked(landmarks: Float) -> bytes:
    """Return landmarks as MeshLab writes picked points."""
    points = "".join(
        f' <point x="{x:.6f}" y="{y:.6f}" z="{z:.6f}" name="{name}" active="1"/>\n'
        for name, (x, y, z) in zip(NOW7, landmarks.tolist(), strict=True)
    )
    return f"<!DOCTYPE PickedPoints>\n<PickedPoints>\n{points}</PickedPoints>\n".encode("ascii")
