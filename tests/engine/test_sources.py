"""Which files a method's rows depend on."""

import dexsy_bench.methods

from dexsy_bench.registry import Registry
from dexsy_bench.sources import shared


def names(text, folder):
    path = folder / "mine.py"
    path.write_text(text)
    return [file.name for file in shared([path])]


def test_imports_are_followed(tmp_path):
    """block_pivoting imports roughness and compression; the rest of the room is none of its business."""
    found = names("from dexsy_bench.numerics import block_pivoting\n", tmp_path)
    assert {"block_pivoting.py", "compression.py", "roughness.py"} <= set(found)
    assert "convex.py" not in found
    assert found == sorted(found)


def test_imports_anywhere_and_of_any_form_count(tmp_path):
    wanted = ["compression.py"]
    assert names("def f():\n    from dexsy_bench.numerics.compression import Compression\n", tmp_path) == wanted
    assert names("import dexsy_bench.numerics.compression as c\n", tmp_path) == wanted
    assert names("import numpy\nfrom dexsy_bench.method import Method\n", tmp_path) == []


def test_other_methods_count(tmp_path):
    assert "nnls.py" in names("from dexsy_bench.methods.nnls import NNLS\n", tmp_path)


def test_a_changed_solver_changes_only_those_who_use_it(tmp_path):
    """The digests of two methods that differ in their imports alone."""
    registry = Registry([tmp_path])
    source = "from dexsy_bench.method import Method\n{}\n\nclass Mine(Method):\n    name = 'mine'\n    invert = None\n"
    digests = []
    for line in ("", "from dexsy_bench.numerics import convex", "from dexsy_bench.numerics import dual_newton"):
        (tmp_path / "mine.py").write_text(source.format(line))
        digests.append(Registry([tmp_path]).method_digest("mine"))
    assert len(set(digests)) == 3
    assert registry.method_digest("prior_mean") == Registry().method_digest("prior_mean")
    assert dexsy_bench.methods.__path__
