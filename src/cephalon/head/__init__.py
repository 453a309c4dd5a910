"""The head model: asset, code, rig, measures."""

from cephalon.head.model import HeadCode, HeadModel, Part
from cephalon.head.link import LinearLink

__all__ = ["HeadCode", "HeadModel", "LinearLink", "Part"]
