"""Pages of one self-contained file: what comes from outside is escaped, and the frame lets nothing be fetched."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence

# Characters that a name may hold to look like another name: controls, and marks that turn the direction of writing.
_DECEPTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cellipse cx='8' cy='8' "
    "rx='5.5' ry='7' fill='%23157a72'/%3E%3C/svg%3E"
)


def text(value: object) -> str:
    """Escape anything for HTML, in text and in quoted attributes; deceptive characters become a visible mark."""
    return html.escape(_DECEPTIVE.sub("\N{REPLACEMENT CHARACTER}", str(value)), quote=True)


def source_hash(inline: str) -> str:
    """Return the hash by which a content security policy allows just this inline script or style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(inline.encode("utf-8")).digest()).decode("ascii") + "'"


def html_page(
    title: str, body: Sequence[str], *, style: str, policy: Sequence[str], footer: str, after: str = ""
) -> str:
    """Return a page whose policy forbids everything but its own style and what `policy` adds.

    Parameters
    ----------
    title : plain text.
    body : HTML of the parts of <main>, those that are empty are left out.
    style : CSS, put inline.
    policy : directives of the content security policy, for example "img-src data:".
    footer, after : HTML of the footer and of what follows it.
    """
    rules = ["default-src 'none'", f"style-src {source_hash(style)}", *policy, "base-uri 'none'", "form-action 'none'"]
    main = "\n".join(part for part in body if part)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Cephalon">
<title>{text(title)}</title>
<link rel="icon" href="{_ICON}">
<style>{style}</style>
</head>
<body>
<main>
{main}
</main>
<footer>{footer}</footer>
{after}</body>
</html>
"""
