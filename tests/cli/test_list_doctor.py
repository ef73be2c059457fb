import re
import subprocess
import sys

import faults

from dexsy_bench.metrics import METRICS
from dexsy_bench.registry import Registry

HEAVY = ("torch", "cvxpy", "ot", "matplotlib", "seaborn", "pandas", "pyarrow")


def dexsy_bench(*arguments, expect=0):
    command = [sys.executable, "-m", "dexsy_bench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"COLUMNS": "250", "PATH": ""})
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_list_shows_everything_that_can_be_run(tmp_path):
    include = faults.write(tmp_path / "include")
    (include / "broken.py").write_text("import nothing_of_that_name\n")
    registry = Registry([include])
    shown = dexsy_bench("list", "--include", include)
    for name in (*registry.method_names, *registry.scenario_names, *registry.suites):
        assert name in shown
    unfolded = re.sub(r"[\s│]", "", shown)
    assert "Nomodulenamed'nothing_of_that_name'" in unfolded
    assert "draws=4096" in shown
    assert "The mean distribution of the scenario, whatever the signal." in shown
    assert all(name in dexsy_bench("list", "metrics") for name in METRICS)


def test_list_loads_nothing_heavy():
    code = f"""
import sys
from dexsy_bench.cli import app
app(["list"], standalone_mode=False)
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "LOADED []" in done.stdout


def test_doctor_runs_a_case_and_names_what_is_broken(tmp_path):
    shown = dexsy_bench("doctor")
    assert "one case inverted and scored" in shown
    assert "fail" not in shown
    (tmp_path / "broken.py").write_text("raise RuntimeError('half written')\n")
    shown = dexsy_bench("doctor", "--include", tmp_path, expect=1)
    assert shown.count("fail  ") == 1
    assert "RuntimeError: half written" in shown
