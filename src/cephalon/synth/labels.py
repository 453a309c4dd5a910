"""The classes of the segmentation."""

from __future__ import annotations

LABELS = {
    name: number
    for number, name in enumerate(
        (
            "background", "skin", "ears", "neck", "eyes", "iris", "brows", "lips", "teeth", "mouth", "hair", "beard", "glasses",
            "hat", "mask", "clothes", "headphones", "occluder",
        )
    )
}  # fmt: skip
"""Name -> number, uint8 in the files. "eyes" is the white of the eyes; "iris" includes the pupil; "mouth" is the inside of the
mouth with the tongue. Through a clear lens the class behind it counts; a lens that hides more than half is "glasses"."""

LABEL_COLOURS = (
    (0, 0, 0), (214, 158, 130), (190, 110, 90), (150, 120, 170), (245, 245, 245), (60, 130, 220), (110, 70, 30), (210, 60, 80),
    (255, 250, 190), (120, 20, 40), (90, 60, 30), (130, 100, 60), (20, 200, 200), (220, 120, 20), (120, 220, 160), (60, 90, 160),
    (160, 60, 200), (230, 220, 40),
)  # fmt: skip
"""sRGB for pictures of the segmentation."""
