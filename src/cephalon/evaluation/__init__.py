"""What the judge may not know and is handed down to it: the mean head, own results, the open synthetic benchmark."""

from __future__ import annotations

from cephalon.evaluation.heads import head_shape, mean_head, read_own, uv_head

__all__ = ["head_shape", "mean_head", "read_own", "uv_head"]
