"""The report: one self-contained page with the head in 3D, its photos, its measures and how sure they are.

`ReportContent` holds what the page shows, as plain records; `write_report` writes it as one file.
"""

from cephalon.report.content import (
    CueRow,
    PhotoRow,
    Picture,
    ProvenanceMap,
    ReportContent,
    SigmaMap,
    sigma_colours,
)
from cephalon.report.page import report_html, write_report

__all__ = [
    "CueRow",
    "PhotoRow",
    "Picture",
    "ProvenanceMap",
    "ReportContent",
    "SigmaMap",
    "report_html",
    "sigma_colours",
    "write_report",
]
