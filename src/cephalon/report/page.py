"""One self-contained HTML page about one head: opens by double-click, asks the network for nothing."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.html import html_page, source_hash
from cephalon.report import sections
from cephalon.report.content import ReportContent

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
    body = (
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
    policy = (f"script-src {source_hash(script)}", "img-src data: blob:", "connect-src data: blob:")
    return html_page(
        f"{content.title} – Cephalon",
        body,
        style=style,
        policy=policy,
        footer=_FOOTER,
        after=f"{_LIGHTBOX}\n{sections.assets(content)}<script>{script}</script>\n",
    )


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
