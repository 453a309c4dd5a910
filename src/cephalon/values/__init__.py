"""The values that the stages hand to each other: types and checks."""

from cephalon.values.head import Head, provenance_colours, provenance_picture
from cephalon.values.records import (
    ExpressionObservation,
    Measure,
    Observation,
    PhotoFit,
    PointObservation,
    Posterior,
    ScaleCue,
    ShapeResponse,
    Texture,
)

__all__ = [
    "ExpressionObservation",
    "Head",
    "Measure",
    "Observation",
    "PhotoFit",
    "PointObservation",
    "Posterior",
    "ScaleCue",
    "ShapeResponse",
    "Texture",
    "provenance_colours",
    "provenance_picture",
]
