"""What a dataset's people are like: histograms of age, tone, view, and shares of what they wear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_BINS: Mapping[str, tuple[tuple[float, ...], str]] = {
    "age_years": ((3, 10, 18, 30, 45, 60, 75, 91), "age, years"),
    "melanin": ((0, 0.3, 0.6, 0.9, 1.2, 1.6, 2.5), "tone (melanin)"),
    "yaw": ((0, 15, 45, 75, 111), "yaw, deg"),
    "pitch": ((0, 10, 20, 40, 91), "pitch, deg"),
    "height": ((0, 24, 48, 96, 160, 256, 2048), "head height, px"),
}


def population(records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return counts over all heads of a dataset's records: histograms by name, and shares of hair, glasses, ..."""
    values: dict[str, list[float]] = {name: [] for name in _BINS}
    words: dict[str, Counter[str]] = {name: Counter() for name in ("sex", "hair", "beard", "glasses", "hat")}
    flags = Counter[str]()
    pictures = heads = 0
    for record in records:
        pictures += 1
        for head in record["heads"]:
            heads += 1
            yaw, pitch, _ = head["yaw_pitch_roll_deg"]
            box = head["box"]
            for name, value in (
                ("age_years", head["age_years"]), ("melanin", head["melanin"]), ("yaw", abs(yaw)), ("pitch", abs(pitch)),
                ("height", box[3] - box[1]),
            ):  # fmt: skip
                values[name].append(value)
            for name, counter in words.items():
                counter[head[name] or "none"] += 1
            flags.update(name for name in ("mask", "headphones", "occluded") if head[name])
    result: dict[str, Any] = {"pictures": pictures, "heads": heads}
    for name, (edges, _) in _BINS.items():
        counts, _ = np.histogram(values[name], bins=edges)
        result[name] = {"edges": list(edges), "counts": counts.tolist()}
    result |= {name: dict(sorted(counter.items())) for name, counter in words.items()}
    return result | {name: flags[name] for name in ("mask", "headphones", "occluded")}


def describe(counts: Mapping[str, Any]) -> list[str]:
    """Return the counts as lines of text."""
    heads = max(1, counts["heads"])
    lines = [f"{counts['pictures']} pictures, {counts['heads']} heads"]
    for name, (edges, title) in _BINS.items():
        parts = [
            f"{low:g}-{high:g}: {100 * count / heads:.0f} %"
            for low, high, count in zip(edges[:-1], edges[1:], counts[name]["counts"], strict=True)
        ]
        lines.append(f"{title:16s} " + "  ".join(parts))
    for name in ("sex", "hair", "beard", "glasses", "hat"):
        lines.append(
            f"{name:16s} " + "  ".join(f"{key} {100 * value / heads:.0f} %" for key, value in counts[name].items())
        )
    lines.append(
        f"{'besides':16s} "
        + "  ".join(f"{name} {100 * counts[name] / heads:.0f} %" for name in ("mask", "headphones", "occluded"))
    )
    return lines
