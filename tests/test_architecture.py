"""Who may import whom, and how quickly: the arrows of the design, held by walking the imports of every file."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "src" / "cephalon"

# A room imports only rooms of rows below its own; rooms of one row never import each other.
ROWS = [
    {"core", "assets"},
    {"geometry"},
    {"photo", "files", "colour"},
    {"head"},
    {"export"},
    {"values"},
    {"observe", "synth"},
    {"fit", "appearance"},
    {"report"},
    {"reconstruction", "track", "describe", "evaluate", "convert"},
    {"studio", "evaluation"},
    {"cli"},
]
ROW = {room: row for row, rooms in enumerate(ROWS) for room in rooms}
ASIDE = {"evaluate": {"geometry", "files", "core"}, "learn": {"synth", "observe", "core", "geometry"}}
NETWORK = {"urllib", "http", "socket", "requests", "httpx", "ftplib"}
HEAVY = ("torch", "numba", "onnxruntime", "cv2", "matplotlib", "trimesh", "mediapipe", "PIL")


def room_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            base = node.module or ""
            found |= {base} if base != "cephalon" else {f"cephalon.{alias.name}" for alias in node.names}
    return found


FILES = sorted(p for p in ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    room = room_of(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("cephalon.")} - {"__version__"}
    if room in ("__init__", "__main__"):
        return
    if room in ASIDE:
        assert used - {room} <= ASIDE[room]
        return
    assert room in ROW, f"{room} stands in no row of the design"
    for other in used - {room}:
        below = other in ROW and (ROW[other] < ROW[room] or (room, other) == ("assets", "core"))
        assert below, f"{path.relative_to(ROOT)} ({room}) must not import {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_assets_knows_the_network_and_nobody_pickles(path: Path) -> None:
    roots = {name.split(".")[0] for name in imports(path)}
    assert not roots & {"pickle", "dill", "shelve"}
    if room_of(path) != "assets":
        assert not roots & NETWORK


def test_import_is_light_and_quick() -> None:
    code = (
        "import sys, time; t = time.perf_counter(); import cephalon; s = time.perf_counter() - t;"
        f"print(s); print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    seconds = min(float(run.stdout.split("\n")[0]) for run in runs)
    assert runs[0].stdout.split("\n")[1] == "[]"
    assert seconds < 0.5
