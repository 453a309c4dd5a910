"""Small line and bar charts as SVG text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from cephalon.evaluate.words import REGION_ORDER
from cephalon.files.html import text

COLOURS = ("#8a8f94", "#0d7f77", "#c4692b", "#5b62b5", "#a83a62", "#8a7f1d", "#3d7ab8")

Line = tuple[str, int, Sequence[float], Sequence[float]]

_WIDTH, _HEIGHT = 640, 400
_MOST_BARS = 5
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 18, 16, 52


def ticks(low: float, high: float, count: int = 7) -> list[float]:
    """Return round numbers from `low` to `high`, about `count` of them."""
    span = max(high - low, 1e-12)
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9) * step
    return [first + i * step for i in range(int((high - first) / step + 1e-9) + 1)]


def curves(lines: Sequence[Line], *, x_label: str, y_label: str, top: float | None) -> str:
    """Return a chart of cumulative curves: name, colour number, x (rising) and share; `top` ends the x axis."""
    end = top if top is not None else max(max(x) for _, _, x, _ in lines) * 1.03
    end = end or 1.0

    def at(x: float, y: float) -> tuple[float, float]:
        px = _LEFT + (_WIDTH - _LEFT - _RIGHT) * min(x / end, 1.0)
        return px, _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * y

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(y_label)} below {text(x_label)}">']
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = at(0, share)
        parts.append(
            f'<line class="{"axis" if share == 0 else "grid"}" x1="{x}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(f'<text x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * share:.0f} %</text>')
    for value in ticks(0, end):
        x, y = at(value, 0)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{value:.6g}</text>')
    parts.append(
        f'<text class="title" x="{(_WIDTH + _LEFT) / 2:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">{text(x_label)}</text>'
    )
    parts.append(
        f'<text class="title" transform="translate(13 {(_HEIGHT - _BOTTOM + _TOP) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"{text(y_label)}</text>"
    )
    for name, colour, xs, ys in lines:
        points = [at(x, y) for x, y in zip(xs, ys, strict=True) if x <= end]
        if top is None:
            points.append(at(end, ys[-1]))
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        dashed = " dashed" if name == "mean head" else ""
        parts.append(f'<path class="curve{dashed}" stroke="{COLOURS[colour % len(COLOURS)]}" d="{path}"/>')
    for row, (name, colour, _, _) in enumerate(lines):
        y = _HEIGHT - _BOTTOM - 18 - 20 * (len(lines) - 1 - row)
        x = _WIDTH - _RIGHT - 14
        shown = name if len(name) < 34 else name[:32] + "…"
        parts.append(f'<text x="{x - 30}" y="{y + 4}" text-anchor="end">{text(shown)}</text>')
        dashed = " dashed" if name == "mean head" else ""
        parts.append(
            f'<path class="curve{dashed}" stroke="{COLOURS[colour % len(COLOURS)]}" d="M{x - 24} {y}L{x} {y}"/>'
        )
    return "".join(parts) + "</svg>"


def regions_chart(values: Mapping[str, Mapping[str, float]]) -> str:
    """Return a bar chart of mean errors (mm) by region, a bar a method; nothing if there are none, or more than five methods."""
    have = {region for entry in values.values() for region in entry}
    names = [name for name in REGION_ORDER if name in have] + sorted(have - set(REGION_ORDER))
    methods = [(index, method) for index, method in enumerate(values) if values[method]]
    if not names or not methods or len(methods) > _MOST_BARS:
        return ""
    bar, gap, left, right = max(min(14, 44 // len(methods)), 4), 12, 92, 52
    block = bar * len(methods) + gap
    height, width = 34 + block * len(names) + 8, 420
    most = max(v for _, method in methods for v in values[method].values()) or 1.0
    parts = [f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="mean error by region">']
    parts.append(f'<text class="title" x="{left}" y="16">mean error by region, mm</text>')
    for row, region in enumerate(names):
        y = 30 + row * block
        parts.append(
            f'<text x="{left - 10}" y="{y + block / 2 - gap / 2 + 4:.1f}" text-anchor="end">{text(region)}</text>'
        )
        for place, (index, method) in enumerate(methods):
            value = values[method].get(region)
            if value is None:
                continue
            length = (width - left - right) * value / most
            parts.append(
                f'<rect x="{left}" y="{y + place * bar:.1f}" width="{length:.1f}" height="{bar - 2}" rx="2"'
                f' fill="{COLOURS[index % len(COLOURS)]}"/>'
                f'<text x="{left + length + 6:.1f}" y="{y + place * bar + bar / 2 + 3:.1f}">{value:.2f}</text>'
            )
    return "".join(parts) + "</svg>"
