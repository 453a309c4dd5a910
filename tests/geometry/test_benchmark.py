"""The benchmark still runs, and its own figures hold together."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "rasterize.py"


@pytest.mark.slow
def test_benchmark_runs_and_agrees_with_its_peer() -> None:
    command = [sys.executable, str(SCRIPT), "--json", "--repeats", "3"]
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert result["triangles"] == 20_000
    assert [row["size"] for row in result["rows"]] == [256, 512]
    for row in result["rows"]:
        assert row["same_face"] > (0.999 if row["peer"] == "Embree" else 1 - 1e-12)
        assert row["ratio"] > 1
