"""One self-contained HTML page about a study: opens by double-click, prints on paper, asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from cephalon.evaluate.charts import COLOURS, curves, regions_chart
from cephalon.evaluate.maps import RAMP, TOP_MM
from cephalon.evaluate.words import FIGURES, GROUPS, PROTOCOLS

_DECEPTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
MEAN_HEAD = "mean head"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An error map: of which item, which place among the ranked, which method, its mean error, and the PNG."""

    item: str
    place: str
    method: str
    mean_mm: float
    png: bytes


def text(value: object) -> str:
    """Escape anything for HTML; characters that deceive the eye become a visible mark."""
    return html.escape(_DECEPTIVE.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True)


def page_html(document: Mapping[str, Any], pictures: Sequence[Picture] = ()) -> str:
    """Return the page of a study's document (see `results.Study.document`) with error maps, as one string."""
    style = _style()
    policy = f"default-src 'none'; style-src {_hash(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    parts = [
        _header(document),
        _main_table(document),
        _charts(document),
        _maps(pictures),
        _hidden(document),
        _groups(document),
        _paired(document),
        _failures(document),
        _method(document),
    ]
    title = PROTOCOLS[document["protocol"]].title
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Cephalon">
<title>{text(title)} – Cephalon evaluation</title>
<style>{style}</style>
</head>
<body>
<main>
{chr(10).join(part for part in parts if part)}
</main>
<footer>Made by <b>cephalon evaluate</b>. This page holds everything it shows and asks the network for nothing.</footer>
</body>
</html>
"""


@cache
def _style() -> str:
    return (resources.files("cephalon.evaluate") / "page.css").read_text(encoding="utf-8").strip()


def _hash(inline: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(inline.encode("utf-8")).digest()).decode("ascii") + "'"


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"


def number(value: float | None, name: str = "") -> str:
    """Return a figure for reading, with as many digits as its name asks for; a dash for None or NaN."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{FIGURES[name].digits if name in FIGURES else 3}f}".replace("-", "\N{MINUS SIGN}")


def _count(amount: int, word: str) -> str:
    return f"{amount} {word}{'' if amount == 1 else 's'}"


def _variant(document: Mapping[str, Any]) -> str:
    if document["protocol"] not in ("now", "stirling", "bu3dfe", "regions"):
        return ""
    return "metrical" if document["metrical"] else "non-metrical"


def _header(document: Mapping[str, Any]) -> str:
    what = PROTOCOLS[document["protocol"]]
    methods = {name: entry for name, entry in document["methods"].items() if name != MEAN_HEAD}
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
        found = [_values(e).get(name) for m, e in document["methods"].items() if m != MEAN_HEAD]
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
            strong = ' class="best"' if name in best and values.get(name) == best[name] and method != MEAN_HEAD else ""
            cells.append(f"<td{strong}>{number(values.get(name), name)}{low_high}</td>")
        key = _key(index)
        rows.append(
            f"<tr{' class=mean' if method == MEAN_HEAD else ''}><td>{key}{text(method)}</td>{''.join(cells)}"
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
        f'<p class="note">{text(PROTOCOLS[document["protocol"]].table)} {small}</p><div class="scroll"><table>'
        f"<thead><tr><th>method</th>{head}<th>items</th><th>failed</th></tr></thead><tbody>{''.join(rows)}</tbody>{quoted}</table></div></section>"
    )


def _has_intervals(document: Mapping[str, Any]) -> bool:
    return any(e.get("interval95") or e.get("main_interval95") for e in document["methods"].values())


def _key(index: int) -> str:
    return (
        '<svg class="key" viewBox="0 0 14 3" width="14" height="3" aria-hidden="true">'
        f'<rect width="14" height="3" rx="1.5" fill="{COLOURS[index % len(COLOURS)]}"/></svg>'
    )


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


def _hidden(document: Mapping[str, Any]) -> str:
    methods = document["methods"]
    names = ["identity_ratio", "shrinkage", "scale_error_percent", "scale_error_percent_size"]
    have = [n for n in names if any(n in e.get("hidden", {}) for e in methods.values())]
    steady = any("consistency" in e.get("hidden", {}) for e in methods.values())
    cover = any("coverage" in e.get("hidden", {}) for e in methods.values())
    regions = list(dict.fromkeys(r for e in methods.values() for r in e.get("hidden", {}).get("regions_mm", {})))
    if not have and not regions:
        return ""
    out = ['<section id="hidden"><h2>What the averages hide</h2>']
    if have or steady or cover:
        head = "".join(f"<th>{FIGURES[n].label}</th>" for n in have)
        head += "<th>same person,<br>other photo, mm</th><th>over people’s<br>distance</th>" if steady else ""
        head += "".join(f"<th>{level} % holds</th>" for level in (50, 80, 90, 95)) if cover else ""
        rows = ""
        for index, (method, entry) in enumerate(methods.items()):
            own = entry.get("hidden", {})
            cells = "".join(f"<td>{number(own.get(n), n)}</td>" for n in have)
            if steady:
                c = own.get("consistency", {})
                cells += (
                    f"<td>{number(c.get('spread_mm'), 'mean_mm')}</td><td>{number(c.get('ratio'), 'shrinkage')}</td>"
                )
            if cover:
                cells += "".join(
                    f"<td>{number(own.get('coverage', {}).get(str(level)), 'covered')}</td>"
                    for level in (50, 80, 90, 95)
                )
            rows += (
                f"<tr{' class=mean' if method == MEAN_HEAD else ''}><td>{_key(index)}{text(method)}</td>{cells}</tr>"
            )
        out.append(
            f'<div class="scroll"><table><thead><tr><th>method</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
            '<p class="note">Identity ratio: error over the mean head’s; at 1 everybody gets the same face. Shrinkage: size of the '
            "predicted deviation from the mean head over the true one; below 1 a method stays near the mean.</p>"
        )
    if regions:
        head = "".join(f"<th>{text(r)}</th>" for r in regions)
        rows = "".join(
            f"<tr{' class=mean' if m == MEAN_HEAD else ''}><td>{_key(i)}{text(m)}</td>"
            + "".join(
                f"<td>{number(e.get('hidden', {}).get('regions_mm', {}).get(r), 'mean_mm')}</td>" for r in regions
            )
            + "</tr>"
            for i, (m, e) in enumerate(methods.items())
        )
        out.append(
            f'<h3>Mean error by region, mm</h3><div class="scroll"><table><thead><tr><th>method</th>{head}</tr></thead><tbody>{rows}'
            "</tbody></table></div>"
        )
    return "".join(out) + "</section>"


def _groups(document: Mapping[str, Any]) -> str:
    methods = document["methods"]
    kinds = list(dict.fromkeys(kind for e in methods.values() for kind in e.get("by", {})))
    parts = []
    for kind in kinds:
        values = sorted({v for e in methods.values() for v in e.get("by", {}).get(kind, {})})
        head = "".join(f"<th>{text(v)}</th>" for v in values)
        rows = "".join(
            f"<tr{' class=mean' if m == MEAN_HEAD else ''}><td>{_key(i)}{text(m)}</td>"
            + "".join(_pair(e.get("by", {}).get(kind, {}).get(v)) for v in values)
            + "</tr>"
            for i, (m, e) in enumerate(methods.items())
        )
        parts.append(
            f'<h3>{text(GROUPS.get(kind, kind))}</h3><div class="scroll"><table><thead><tr><th>method</th>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
    if not parts:
        return ""
    return f'<section id="groups"><h2>By group</h2><p class="note">Pooled median over mean, mm.</p>{"".join(parts)}</section>'


def _pair(entry: Mapping[str, float] | None) -> str:
    if entry is None:
        return "<td>–</td>"
    return f"<td>{number(entry['median_mm'], 'median_mm')}<small>{number(entry['mean_mm'], 'mean_mm')}</small></td>"


def _paired(document: Mapping[str, Any]) -> str:
    tests = document["paired_tests"]
    if not tests:
        return ""
    main = document["main_figure"]
    rows = ""
    for test in tests:
        interval = test["interval95"]
        shown = f"{number(interval[0], main)} to {number(interval[1], main)}" if interval else "–"
        p = "–" if test["p_value"] is None else ("&lt; 0.001" if test["p_value"] < 0.001 else f"{test['p_value']:.3f}")
        rows += (
            f"<tr><td>{text(test['a'])} − {text(test['b'])}</td><td>{number(test['difference'], main)}</td><td>{shown}</td><td>{p}</td>"
            f"<td>{test['subjects']}</td></tr>"
        )
    return (
        f'<section id="paired"><h2>Side by side</h2><p class="note">Difference of {text(FIGURES[main].plain)} by subject, where '
        "both have it; 95 % bootstrap interval over subjects; two-sided sign-flip permutation test.</p>"
        '<div class="scroll"><table><thead><tr><th>methods</th><th>mean difference</th><th>95 % interval</th><th>p</th><th>subjects</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _failures(document: Mapping[str, Any]) -> str:
    failures = document["failures"]
    if not failures:
        return ""
    shown = failures[:500]
    rows = "".join(
        f"<tr><td>{text(f['method'])}</td><td>{text(f['name'])}</td><td class=wide>{text(f['reason'])}</td></tr>"
        for f in shown
    )
    rest = f'<p class="note">and {len(failures) - 500} more, in items.csv</p>' if len(failures) > 500 else ""
    return (
        f'<section id="failures"><h2>Failures ({len(failures)})</h2><p class="note">Counted in no figure above; a method with fewer '
        'failures was judged on more.</p><div class="scroll"><table class="failed"><thead><tr><th>method</th><th>item</th><th>why</th></tr>'
        f"</thead><tbody>{rows}</tbody></table></div>{rest}</section>"
    )


def _method(document: Mapping[str, Any]) -> str:
    what = PROTOCOLS[document["protocol"]]
    settings = document.get("settings", {})
    entries = [
        (k.replace("_", " "), ", ".join(f"{a}: {b}" for a, b in v.items()) if isinstance(v, Mapping) else v)
        for k, v in settings.items()
    ]
    entries = [(k, "yes" if v is True else "no" if v is False else v) for k, v in entries if v not in (None, "")]
    listed = "".join(f"<dt>{text(k)}</dt><dd>{text(v)}</dd>" for k, v in entries)
    notes = "".join(f'<p class="note">{text(note[:1].upper() + note[1:])}.</p>' for note in document.get("notes", ()))
    return (
        f'<section id="method"><h2>How it was measured</h2><p class="note">{text(what.how)}</p>'
        f'<p class="equation">{text(what.equation)}</p>{notes}<dl>{listed}</dl></section>'
    )
