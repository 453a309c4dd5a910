"""The main job: photos of one person in, one head out."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cephalon.appearance import TextureOptions, make_texture
from cephalon.core import InputError, NoHeadError
from cephalon.files.atomic import OutputFolder
from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadModel
from cephalon.observe import LandmarkSource, default_source
from cephalon.photo import Photo
from cephalon.values import Head, Observation

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconstructOptions:
    """Options of every stage. `texture` None leaves the head without one."""

    fit: FitOptions = field(default_factory=FitOptions)
    texture: TextureOptions | None = field(default_factory=TextureOptions)

    def plain(self) -> dict[str, Any]:
        """Return the options as plain data for the record."""
        return dataclasses.asdict(self)


def reconstruct(
    photos: Sequence[str | Path | Photo],
    *,
    landmarks: Sequence[str | Path] | LandmarkSource | None = None,
    which: int | Sequence[int | None] | None = None,
    ipd_mm: float | None = None,
    age: float | None = None,
    sex: str | None = None,
    focal35_mm: float | None = None,
    model: HeadModel | None = None,
    options: ReconstructOptions | None = None,
    progress: Progress | None = None,
) -> Head:
    """Reconstruct the head of the one person that all `photos` show.

    Parameters
    ----------
    photos : one or more pictures (paths, or `Photo` values).
    landmarks : one landmark file per photo (JSON, .pts), or a source of landmarks; by default MediaPipe, if installed.
    which : number of the head to take in a photo that shows several, counted from 1 at the left; one number for all
        photos or one per photo.
    ipd_mm, age, sex : what is known of the person: distance of the pupils (mm), years, "female" or "male".
    focal35_mm : 35 mm-equivalent focal length of all photos, mm; by default the picture's own record, else estimated.
    progress : called with one line of text as the work goes on.

    Raises
    ------
    InputError
        If a photo or a landmark file cannot be read, or a number makes no sense.
    NoHeadError
        If no photo shows a head, or one shows several and `which` does not say which. Among several photos, one
        without a head is left out and named by `progress`.
    """
    if isinstance(photos, (str, Path, Photo)):
        photos = [photos]
    if not photos:
        raise InputError("reconstruct: give at least one photo")
    if focal35_mm is not None and not 5 <= focal35_mm <= 1200:
        raise InputError(f"focal length: expected a 35 mm-equivalent of 5 to 1200 mm, got {focal35_mm:g}")
    cues = Cues(ipd_mm=ipd_mm, age_years=age, sex=sex)
    options = options or ReconstructOptions()
    say = progress or (lambda _: None)
    timings: dict[str, float] = {}

    with _timed(timings, "load"):
        model = model or HeadModel.load()
        opened = [p if isinstance(p, Photo) else Photo.open(p) for p in photos]
    if not model.link.names and (age is not None or sex is not None):
        raise InputError(
            f"{model.meta.get('name', 'this model')} does not know how age and sex move a head: leave them out"
        )
    numbers = _one_per_photo(which, len(opened))
    sources = _sources(landmarks, len(opened), model)

    used: list[Photo] = []
    observations: list[Observation] = []
    with _timed(timings, "observe"):
        for photo, source, number in zip(opened, sources, numbers, strict=True):
            say(f"{photo.name}: looking for the head")
            try:
                observation = source.observe(photo, which=number)
            except NoHeadError as error:
                if len(opened) == 1:
                    raise
                say(f"left out: {error}")
                continue
            if focal35_mm is not None:
                observation = dataclasses.replace(observation, focal35_mm=focal35_mm)
            used.append(photo)
            observations.append(observation)
    if not observations:
        raise NoHeadError(f"no head found in any of the {len(opened)} photos; use photos that show a face")

    say(f"fitting one head to {len(observations)} photo{'s' if len(observations) > 1 else ''}")
    with _timed(timings, "fit"):
        posterior = fit(observations, model, options.fit, cues)
    texture = None
    if options.texture is not None and model.topology.uv is None:
        say(
            f"no texture: {model.meta.get('name', 'this model')} has no texture coordinates; the head gets one plain tone"
        )
    elif options.texture is not None:
        say("gathering the texture")
        with _timed(timings, "texture"):
            texture = make_texture(used, observations, posterior, model, options.texture)
    return Head(
        model=model,
        identity=posterior.identity,
        posterior=posterior,
        texture=texture,
        photos=tuple(used),
        observations=tuple(observations),
        options={**options.plain(), "cues": dataclasses.asdict(cues), "focal35_mm": focal35_mm},
        timings_s=timings,
    )


def save(
    head: Head, folder: str | Path, *, force: bool = False, report: bool = True, also: Sequence[str] = ()
) -> dict[str, float]:
    """Write everything a head has to a folder: the files of `Head.save`, the overlays and `report.html`.

    Nothing is left half-written: files appear when all of them are complete. `also` names further formats (`Head.save`).

    Returns
    -------
    Seconds by stage ("files", "pictures", "report").

    Raises
    ------
    InputError
        If the folder cannot be written, the disk is full, or it holds something else than an earlier result
        (unless `force`).
    """
    from cephalon.report.build import write_head_report

    timings: dict[str, float] = {}
    with OutputFolder(folder, force=force) as out:
        with _timed(timings, "files"):
            glb = head.write_files(out, also=also)
        if report:
            with _timed(timings, "report"):
                write_head_report(head, out, glb=glb)
        head.write_document(out)
    return timings


def _one_per_photo(which: int | Sequence[int | None] | None, count: int) -> list[int | None]:
    if which is None or isinstance(which, int):
        return [which] * count
    if len(which) != count:
        raise InputError(f"which: expected one number or one per photo ({count}), got {len(which)}")
    return list(which)


def _sources(landmarks: Any, count: int, model: HeadModel) -> list[LandmarkSource]:
    if landmarks is None:
        return [default_source(None, model)] * count
    if isinstance(landmarks, (str, Path)):
        landmarks = [landmarks]
    if isinstance(landmarks, Sequence):
        if len(landmarks) != count:
            raise InputError(f"landmarks: expected one file per photo ({count}), got {len(landmarks)}")
        return [default_source(path, model) for path in landmarks]
    return [landmarks] * count


@contextmanager
def _timed(timings: dict[str, float], name: str):
    start = time.perf_counter()
    yield
    timings[name] = timings.get(name, 0.0) + time.perf_counter() - start
