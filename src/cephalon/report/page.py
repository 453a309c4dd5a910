"""One self-contained HTML page about one head: opens by double-click, asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.report import sections
from cephalon.report.content import ReportContent
from cephalon.report.markup import text

_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cellipse cx='8' cy='8' "
    "rx='5.5' ry='7' fill='%23157a72'/%3E%3C/svg%3E"
)
_LIGHTBOX = """<dialog id="lightbox" aria-label="Picture at full size">
<img src="data:," alt=""><p></p><button type="button">Close</button>
</dialog>"""
_FOOTER = "Made by Cephalon on this computer. This page holds everything it shows and asks the network for nothing."


@cache
def _resource(name: str) -> str:
    shipped = files("cephalon.report").joinpath(name)
    try:
        return shipped.read_text(encoding="utf-8").replace("\r\n", "\n").strip()
    except OSError as error:
        raise InputError(f"this installation is incomplete, {name} is missing: install cephalon again") from error


def _source_hash(inline: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(inline.encode("utf-8")).digest()).decode("ascii") + "'"


def three_version() -> str:
    """Version of three.js inside the viewer, from its banner."""
    found = re.search(r"three\.js (\d+\.\d+\.\d+)", _resource("viewer.min.js")[:2000])
    return found.group(1) if found else "unknown"


def report_html(content: ReportContent) -> str:
    """Return the page as one string.

    Only the page's own script and style may run or apply (their hashes stand in the content security policy), and
    nothing may be fetched, whatever a file name or a GLB tries.
    """
    script, style = _resource("viewer.min.js"), _resource("style.css")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_source_hash(script)}",
            f"style-src {_source_hash(style)}",
            "img-src data: blob:",
            "connect-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    body = "\n".join(
        part
        for part in (
            sections.header(content),
            sections.viewer(content),
            sections.photos(content),
            sections.turntable(content),
            sections.measures(content),
            sections.photo_table(content),
            sections.maps(content),
            sections.cues(content),
            sections.record(content, three_version()),
        )
        if part
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Cephalon">
<title>{text(content.title)} – Cephalon</title>
<link rel="icon" href="{_ICON}">
<style>{style}</style>
</head>
<body>
<main>
{body}
</main>
<footer>{_FOOTER}</footer>
{_LIGHTBOX}
{sections.assets(content)}<script>{script}</script>
</body>
</html>
"""


def write_report(path: str | os.PathLike[str], *, content: ReportContent) -> Path:
    """Write the page in one step and return where it is.

    Parameters
    ----------
    path : a file ending in .html or .htm, or a folder (the page is then `report.html` in it).

    Raises
    ------
    InputError
        If the place cannot be written; an older page there is then untouched.
    """
    target = Path(path)
    if target.is_dir() or target.suffix.lower() not in (".html", ".htm"):
        target = target / "report.html"
    write_bytes(target, report_html(content).encode("utf-8"))
    return target
