"""The report's first lines: how sure the head is, said in plain words."""

from __future__ import annotations

import statistics

from cephalon.files.html import text
from cephalon.report.content import ReportContent
from cephalon.report.markup import NBSP, count, listing, number

# Half the width of the central 90 % interval of a normal distribution, in standard deviations.
HALF_90 = statistics.NormalDist().inv_cdf(0.95)


def level(content: ReportContent) -> tuple[str, str]:
    """Return how it went: a class name for the badge, and its word."""
    if content.status == "sampled":
        return "plain", "Sampled head"
    if content.status == "not converged":
        return "bad", "Not converged"
    if any(photo.status not in ("ok", "left out") for photo in content.photos):
        return "look", "Look closer"
    return "good", "Converged"


def interval_percent(content: ReportContent) -> float | None:
    """Half-width of the 90 % interval in per cent of the value: the median over all measures; None without sigmas."""
    shares = [100 * HALF_90 * sigma / mm for mm, sigma in content.measures.values() if mm > 0 and sigma > 0]
    return statistics.median(shares) if shares else None


def verdict(content: ReportContent) -> list[str]:
    """Return how the fit went and which photos to look at, in plain words, as escaped HTML sentences."""
    return [*_fit(content), *_photos(content)]


def remarks(content: ReportContent) -> list[str]:
    """Return how close the fit is, what the size rests on, how sure it is, and the notes; escaped HTML sentences."""
    return [*_closeness(content), *_size(content), *(text(note) for note in content.notes)]


def _ending(reason: str, otherwise: str = ".") -> str:
    reason = reason.strip().rstrip(".")
    return f": {text(reason)}." if reason else otherwise


def _fit(content: ReportContent) -> list[str]:
    if content.status == "sampled":
        made = "This head was drawn from the model and is nobody in particular"
        return [f"{made}{_ending(content.reason)}"]
    used = [photo for photo in content.photos if photo.status != "left out"]
    if content.status == "not converged":
        return [f"The fit did not converge{_ending(content.reason)} Take its numbers with care."]
    agreeing = len(used) > 1 and all(photo.status == "ok" for photo in used)
    close = ", and they agree with each other" if agreeing else ""
    found = f"The fit converged on {count(len(used), 'photo')}{close}" if used else "The fit converged"
    return [f"{found}{_ending(content.reason)}"]


def _photos(content: ReportContent) -> list[str]:
    said = []
    for at, photo in enumerate(content.photos, start=1):
        name = f"Photo {at} (<bdi>{text(photo.name)}</bdi>)"
        if photo.status == "disagrees":
            said.append(
                f"{name} disagrees with the rest{_ending(photo.reason)} Look at its overlay before you rely on it."
            )
        elif photo.status == "left out":
            said.append(f"{name} was left out{_ending(photo.reason)}")
        elif photo.status != "ok":
            said.append(f"{name} fits poorly{_ending(photo.reason)}")
    return said


def _closeness(content: ReportContent) -> list[str]:
    errors = [photo.reprojection_percent for photo in content.photos if photo.reprojection_percent is not None]
    if not errors:
        return []
    typical = f"{number(statistics.median(errors))}{NBSP}%"
    return [f"The head’s points land within {typical} of the outer eye distance of the measured ones (median)."]


def _size(content: ReportContent) -> list[str]:
    said = []
    if content.cues:
        said.append(f"The absolute size rests on {text(listing([cue.name for cue in content.cues]))}.")
    elif content.photos:
        said.append("Nothing with a known size was seen, so the absolute size rests on what heads usually measure.")
    typical = interval_percent(content)
    if typical is not None:
        half = f"±{NBSP}{number(typical)}{NBSP}%"
        said.append(f"A typical measure is known to {half}: nine times in ten the true length lies in its interval.")
    return said
