"""Gathering outcomes into one study: pooled figures, intervals, protocol 9, failures, paired tests; as plain data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from cephalon import __version__
from cephalon.core import InputError
from cephalon.evaluate import hidden
from cephalon.evaluate.judge import MEAN_HEAD, Outcome
from cephalon.evaluate.summary import CURVE_MM, Pool, SubjectPools, mean_interval, paired_test

SCHEMA, FORMAT_VERSION = "cephalon.evaluate", 1

# The figure that ranks items, makes paired tests and cumulative curves of items, by protocol.
MAIN = {
    "now": "mean_mm", "stirling": "mean_mm", "florence": "nme", "bu3dfe": "mean_mm", "regions": "regions_mean_mm",
    "normals": "mean_deg", "integration": "sigma_px", "texture": "mse_unseen", "tracking": "depth_rmse_mm",
    "mesh": "mean_mm", "bench": "vertex_mm",
}  # fmt: skip
_ALL_PAIRS, _PAIRS_SHOWN = 5, 10
_GROUP_FACTS = ("yaw_deg", "photos", "age", "sex", "skin_tone")


class Study:
    """Takes outcomes one by one, keeps only what the figures need, and gives the whole as plain data.

    Parameters
    ----------
    protocol : for titles, published numbers and the main figure.
    methods : in the order of the tables, the mean head first if it takes part.
    metrical : for titles and published numbers.
    facts : what is known of images or subjects, see `layout.read_facts`.
    baselines : which of the methods are there to compare with, and are judged by nobody.
    quoted : published numbers were measured in this way, and are put beside.
    """

    def __init__(
        self,
        protocol: str,
        methods: Sequence[str],
        *,
        metrical: bool = False,
        facts: Mapping[str, Mapping[str, str]] | None = None,
        baselines: Sequence[str] = (MEAN_HEAD,),
        quoted: bool = True,
    ) -> None:
        self.quoted = quoted
        self.baselines = [method for method in methods if method in baselines]
        self.protocol, self.methods, self.metrical = protocol, list(methods), metrical
        self.facts = facts or {}
        self.main = MAIN[protocol]
        self.rows: list[dict[str, Any]] = []
        self.failures: list[dict[str, str]] = []
        self.notes: list[str] = []
        self._pools = {method: Pool() for method in methods}
        self._subjects = {method: SubjectPools() for method in methods}
        self._groups: dict[tuple[str, str, str], Pool] = {}
        self._regions: dict[str, dict[str, list[tuple[float, int]]]] = {method: {} for method in methods}
        self._fields: dict[str, dict[str, list[Any]]] = {method: {} for method in methods}
        self._true: dict[str, Any] = {}

    def add(self, outcome: Outcome) -> None:
        """Take one outcome."""
        for note in outcome.notes:
            if note not in self.notes:
                self.notes.append(note)
        row = {"method": outcome.method, "name": outcome.name, "subject": outcome.subject, "group": outcome.group}
        if outcome.reason:
            self.failures.append({**row, "reason": outcome.reason})
            self.rows.append({**row, "status": "failed", "reason": outcome.reason})
            return
        start = {"start": outcome.start} if outcome.start else {}
        self.rows.append({**row, "status": "ok", **outcome.figures, **start})
        if len(outcome.distance):
            self._pools[outcome.method].add(outcome.distance)
            self._subjects[outcome.method].add(outcome.subject, outcome.distance)
            for kind, value in self._kinds(outcome):
                self._groups.setdefault((outcome.method, kind, value), Pool(200_000)).add(outcome.distance)
        for region, entry in outcome.regions.items():
            self._regions[outcome.method].setdefault(region, []).append(entry)
        if outcome.predicted is not None and outcome.true is not None:
            kept = self._fields[outcome.method].setdefault(outcome.subject, [])
            if len(kept) < 20:
                kept.append(outcome.predicted)
            if len(self._true) < 120:
                self._true.setdefault(outcome.subject, outcome.true)

    def _kinds(self, outcome: Outcome) -> list[tuple[str, str]]:
        kinds = [("group", outcome.group)] if outcome.group else []
        known = {**self.facts.get(outcome.subject, {}), **self.facts.get(outcome.name, {})}
        for kind in _GROUP_FACTS:
            if kind not in known:
                continue
            value = known[kind]
            try:
                if kind == "yaw_deg":
                    value = hidden.yaw_bin(float(value))
                elif kind == "age":
                    decade = int(float(value) // 10) * 10
                    value = f"{decade}-{decade + 9}"
            except ValueError:
                continue
            kinds.append((kind, value))
        return kinds

    # -- what came out -----------------------------------------------------------------------------------------

    def document(self, *, seed: int = 0, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return everything as plain data: what the JSON file holds and the page shows.

        Raises
        ------
        InputError
            If every item of every method failed; the first reason is named.
        """
        good = [row for row in self.rows if row["status"] == "ok" and row["method"] not in self.baselines]
        if not good:
            first = next((f for f in self.failures if f["method"] not in self.baselines), None)
            why = f"; the first: {first['name']}: {first['reason']}" if first else ""
            raise InputError(f"nothing could be judged, all {len(self.failures)} items failed{why}")
        methods = {method: self._method(method, seed) for method in self.methods}
        return {
            "schema": SCHEMA,
            "format_version": FORMAT_VERSION,
            "protocol": self.protocol,
            "metrical": self.metrical,
            "cephalon": __version__,
            "main_figure": self.main,
            "baselines": self.baselines,
            "methods": methods,
            "paired_tests": self._paired(seed),
            "failures": self.failures,
            "published": published(self.protocol, self.metrical) if self.quoted else None,
            "notes": self.notes,
            **(extra or {}),
        }

    def _method(self, method: str, seed: int) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        rows = [row for row in self.rows if row["method"] == method]
        good = [row for row in rows if row["status"] == "ok"]
        entry: dict[str, Any] = {
            "items": len(rows),
            "failed": len(rows) - len(good),
            "subjects": len({r["subject"] for r in good}),
        }
        if not good:
            return entry
        pool = self._pools[method]
        if pool.count:
            summary = pool.summary()
            entry["pooled"] = summary.plain()
            entry["interval95"] = self._subjects[method].intervals(rng=rng)
            entry["curve"] = {"mm": CURVE_MM.tolist(), "share": summary.curve.tolist()}
            groups: dict[str, dict[str, Any]] = {}
            for (owner, kind, value), part in sorted(self._groups.items()):
                if owner == method:
                    groups.setdefault(kind, {})[value] = part.summary().plain()
            entry["by"] = groups
        names = [k for k in dict.fromkeys(k for row in good for k in row) if isinstance(good[0].get(k, 0.0), float)]
        entry["means"] = {
            name: float(np.nanmean(_column(good, name))) for name in names if np.isfinite(_column(good, name)).any()
        }
        for variance, sigma in (("eq9_variance_mm2", "eq9_sigma_mm"), ("variance_px2", "sigma_px")):
            if variance in entry["means"]:  # sigma over examples is the root of the mean variance
                entry["means"][sigma] = float(np.sqrt(entry["means"][variance]))
        by_subject = self._by_subject(method)
        entry["main_interval95"] = mean_interval(by_subject, rng=rng)
        entry["main_values"] = sorted(float(row[self.main]) for row in good if self.main in row)
        entry["hidden"] = self._hidden(method, good)
        return entry

    def _hidden(self, method: str, good: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        regions = {
            name: float(np.average([mean for mean, _ in parts], weights=[count for _, count in parts]))
            for name, parts in self._regions[method].items()
        }
        if regions:
            found["regions_mm"] = regions
        for name in ("identity_ratio", "shrinkage", "scale_error_percent"):
            values = _column([row for row in good if name in row], name)
            if len(values):
                found[name] = float(np.nanmean(values))
                if name == "scale_error_percent":
                    found["scale_error_percent_size"] = float(np.nanmean(np.abs(values)))
        shares = {
            level: float(np.mean(_column([r for r in good if level in r], level)))
            for level in (f"coverage_{100 * x:.0f}" for x in hidden.LEVELS)
            if any(level in row for row in good)
        }
        if shares:
            found["coverage"] = {level.removeprefix("coverage_"): share for level, share in shares.items()}
        same = self._fields[method]
        if same:
            length = {len(p) for arrays in same.values() for p in arrays} | {len(h) for h in self._true.values()}
            if len(length) == 1:
                steady = hidden.consistency(same, self._true)
                if steady is not None:
                    found["consistency"] = steady
        return found

    def _by_subject(self, method: str) -> dict[str, float]:
        values: dict[str, list[float]] = {}
        for row in self.rows:
            if row["method"] == method and row["status"] == "ok" and np.isfinite(row.get(self.main, np.nan)):
                values.setdefault(row["subject"], []).append(row[self.main])
        return {subject: float(np.mean(numbers)) for subject, numbers in values.items()}

    def _paired(self, seed: int) -> list[dict[str, Any]]:
        tests = []
        firsts = (
            self.methods if len(self.methods) <= _ALL_PAIRS else self.methods[:1]
        )  # of many, each beside the first alone
        for i, a in enumerate(firsts):
            for b in self.methods[i + 1 :]:
                first, second = self._by_subject(a), self._by_subject(b)
                if not set(first) & set(second):
                    continue
                test = paired_test(first, second, names=(a, b), rng=np.random.default_rng(seed))
                tests.append(
                    {
                        "a": a,
                        "b": b,
                        "figure": self.main,
                        "subjects": test.subjects,
                        "difference": test.difference,
                        "interval95": test.interval,
                        "p_value": test.p_value,
                        "better": test.better,
                    }
                )
        return tests

    def table(self) -> bytes:
        """Return one row an item and method as CSV."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        if "reason" in columns:
            columns.append(columns.pop(columns.index("reason")))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for row in self.rows:
            writer.writerow({k: f"{v:.9g}" if isinstance(v, float) else v for k, v in row.items()})
        return stream.getvalue().encode("utf-8")


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    return np.array([float(row.get(name, np.nan)) for row in rows])


@cache
def _published() -> dict[str, Any]:
    return json.loads((resources.files("cephalon.evaluate") / "published.json").read_text(encoding="utf-8"))


def published(protocol: str, metrical: bool) -> dict[str, Any] | None:
    """Return published numbers for a protocol (columns, rows, source), or None."""
    entry = _published().get(protocol)
    if entry is None:
        return None
    return entry.get("metrical" if metrical else "non-metrical") or entry.get("all")


def text_table(document: Mapping[str, Any]) -> str:
    """Return the main table as lines of text."""
    protocol, main = document["protocol"], document["main_figure"]
    pooled = any("pooled" in entry for entry in document["methods"].values())
    names = ["median_mm", "mean_mm", "std_mm"] if pooled else []
    if not pooled or protocol in ("regions", "bu3dfe"):
        extra = list(dict.fromkeys(k for e in document["methods"].values() for k in e.get("means", {})))
        names = [
            *names,
            *[k for k in extra if k not in names and k not in ("vertices", "scale", "passes", "landmark_rms_mm")],
        ]
    head = ["method", *names, "items", "failed"]
    lines = [head]
    for method, entry in document["methods"].items():
        values = {**entry.get("means", {}), **entry.get("pooled", {})}
        cells = [f"{values[k]:.4g}" if k in values else "-" for k in names]
        lines.append([method, *cells, str(entry["items"]), str(entry["failed"])])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = [
        "  ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    for test in document["paired_tests"][:_PAIRS_SHOWN]:
        p = "too few subjects for a test" if test["p_value"] is None else f"p = {test['p_value']:.3g}"
        shown.append(f"{test['a']} - {test['b']}: {test['difference']:+.4g} ({main}, {test['subjects']} subjects, {p})")
    return "\n".join(shown)
