"""The Khronos glTF validator (npm gltf-validator), called through Node.

Found in `tests/tools/node_modules` (after `npm install` there) or in a cache folder, into which it is installed at the
first use. Where neither is possible `validate` raises `ValidatorMissingError` and tests skip with its reason;
`CEPHALON_REQUIRE_VALIDATOR=1` makes tests fail instead. By hand:  python tests/tools/gltf_validator.py head.glb
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent


class ValidatorMissingError(Exception):
    """Node or the validator is not at hand; the message says why."""


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    version = json.loads((TOOLS / "package.json").read_text("utf-8"))["dependencies"]["gltf-validator"]
    return Path(root) / "cephalon-test-tools" / version


@functools.cache
def _home() -> tuple[str, Path]:
    """Return the node program and the folder whose node_modules holds the validator."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None:
        raise ValidatorMissingError("the glTF validator needs Node.js")
    cache = _cache_folder()
    for folder in (TOOLS, cache):
        if (folder / "node_modules" / "gltf-validator" / "package.json").is_file():
            return node, folder
    if npm is None:
        raise ValidatorMissingError("the glTF validator is not installed and there is no npm")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOOLS / "package.json", cache)
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValidatorMissingError(f"the glTF validator could not be installed: {error}") from error
    if done.returncode:
        raise ValidatorMissingError(f"the glTF validator could not be installed: {done.stderr.strip()[-200:]}")
    return node, cache


def validate(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the validator's report: `report["issues"]` has numErrors, numWarnings, numInfos and messages."""
    node, home = _home()
    command = [node, str(TOOLS / "validate_glb.cjs"), str(home), os.fspath(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    issues = validate(sys.argv[1])["issues"]
    print(json.dumps(issues, indent=1))
    sys.exit(1 if issues["numErrors"] or issues["numWarnings"] else 0)
