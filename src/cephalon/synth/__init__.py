"""Synthetic people: photographs with perfect truth. See docs/synth.md.

from cephalon.synth import SampleOptions, iterate
for sample in iterate(SampleOptions(size=128), seed=1): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cephalon.synth.labels import LABELS
from cephalon.synth.options import FAMILIES, SampleOptions, family_options

if TYPE_CHECKING:
    from cephalon.synth.expression import sample_expression
    from cephalon.synth.sample import Sample, decode, encode, iterate, make_samples
    from cephalon.synth.shards import read_records, read_shard, write_dataset
    from cephalon.synth.stock import Library, data_folder, load_library
    from cephalon.synth.truth import prn_position_map

_WHERE = {
    "sample_expression": "expression", "Library": "stock", "data_folder": "stock", "load_library": "stock", "Sample": "sample",
    "decode": "sample", "encode": "sample", "iterate": "sample", "make_samples": "sample", "read_records": "shards", "read_shard": "shards",
    "write_dataset": "shards", "prn_position_map": "truth",
}  # fmt: skip

__all__ = [
    "FAMILIES", "LABELS", "Library", "Sample", "SampleOptions", "data_folder", "decode", "encode", "family_options", "iterate",
    "load_library", "make_samples", "prn_position_map", "read_records", "read_shard", "sample_expression", "write_dataset",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load what needs scipy, pillow or the compiler when it is first asked for."""
    if name not in _WHERE:
        raise AttributeError(f"module 'cephalon.synth' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"cephalon.synth.{_WHERE[name]}"), name)
