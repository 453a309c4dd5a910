"""The open synthetic benchmark: people who do not exist, five photos each, with their true heads.

A folder of plain files: `photos/PERSON/NAME.jpg`, `truth/PERSON/NAME.json` (camera, pose, expression, points) and
`heads/PERSON.obj` (neutral head, millimetres) with `heads/PERSON.json` (identity, named landmarks). Photos: front, two three-quarter
views, a profile, and one with an expression; cameras, light, hair and glasses vary from photo to photo or person to person.
It flatters whoever trained on this generator: results on real scans belong beside it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cephalon.core import InputError
from cephalon.files.atomic import OutputFolder
from cephalon.files.obj import write_obj
from cephalon.synth.expression import sample_expression
from cephalon.synth.options import CameraOptions, PersonOptions, SampleOptions, SensorOptions
from cephalon.synth.person import Person, draw_person
from cephalon.synth.sample import make_sample
from cephalon.synth.scene import HEAD_MIDDLE, Scene, draw_scenes, placed_actor, pose_rotation
from cephalon.synth.stock import Library

SEED_OFFSET = 900_000_000
"""Added to the benchmark's seed, so that no training set of the same seed shares its people."""

VIEWS = (
    ("front", 0.0, False),
    ("left", 45.0, False),
    ("right", -45.0, False),
    ("profile", 85.0, False),
    ("expression", 12.0, True),
)


def benchmark_options(size: int) -> SampleOptions:
    """Return the ranges of the benchmark's photos."""
    return SampleOptions(
        size=size, occluder=0.0,
        person=PersonOptions(mask=0.0, hat=0.0, headphones=0.0, tinted=0.0, neutral=1.0),
        camera=CameraOptions(distance_mm=(350.0, 2500.0), head_share=(0.5, 0.75), shift=0.06, yaw_deg=(4.0, 8.0), pitch_deg=(6.0, 15.0),
                             roll_deg=(5.0, 12.0), wide=0.0),
        sensor=SensorOptions(noise=(0.5, 4.0), blur_px=(0.0, 0.5), motion=0.0, low_resolution=0.0, grey=0.0, jpeg_quality=(80, 96)),
    )  # fmt: skip


def write_benchmark(
    folder: Path,
    library: Library,
    *,
    people: int = 200,
    seed: int = 1,
    size: int = 512,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the benchmark; the same seed gives the same bytes on one machine.

    Raises
    ------
    InputError
        If the folder holds other things and not `force`, or fewer than one person is asked for.
    """
    if people < 1:
        raise InputError(f"the benchmark needs at least one person, got {people}")
    options = benchmark_options(size)
    model = library.model
    with OutputFolder(folder, force=force, marker="benchmark.json") as output:
        place = output.staging
        for name in ("photos", "truth", "heads"):
            (place / name).mkdir()
        for number in range(people):
            rng = np.random.default_rng(np.random.SeedSequence([SEED_OFFSET + seed, number]))
            name = f"person_{number:03d}"
            person = draw_person(model, options.person, rng=rng, meshes=tuple(library.hair))
            head = model.vertices(model.code(identity=person.identity))
            for part in ("photos", "truth"):
                (place / part / name).mkdir()
            write_obj(place / "heads" / f"{name}.obj", model.topology.with_vertices(head))
            landmarks = {
                s: {
                    n: np.round(p, 4).tolist()
                    for n, p in zip(
                        model.point_set(s).names, model.points(model.code(identity=person.identity), s), strict=True
                    )
                }
                for s in ("now7", "iso")
            }
            facts: dict[str, Any] = {
                "identity": np.round(person.identity, 6).tolist(), "age_years": person.age_years, "sex": person.sex,
                "melanin": person.skin.melanin,
                "head_model_sha256": model.sha256, "unit": "mm", "landmarks": landmarks,
            }  # fmt: skip
            _write_json(place / "heads" / f"{name}.json", facts)
            for view, yaw, moved in VIEWS:
                scene = draw_scenes(library, options, rng=rng)[0]
                scene = _turned(library, scene, person, yaw, moved, rng)
                sample = make_sample(library, options, scene, f"{name}_{view}")
                (place / "photos" / name / f"{view}.jpg").write_bytes(sample.jpeg)
                points = {k: np.round(v[0], 3).tolist() for k, v in sample.arrays.items() if k.startswith("points_")}
                _write_json(place / "truth" / name / f"{view}.json", {**sample.record, **points})
            if progress:
                progress(number + 1, people)
        _write_json(
            place / "benchmark.json",
            {
                "people": people,
                "seed": seed,
                "size": size,
                "views": [v[0] for v in VIEWS],
                "head_model_sha256": model.sha256,
                "options": json.loads(options.to_json()),
            },
        )


def _turned(library: Library, scene: Scene, person: Person, yaw: float, moved: bool, rng: np.random.Generator) -> Scene:
    """The same scene with another person, turned, with or without an expression."""
    actor = scene.actors[0]
    model = library.model
    expression = np.zeros(len(model.expression_names))
    if moved:
        expression = sample_expression(model.expression_names, rng=rng, neutral=0.0, closed_mouth=0.2)
    side = 1.0 if rng.random() < 0.5 else -1.0
    angles = (yaw * (side if abs(yaw) > 60 else 1.0) + rng.normal(0, 4), rng.normal(0, 6), rng.normal(0, 5))
    point = actor.camera_from_head.apply(HEAD_MIDDLE[None])[0]
    neck = rng.normal(0, 0.08, 3)
    gaze = (float(np.clip(rng.normal(0, 6), -20, 20)), float(np.clip(rng.normal(0, 4), -15, 15)))
    return replace(
        scene, actors=(placed_actor(library, person, expression, pose_rotation(*angles), point, neck, gaze),)
    )


def _write_json(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
