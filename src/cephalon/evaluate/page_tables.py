"""The tables of a study's page that follow its curves and maps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cephalon.evaluate.charts import COLOURS
from cephalon.evaluate.words import FIGURES, GROUPS, PROTOCOLS, REGION_ORDER
from cephalon.files.html import text


def number(value: float | None, name: str = "") -> str:
    """Return a figure for reading, with as many digits as its name asks for; a dash for None or NaN."""
    if value is None or math.isnan(value):
        return "–"
    return f"{value:.{FIGURES[name].digits if name in FIGURES else 3}f}".replace("-", "\N{MINUS SIGN}")


def key(index: int) -> str:
    """Return the short line in a method's colour that stands before its name."""
    return (
        '<svg class="key" viewBox="0 0 14 3" width="14" height="3" aria-hidden="true">'
        f'<rect width="14" height="3" rx="1.5" fill="{COLOURS[index % len(COLOURS)]}"/></svg>'
    )


def row_class(document: Mapping[str, Any], method: str) -> str:
    """Return the attribute of a table's row that sets baselines apart."""
    return " class=mean" if method in document["baselines"] else ""


def hidden_section(document: Mapping[str, Any]) -> str:
    """Return protocol 9's tables: ratios, consistency, coverage, regions."""
    methods = document["methods"]
    names = ["identity_ratio", "shrinkage", "scale_error_percent", "scale_error_percent_size"]
    have = [n for n in names if any(n in e.get("hidden", {}) for e in methods.values())]
    steady = any("consistency" in e.get("hidden", {}) for e in methods.values())
    cover = any("coverage" in e.get("hidden", {}) for e in methods.values())
    named = {r for e in methods.values() for r in e.get("hidden", {}).get("regions_mm", {})}
    regions = [r for r in REGION_ORDER if r in named] + sorted(named - set(REGION_ORDER))
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
            rows += f"<tr{row_class(document, method)}><td>{key(index)}{text(method)}</td>{cells}</tr>"
        out.append(
            f'<div class="scroll"><table><thead><tr><th>method</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
            '<p class="note">Identity ratio: error over the mean head’s; at 1 everybody gets the same face. Shrinkage: size of the '
            "predicted deviation from the mean head over the true one; below 1 a method stays near the mean.</p>"
        )
    if regions:
        head = "".join(f"<th>{text(r)}</th>" for r in regions)
        rows = "".join(
            f"<tr{row_class(document, m)}><td>{key(i)}{text(m)}</td>"
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


def groups_section(document: Mapping[str, Any]) -> str:
    """Return tables by what is known of images or subjects."""
    methods = document["methods"]
    kinds = list(dict.fromkeys(kind for e in methods.values() for kind in e.get("by", {})))
    parts = []
    for kind in kinds:
        values = sorted({v for e in methods.values() for v in e.get("by", {}).get(kind, {})})
        head = "".join(f"<th>{text(v)}</th>" for v in values)
        rows = "".join(
            f"<tr{row_class(document, m)}><td>{key(i)}{text(m)}</td>"
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


def paired_section(document: Mapping[str, Any]) -> str:
    """Return the paired tests."""
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
            f"<td>{test['subjects']}</td><td>{text(test['better'])}</td></tr>"
        )
    return (
        f'<section id="paired"><h2>Side by side</h2><p class="note">First less second in {text(FIGURES[main].plain)}, averaged for each '
        "subject that both have; 95 % bootstrap interval over subjects; two-sided sign-flip permutation test.</p>"
        '<div class="scroll"><table><thead><tr><th>methods</th><th>mean difference</th><th>95 % interval</th><th>p</th>'
        f"<th>subjects</th><th>better</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def failures_section(document: Mapping[str, Any]) -> str:
    """Return what failed and why."""
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


def method_section(document: Mapping[str, Any]) -> str:
    """Return how it was measured: words, equation, notes, settings."""
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
