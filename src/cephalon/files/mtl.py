"""MTL files, the materials beside an OBJ file: colour, opacity, roughness and the name of one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cephalon.core import InputError

MAX_MTL_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjMaterial:
    """What an MTL file says of one material.

    Attributes
    ----------
    name : referred to by the OBJ file.
    color : diffuse red, green, blue, 0 to 1, as stored (no colour space is defined; programs take it as sRGB).
    opacity : 0 to 1.
    roughness : 0 to 1 (the `Pr` of the PBR extension), or None.
    texture : file name of the diffuse picture, relative to the MTL file, or None.
    """

    name: str
    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    opacity: float = 1.0
    roughness: float | None = None
    texture: str | None = None

    def __post_init__(self) -> None:
        """Check names and ranges."""
        check_name("material name", self.name)
        if self.texture is not None:
            check_name("material texture", self.texture, spaces=True)
        for name, value in (("color", self.color), ("opacity", self.opacity), ("roughness", self.roughness)):
            if value is not None and not all(0.0 <= x <= 1.0 for x in np.atleast_1d(value)):
                raise InputError(f"material {self.name!r}: expected {name} from 0 to 1, got {value}")


def mtl_bytes(materials: Mapping[str, ObjMaterial]) -> bytes:
    """Return the MTL text of the materials, each name once.

    Raises
    ------
    InputError
        If two different materials share a name.
    """
    unique: dict[str, ObjMaterial] = {}
    for material in materials.values():
        if unique.setdefault(material.name, material) != material:
            raise InputError(f"materials: two different ones are named {material.name!r}")
    blocks = []
    for material in unique.values():
        lines = [f"newmtl {material.name}", f"Kd {' '.join(f'{x:.6g}' for x in material.color)}", "Ks 0 0 0"]
        lines.append(f"d {material.opacity:.6g}")
        if material.roughness is not None:
            lines.append(f"Pr {material.roughness:.6g}")
        lines.append("illum 1")
        if material.texture is not None:
            lines.append(f"map_Kd {material.texture}")
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks).encode("utf-8")


def parse_mtl(data: bytes) -> dict[str, ObjMaterial]:
    """Return the materials of MTL text by name; unknown lines are skipped, numbers clipped to 0 to 1."""
    tables: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = {}
    for raw in data.decode("utf-8", errors="replace").splitlines():
        key, _, rest = raw.strip().partition(" ")
        rest = rest.strip()
        if key == "newmtl" and rest:
            current = tables.setdefault("_".join(rest.split()), {})
        elif key in ("Kd", "d", "Pr"):
            numbers = [_clipped(text) for text in rest.split()]
            if all(number is not None for number in numbers) and len(numbers) == (3 if key == "Kd" else 1):
                name = {"Kd": "color", "d": "opacity", "Pr": "roughness"}[key]
                current[name] = tuple(numbers) if key == "Kd" else numbers[0]
        elif key == "map_Kd" and rest and not rest.startswith("-"):
            current["texture"] = rest
    return {name: ObjMaterial(name=name, **table) for name, table in tables.items()}


def _clipped(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else None


def check_name(what: str, name: str, *, spaces: bool = False) -> None:
    """Refuse a name that OBJ and MTL text cannot hold: none, several lines, or blanks where `spaces` is False."""
    if not name or any(character in name for character in "\r\n\0") or (not spaces and name.split() != [name]):
        raise InputError(f"{what}: expected a name {'' if spaces else 'without blanks '}on one line, got {name!r}")
