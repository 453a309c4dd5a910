"""Observations of one person in, the head that explains them and how sure it is out: joint MAP and its Gaussian."""

from cephalon.fit.estimate import fit
from cephalon.fit.options import Cues, FitOptions

__all__ = ["Cues", "FitOptions", "fit"]
