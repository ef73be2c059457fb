from dexsy_bench.store import load_rows


def test_new_method_check_run(command, tmp_path):
    assert "mine.py is ready" in command("new-method", "mine", "--out", "plugins")
    told = command("check", "plugins/mine.py")
    assert "all passed" in told
    assert "FAIL" not in told
    command(
        *("run", "-s", "two_compartment", "--snr", 100, "-n", 2, "--jobs", 1, "--out", "results"),
        *("-m", "mine", "-m", "mine[iterations=20]", "--include", "plugins/mine.py"),
    )
    rows = load_rows(tmp_path / "results")
    assert list(rows["status"]) == ["ok"] * 4
    assert set(rows["options"]) == {"", "iterations=20"}
    assert "there is a method" in command("new-method", "nnls", status=2)
    assert "exists" in command("new-method", "mine", "--out", "plugins", status=2)


def test_a_broken_method_fails_with_the_way_to_mend_it(command, tmp_path):
    command("new-method", "mine")
    source = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(source.replace("Estimate(normalised(f)", "Estimate(2 * normalised(f)"))
    told = command("check", "mine.py", status=1)
    assert "a distribution sums to 2" in told
    assert "→ return Estimate(normalised(f)), from dexsy_bench.method" in told
    assert "1 failed" in told
    (tmp_path / "mine.py").write_text("import nothing_of_that_name")
    told = command("check", "mine.py", status=1)
    assert "No module named 'nothing_of_that_name'" in " ".join(told.split())


def test_what_cannot_be_checked_is_named(command):
    assert "no such file" in command("check", "nowhere.py", status=2)
    assert "did you mean 'prior_mean'?" in command("check", "prior_meen", status=2)
    assert "no option 'colour'" in command("check", "prior_mean[colour=red]", status=2)


def test_a_method_in_a_folder_of_its_own(command, tmp_path):
    command("new-method", "mine")
    (tmp_path / "boxed").mkdir()
    source = (tmp_path / "mine.py").read_text(encoding="utf-8").replace('name = "mine"', 'name = "boxed"')
    (tmp_path / "boxed" / "__init__.py").write_text(source, encoding="utf-8")
    for path in ("./boxed", "boxed/__init__.py"):
        assert "all passed" in command("check", path)
