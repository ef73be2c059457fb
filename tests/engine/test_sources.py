"""Which files a method's rows depend on."""

from dexsy_bench import sources
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


def test_a_changed_solver_changes_only_those_who_use_it(tmp_path, monkeypatch):
    """A room of two solvers, one of which the method imports, through another module."""
    room = tmp_path / "solvers"
    room.mkdir()
    for name, text in (("__init__", ""), ("used", "x = 1\n"), ("between", "import solvers.used\n"), ("other", "")):
        (room / f"{name}.py").write_text(text)
    (tmp_path / "mine.py").write_text("from solvers import between\nfrom dexsy_bench.method import Method\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sources, "ROOMS", ("solvers",))

    def digest():
        return Registry([tmp_path / "mine.py"]).method_digest("mine")

    before = digest()
    (room / "other.py").write_text("y = 2\n")
    assert digest() == before
    (room / "used.py").write_text("x = 2\n")
    assert digest() != before


def test_a_file_beside_it_that_is_no_python_counts_but_does_not_stop_anything(tmp_path):
    (tmp_path / "mine.py").write_text("from dexsy_bench.numerics.compression import Compression\n")
    before = Registry([tmp_path / "mine.py"]).method_digest("mine")
    (tmp_path / "_scratch.py").write_text('print "old"\n')
    assert Registry([tmp_path / "mine.py"]).method_digest("mine") != before
