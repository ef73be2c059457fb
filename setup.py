"""Maps the rooms at the top level into one package; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = {"dexsy_bench": "dexsy_bench", "dexsy_bench.methods": "methods", "dexsy_bench.scenarios": "scenarios"}

setup(
    package_dir=ROOMS,
    packages=[
        package
        for room, folder in ROOMS.items()
        for package in [room, *(f"{room}.{found}" for found in find_packages(folder))]
    ],
    package_data={
        "": ["*.toml", "*.md", "py.typed", "weights/*", "templates/*"],
        "dexsy_bench.methods": ["tuned/*.toml"],
    },
)
