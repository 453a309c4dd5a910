"""Photos of a person in, a whole head out: metric, textured, rigged, with honest intervals.

import cephalon

head = cephalon.reconstruct(["a.jpg"])
head.measure("interpupillary distance")
head.save("out/")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cephalon.core import CephalonError, InputError, NoHeadError
    from cephalon.head import HeadCode, HeadModel
    from cephalon.photo import Photo
    from cephalon.reconstruction import reconstruct, save
    from cephalon.values import Head, Observation, Posterior, Texture

__version__ = "0.1.0"

_HOME = {
    "CephalonError": "core",
    "Head": "values",
    "HeadCode": "head",
    "HeadModel": "head",
    "InputError": "core",
    "NoHeadError": "core",
    "Observation": "values",
    "Photo": "photo",
    "Posterior": "values",
    "Texture": "values",
    "reconstruct": "reconstruction",
    "save": "reconstruction",
}

__all__ = [
    "CephalonError",
    "Head",
    "HeadCode",
    "HeadModel",
    "InputError",
    "NoHeadError",
    "Observation",
    "Photo",
    "Posterior",
    "Texture",
    "__version__",
    "reconstruct",
    "save",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"cephalon.{_HOME[name]}"), name)
    raise AttributeError(f"module 'cephalon' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
