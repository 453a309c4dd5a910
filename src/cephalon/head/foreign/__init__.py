"""Other people's head models as `HeadModel` values: ICT-FaceKit, FLAME, the Basel Face Models, GNM Head, Anny.

`load_model` tells the kind from a file's content, never from its name, and runs no code that a file may hold.
"""

from __future__ import annotations

from cephalon.head.foreign.adopt import adopt
from cephalon.head.foreign.carry import Carried, carry_head, carry_surface
from cephalon.head.foreign.detect import load_model, read_foreign
from cephalon.head.foreign.register import Registration, register
from cephalon.head.foreign.source import ForeignHead

__all__ = [
    "Carried",
    "ForeignHead",
    "Registration",
    "adopt",
    "carry_head",
    "carry_surface",
    "load_model",
    "read_foreign",
    "register",
]
