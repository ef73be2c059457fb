"""A wheel holds every room, and nothing but the rooms."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

SHIPPED = (".py", ".toml", ".safetensors", ".html", ".css", ".js")


def test_wheel_holds_the_rooms(tmp_path):
    source = tmp_path / "source"
    skipped = shutil.ignore_patterns(".*", "__pycache__", "results", "runs", "build", "*.egg-info", "data", "site")
    shutil.copytree(ROOT, source, ignore=skipped)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(tmp_path), "."]
    subprocess.run(build, cwd=source, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for room, package in (("dexsy_bench", ""), ("methods", "methods/"), ("scenarios", "scenarios/")):
        for path in (ROOT / room).rglob("*"):
            if (
                path.suffix in (".py", ".toml", ".safetensors", ".html", ".css", ".js")
                and "__pycache__" not in path.parts
            ):
                assert f"dexsy_bench/{package}{path.relative_to(ROOT / room)}" in names
    assert not any(name.startswith(("tests", "results", "docs")) for name in names)
