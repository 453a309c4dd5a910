"""Record by which light `cephalon assets get hdri` knows its panoramas, in src/cephalon/data/registry.json.

    python -m builders.panoramas DIR            write the records of the panoramas in DIR (NAME.npz with `rgb`, or NAME.hdr)
    python -m builders.panoramas DIR --check    only compare; exit code 1 if one differs

No sha256 of the published files was ever at hand, only the panoramas reduced to half their size; so the mean linear radiance
of 4 x 8 cells stands in its place. Addresses: the repository in which drei keeps its surroundings, at the commit that drei
itself names, and Poly Haven, the source, as a mirror.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from builders.registry import REGISTRY
from cephalon.assets.radiance import cell_radiance, read_hdr

ADDRESS = (
    "https://raw.githubusercontent.com/pmndrs/drei-assets/456060a26bbeb8fdf79326f224b6d99b8bcce736/hdri/{name}_1k.hdr"
)
MIRROR = "https://dl.polyhaven.org/file/ph-assets/HDRIs/hdr/1k/{name}_1k.hdr"
MOST_BYTES = 2_500_000
"""More than 1024 x 512 px of RGBE without any repetition take (2,115,584) and a header."""


def records(folder: Path) -> list[dict[str, object]]:
    """Return one record for each panorama of a folder."""
    found = []
    for path in sorted([*folder.glob("*.npz"), *folder.glob("*.hdr")]):
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                rgb = archive["rgb"]
        else:
            rgb = read_hdr(path)
        found.append(
            {
                "file": f"{path.stem}.hdr",
                "url": ADDRESS.format(name=path.stem),
                "mirror": MIRROR.format(name=path.stem),
                "size_bytes": MOST_BYTES,
                "radiance": " ".join(f"{value:.4g}" for value in cell_radiance(rgb).ravel()),
            }
        )
    return found


def collection(folder: Path) -> dict[str, object]:
    """Return the record of the collection."""
    return {
        "name": "hdri",
        "folder": "hdri",
        "what": "panoramas of linear light for synthetic people",
        "licence": "CC0-1.0",
        "source": "Poly Haven (once HDRI Haven), by way of pmndrs/drei-assets",
        "files": records(folder),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if anything differs")
    options = parser.parse_args()
    registry = json.loads(REGISTRY.read_text(encoding="utf-8"))
    new = collection(options.folder)
    if not new["files"]:
        print(f"{options.folder}: holds no panoramas", file=sys.stderr)
        return 1
    if new in registry["collections"]:
        return 0
    print("hdri: " + ("differs from its record" if options.check else "record refreshed"), file=sys.stderr)
    if options.check:
        return 1
    registry["collections"] = [c for c in registry["collections"] if c["name"] != "hdri"] + [new]
    temporary = REGISTRY.with_suffix(".json.new")
    temporary.write_text(json.dumps(registry, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(REGISTRY)
    return 0


if __name__ == "__main__":
    sys.exit(main())
