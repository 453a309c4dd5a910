"""Small helpers to write HTML and numbers: everything that comes from outside goes through `text`."""

from __future__ import annotations

import base64
import math

from cephalon.report.content import RGB, image_type

NBSP = "\N{NO-BREAK SPACE}"


def data_uri(what: str, image: bytes) -> str:
    """Return a picture as a data URI."""
    return f"data:{image_type(what, image)};base64,{base64.b64encode(image).decode('ascii')}"


def number(value: float | None, digits: int = 1) -> str:
    """Return a number for reading, with a true minus sign; a dash for None."""
    if value is None:
        return "–"
    shown = f"{value:.{digits}f}"
    return shown.replace("-", "\N{MINUS SIGN}") if float(shown) else shown.lstrip("-")


def significant(value: float, digits: int = 3) -> str:
    """Return a number with at least `digits` significant digits and no more than two decimals."""
    size = math.floor(math.log10(abs(value))) if value else 0
    return number(value, min(max(digits - 1 - size, 0), 2))


def percent(share: float) -> str:
    """Return a share in [0, 1] as per cent, for HTML."""
    return f"&lt; 1{NBSP}%" if 0 < share < 0.005 else f"{100 * share:.0f}{NBSP}%"


def length(mm: float | None) -> str:
    """Return a distance from the camera, in the unit people say it in."""
    if mm is None:
        return "–"
    return f"{mm / 1000:.1f}{NBSP}m" if mm >= 1000 else f"{mm / 10:.0f}{NBSP}cm"


def colour(rgb: RGB) -> str:
    """Return a colour as #rrggbb."""
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def listing(words: list[str]) -> str:
    """Join words as people do: "a", "a and b", "a, b and c"."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def count(amount: int, word: str) -> str:
    """Return "1 photo", "2 photos"."""
    return f"{amount} {word}{'' if amount == 1 else 's'}"
