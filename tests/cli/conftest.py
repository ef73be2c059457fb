import os
import subprocess
import sys

import pytest


@pytest.fixture
def command(tmp_path):
    """``command(*arguments)``: dexsy-bench in a process of its own, in the fresh folder tmp_path."""

    def run(*arguments, status=0):
        done = subprocess.run(
            [sys.executable, "-m", "dexsy_bench", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "PYTHONUTF8": "1"},
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if status == 0 else done.stdout + done.stderr

    return run
