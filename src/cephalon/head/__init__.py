"""The head model: asset, code, rig, measures."""

from cephalon.head.link import LinearLink
from cephalon.head.model import HeadCode, HeadModel, Part

__all__ = ["HeadCode", "HeadModel", "LinearLink", "Part"]
