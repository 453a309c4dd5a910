"""Refresh sizes and sha256 of the packaged assets in src/cephalon/data/registry.json.

    python -m builders.registry            write them
    python -m builders.registry --check    only say what differs (exit code 1)

What a record says in words (what, licence, source, command) is edited in registry.json itself. A head model asset
carries its own seed, command and figures, which are copied. Files without a record are named.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / "src/cephalon/data"
REGISTRY = DATA / "registry.json"
COPIED_FROM_META = ("licence", "seed", "command", "figures")


def refreshed(record: dict) -> tuple[dict, list[str]]:
    """Return the registry with present hashes, and a sentence for each thing that a person must see to."""
    problems = []
    entries = []
    for entry in record["packaged"]:
        path = DATA / entry["file"]
        if not path.is_file():
            problems.append(f"{entry['file']}: has a record but is not there; build it: {entry['command']}")
            entries.append(entry)
            continue
        data = path.read_bytes()
        new = {**entry, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        if path.suffix == ".npz":
            new.update(_meta(path))
        entries.append(new)
    known = {entry["file"] for entry in entries} | {"registry.json"}
    for path in sorted(DATA.rglob("*")):
        name = path.relative_to(DATA).as_posix()
        if path.is_file() and name not in known and not path.name.startswith((".", "__")):
            problems.append(f"{name}: has no record; add one to registry.json")
    return {**record, "packaged": entries}, problems


def _meta(path: Path) -> dict:
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        if "meta_json" not in archive.files:
            return {}
        meta = json.loads(archive["meta_json"].tobytes())
    return {key: meta[key] for key in COPIED_FROM_META if key in meta}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if anything differs")
    check = parser.parse_args().check
    old = json.loads(REGISTRY.read_text(encoding="utf-8"))
    new, problems = refreshed(old)
    changed = [b["file"] for a, b in zip(old["packaged"], new["packaged"], strict=True) if a != b]
    for problem in problems:
        print(problem, file=sys.stderr)
    for name in changed:
        print(f"{name}: {'differs from its record' if check else 'record refreshed'}", file=sys.stderr)
    if changed and not check:
        text = json.dumps(new, indent=2, ensure_ascii=False) + "\n"
        temporary = REGISTRY.with_suffix(".json.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(REGISTRY)
    return 1 if problems or (check and changed) else 0


if __name__ == "__main__":
    sys.exit(main())
