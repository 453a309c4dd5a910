"""One self-contained HTML page about a study: opens by double-click, prints on paper, asks the network for nothing."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cephalon.evaluate.charts import curves, regions_chart
from cephalon.evaluate.maps import RAMP, TOP_MM
from cephalon.evaluate.page_tables import (
    failures_section,
    groups_section,
    hidden_section,
    key,
    method_section,
    number,
    paired_section,
    row_class,
)
from cephalon.evaluate.words import FIGURES, PROTOCOLS
from cephalon.files.html import html_page, text


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An error map: of which item, which place among the ranked, which method, its mean error, and the PNG."""

    item: str
    place: str
    method: str
    mean_mm: float
    png: bytes


def page_html(document: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """Return the page of a study's document (see `results.Study.document`) with error maps, as one string."""
    what, variant = PROTOCOLS[document["protocol"]], _variant(document)
    body = (
        _header(document),
        _main_table(document),
        _charts(document),
        _maps(pictures),
        hidden_section(document),
        groups_section(document),
        paired_section(document),
        failures_section(document),
        method_section(document),
    )
    return html_page(
        f"{what.title}{f', {variant}' if variant else ''} – Cephalon evaluation",
        body,
        style=_style(),
        policy=("img-src data:",),
        footer=f"Made by <b>cephalon evaluate</b>, version {text(document['cephalon'])}. This page holds everything it shows and"
        " asks the network for nothing.",
    )


@cache
def _style() -> str:
    return (resources.files("cephalon.evaluate") / "page.css").read_text(encoding="utf-8").strip()


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def _count(amount: int, word: str) -> str:
    return f"{amount} {word}{'' if amount == 1 else 's'}"


def _variant(document: Mapping[str, Any]) -> str:
    if document["protocol"] not in ("now", "stirling", "bu3dfe", "regions"):
        return ""
    return "metrical" if document["metrical"] else "non-metrical"


def _header(document: Mapping[str, Any]) -> str:
    what = PROTOCOLS[document["protocol"]]
    methods = {name: entry for name, entry in document["methods"].items() if name not in document["baselines"]}
    items = max(entry["items"] for entry in methods.values())
    subjects = max(entry["subjects"] for entry in methods.values())
    failed = sum(entry["failed"] for entry in methods.values())
    said = f"{_count(len(methods), 'method')}, {_count(items, 'item')} of {_count(subjects, 'subject')}"
    trouble = (
        f' <span class="bad">{failed} failed</span> and {"are" if failed > 1 else "is"} listed below.'
        if failed
        else " None failed."
    )
    variant = _variant(document)
    return (
        f'<header><p class="brand">Cephalon · evaluation</p><h1>{text(what.title)}{f", {variant}" if variant else ""}</h1>'
        f'<p class="lead">{text(what.lead)}</p><p class="note">{said}.{trouble}</p></header>'
    )


def _columns(document: Mapping[str, Any]) -> list[str]:
    wanted = PROTOCOLS[document["protocol"]].columns
    have = {
        name for entry in document["methods"].values() for name in (*entry.get("pooled", {}), *entry.get("means", {}))
    }
    return [name for name in wanted if name in have]


def _values(entry: Mapping[str, Any]) -> dict[str, float]:
    return {**entry.get("means", {}), **entry.get("pooled", {})}


def _main_table(document: Mapping[str, Any]) -> str:
    columns = _columns(document)
    rows = []
    best = {}
    for name in columns:
        found = [_values(e).get(name) for m, e in document["methods"].items() if m not in document["baselines"]]
        found = [value for value in found if value is not None]
        if len(found) > 1 and name in FIGURES and FIGURES[name].better:
            best[name] = min(found) if FIGURES[name].better == "low" else max(found)
    for index, (method, entry) in enumerate(document["methods"].items()):
        values = _values(entry)
        cells = []
        for name in columns:
            interval = entry.get("interval95", {}).get(name) if "pooled" in entry else None
            if interval is None and name == document["main_figure"]:
                interval = entry.get("main_interval95")
            low_high = f"<small>{number(interval[0], name)} – {number(interval[1], name)}</small>" if interval else ""
            strong = (
                ' class="best"'
                if name in best and values.get(name) == best[name] and method not in document["baselines"]
                else ""
            )
            cells.append(f"<td{strong}>{number(values.get(name), name)}{low_high}</td>")
        rows.append(
            f"<tr{row_class(document, method)}><td>{key(index)}{text(method)}</td>{''.join(cells)}"
            f"<td>{entry['items']}</td><td>{_failed(entry['failed'])}</td></tr>"
        )
    head = "".join(f"<th>{FIGURES[n].label if n in FIGURES else text(n)}</th>" for n in columns)
    quoted = _quoted(document, columns)
    small = (
        "95 % intervals below the figures: bootstrap over subjects."
        if _has_intervals(document)
        else ("No intervals: fewer than three subjects.")
    )
    return (
        '<section id="table"><h2>Results</h2>'
        f'<p class="note">{text(PROTOCOLS[document["protocol"]].table)} {small}</p>'
        f'<div class="scroll{" dense" if len(columns) > 8 else ""}"><table>'
        f"<thead><tr><th>method</th>{head}<th>items</th><th>failed</th></tr></thead><tbody>{''.join(rows)}</tbody>{quoted}</table></div></section>"
    )


def _has_intervals(document: Mapping[str, Any]) -> bool:
    return any(e.get("interval95") or e.get("main_interval95") for e in document["methods"].values())


def _failed(count: int) -> str:
    return f'<span class="bad">{count}</span>' if count else "0"


def _quoted(document: Mapping[str, Any], columns: Sequence[str]) -> str:
    published = document.get("published")
    if not published:
        return ""
    rows = []
    for row in published["rows"]:
        known = dict(zip(published["columns"], row[1:], strict=True))
        cells = "".join(f"<td>{_as_printed(known.get(name), published, name)}</td>" for name in columns)
        rows.append(f'<tr class="quoted"><td>{text(row[0])}</td>{cells}<td></td><td></td></tr>')
    return (
        f'<tbody class="quoted"><tr><th colspan="{len(columns) + 3}">Published, for orientation and not measured here: '
        f"{text(published['source'])}. Inputs may differ: no ranking across this line.</th></tr>{''.join(rows)}</tbody>"
    )


def _as_printed(value: float | None, published: Mapping[str, Any], name: str) -> str:
    """Return a quoted number with as many decimals as its column has."""
    if value is None:
        return "–"
    place = published["columns"].index(name) + 1
    column = [row[place] for row in published["rows"] if row[place] is not None]
    return f"{value:.{max(len(str(x).partition('.')[2]) for x in column)}f}"


def _charts(document: Mapping[str, Any]) -> str:
    lines = []
    for index, (method, entry) in enumerate(document["methods"].items()):
        if "curve" in entry:
            lines.append((method, index, entry["curve"]["mm"], entry["curve"]["share"]))
        elif entry.get("main_values"):
            values = entry["main_values"]
            shares = [(i + 1) / len(values) for i in range(len(values))]
            lines.append((method, index, [values[0], *values], [0.0, *shares]))
    if not lines:
        return ""
    pooled = any("curve" in entry for entry in document["methods"].values())
    label = "error, mm" if pooled else FIGURES[document["main_figure"]].label
    top = 7.0 if pooled else None
    left = curves(lines, x_label=label, y_label=f"share of {'scan vertices' if pooled else 'items'}", top=top)
    right = regions_chart({m: e.get("hidden", {}).get("regions_mm", {}) for m, e in document["methods"].items()})
    return (
        f'<section id="curves"><h2>Cumulative error</h2><div class="charts"><figure>{left}</figure>'
        f"{f'<figure>{right}</figure>' if right else ''}</div></section>"
    )


def _maps(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return ""
    stops = "".join(
        f'<stop offset="{i / (len(RAMP) - 1):.4f}" stop-color="rgb({r:.0f},{g:.0f},{b:.0f})"/>'
        for i, (r, g, b) in enumerate(RAMP)
    )
    parts = [
        '<section id="maps"><h2>Error on the scan</h2><p class="note">From the person\'s right, the front and the left: items where '
        "the first method is best, in the middle and worst.</p>"
        '<div class="bar">0 mm <svg class="ramp" viewBox="0 0 340 12" aria-hidden="true"><defs><linearGradient id="ramp">'
        f'{stops}</linearGradient></defs><rect width="340" height="12" rx="6" fill="url(#ramp)"/></svg> {TOP_MM:g} mm and more</div>'
    ]
    for item in dict.fromkeys((p.place, p.item) for p in pictures):
        own = [p for p in pictures if (p.place, p.item) == item]
        figures = "".join(
            f'<figure><img src="{_data(p.png)}" alt="Error map of {text(p.method)} on {text(p.item)}"><figcaption>{text(p.method)}'
            f"<span>mean {number(p.mean_mm, 'mean_mm')} mm</span></figcaption></figure>"
            for p in own
        )
        parts.append(f'<h3>{item[0].capitalize()}: {text(item[1])}</h3><div class="maps">{figures}</div>')
    return "".join(parts) + "</section>"
