"""Which real portraits may be looked at while building, and which only give figures."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def person(photo: Path) -> str:
    """Key of the person a portrait shows: the folder of several pictures of one person, else the name without numbers.

    `people/NAME/*.jpg` is one person, `NAME_021545.jpg` is NAME, `001.jpg` is itself.
    """
    if photo.parent.parent.name == "people":
        return photo.parent.name
    return re.sub(r"_\d+$", "", photo.stem)


def is_development(photo: Path) -> bool:
    """Tell whether points may be settled, and choices made, by this portrait; the other half is held out.

    By person, from a hash of the name, so that no list has to be kept and new photos fall on one side.
    """
    return hashlib.sha256(person(photo).encode()).digest()[0] % 2 == 0
