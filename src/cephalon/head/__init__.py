"""The head model: asset, code, rig, measures, and what faces people make."""

from cephalon.head.correctives import Correctives
from cephalon.head.expression_prior import ExpressionPrior, expression_prior, sample_expressions
from cephalon.head.link import LinearLink
from cephalon.head.model import HeadCode, HeadModel, Part

__all__ = [
    "Correctives",
    "ExpressionPrior",
    "HeadCode",
    "HeadModel",
    "LinearLink",
    "Part",
    "expression_prior",
    "sample_expressions",
]
