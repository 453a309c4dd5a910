"""Writing a study: evaluate.json, items.csv and report.html in one folder, all or nothing."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cephalon.core import CephalonError
from cephalon.evaluate.faces3d import bu3dfe, onto_scan
from cephalon.evaluate.judge import MEAN_HEAD, Setting, compared
from cephalon.evaluate.layout import Item, OwnReader, load_prediction, load_scan
from cephalon.evaluate.maps import error_map
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.page import Picture, page_html
from cephalon.evaluate.results import Study, text_table
from cephalon.files import OutputFolder, json_bytes

MARKER = "evaluate.json"


def check_writable(folder: Path, force: bool) -> None:
    """Say no before the work rather than after it."""

    class Trial(Exception):
        pass

    try:
        with OutputFolder(folder, force=force, marker=MARKER):
            raise Trial
    except Trial:
        pass


def write_study(
    study: Study,
    options: argparse.Namespace,
    record: Mapping[str, Any],
    *,
    items: Sequence[Item] = (),
    setting: Setting | None = None,
    own: OwnReader | None = None,
    above_out: Callable[[str], None],
    finish: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Write the three files, print the table, return the document; `finish` may add to it first."""
    document = study.document(seed=options.seed, extra=record)
    if finish is not None:
        finish(document)
    pictures = [] if setting is None else _pictures(study, items, setting, own)
    with OutputFolder(options.output, force=options.force, marker=MARKER) as out:
        out.write("items.csv", study.table())
        out.write("report.html", page_html(document, pictures).encode("utf-8"))
        out.write(MARKER, json_bytes({**document, "files": out.manifest()}))
    above_out(text_table(document))
    if study.failures:
        first = study.failures[0]
        above_out(
            f"{len(study.failures)} failed, listed in the report; the first: {first['method']}, {first['name']}: {first['reason']}"
        )
    above_out(f"wrote {options.output / 'report.html'}, items.csv and {MARKER}")
    return document


def _pictures(study: Study, items: Sequence[Item], setting: Setting, own: OwnReader | None) -> list[Picture]:
    """Return error maps of the items where the first method is best, in the middle and worst, for every method."""
    first = next(method for method in study.methods if method != MEAN_HEAD)
    ranked = sorted(
        (row[study.main], row["name"]) for row in study.rows if row["method"] == first and row["status"] == "ok"
    )
    if not ranked:
        return []
    chosen = {0: "best", len(ranked) // 2: "middle", len(ranked) - 1: "worst"} if len(ranked) > 2 else {0: "first"}
    by_name = {item.name: item for item in items}
    pictures = []
    for place, word in chosen.items():
        item = by_name[ranked[place][1]]
        if item.scan is None:
            continue
        scan = load_scan(item.scan, item.scan_landmarks, unit=setting.scan_unit)
        for method in study.methods:
            try:
                path = item.predictions.get(method)
                shape = (
                    setting.baseline
                    if method == MEAN_HEAD
                    else path and load_prediction(path, unit=setting.unit, own=own)
                )
                if shape is None:
                    continue
                png, mean_mm = _picture(shape, scan, setting)
            except CephalonError:
                continue
            if png is not None:
                pictures.append(Picture(item=item.name, place=word, method=method, mean_mm=mean_mm, png=png))
    return pictures


def _picture(prediction: Shape, scan: Shape, setting: Setting) -> tuple[bytes | None, float]:
    if setting.protocol == "florence":  # measured at the prediction's vertices
        laid = onto_scan(prediction, scan)
        return error_map(laid.placed, laid.rows, laid.distance), float(laid.distance.mean())
    if setting.protocol == "bu3dfe":
        _, _, found = bu3dfe(prediction, scan, metrical=setting.metrical)
    else:
        found = compared(prediction, scan, setting)
    return error_map(scan, found.rows, found.distance), found.mean_mm
