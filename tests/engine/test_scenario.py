import re
from pathlib import Path

import numpy as np
import pytest
import torch

from dexsy_bench.physics import forward, normalise
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import (
    AcquisitionSection,
    CompartmentSection,
    ExchangeSection,
    GridSection,
    Scenario,
    ScenarioError,
    make_cases,
)

HEAD = 'title = "t"\nwhy = "w"\nsnr = [100, inf]\n'
ONE = '[[compartments]]\nname = "a"\nd = [0.1, 1]\n'
SMALL = "[grid]\nn = 12\n[acquisition]\nn = 10\n"


def read(tmp_path, text, name="mine"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return Scenario.read(path)


# Built in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", Registry().scenario_names)
def test_built_in_scenario_makes_sound_cases(name):
    scenario = Registry().scenario(name)
    assert scenario.name == name
    assert scenario.title
    assert scenario.why.strip()
    for snr in (*scenario.snr, np.inf):
        problem, cases = scenario.problem(snr), scenario.cases(0, 4, snr)
        shape = problem.acquisition.signal_shape
        assert cases.distributions.shape == (4, shape[0], *problem.grid.shape)
        assert cases.clean.shape == cases.noisy.shape == (4, *shape)
        for array in (cases.distributions, cases.clean, cases.noisy):
            assert np.isfinite(array).all()
            assert (array >= 0).all()
        np.testing.assert_allclose(cases.distributions.sum(axis=(-1, -2)), 1, rtol=1e-12)
        np.testing.assert_array_equal(cases.clean[..., 0, 0], 1)
        np.testing.assert_array_equal(cases.noisy[..., 0, 0], 1)
        np.testing.assert_allclose(cases.clean, forward(cases.distributions, problem.k1, problem.k2), rtol=1e-9)
        assert (np.diff(cases.clean, axis=-1) <= 1e-12).all()


def test_canonical_grid_and_acquisition():
    problem = Registry().scenario("two_compartment").problem(100.0)
    np.testing.assert_allclose(problem.grid.d1, np.geomspace(0.01, 10, 64))
    np.testing.assert_allclose(problem.acquisition.b2, np.linspace(0, 10, 64))
    assert problem.sigma == 0.01
    assert problem.mask() is None
    assert problem.acquisition.mixing_times is None


# Fields -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spacing", "expected"),
    [
        ("uniform", [0, 2, 4, 6, 8]),
        ("gradient", [0, 0.5, 2, 4.5, 8]),
        ("log", [0, 0.008, 0.08, 0.8, 8]),
    ],
)
def test_spacings_of_b(tmp_path, spacing, expected):
    text = f'{HEAD}{ONE}[acquisition]\nn = 5\nb_max = 8\nspacing = "{spacing}"\n'
    np.testing.assert_allclose(read(tmp_path, text).problem(100).acquisition.b1, expected)


def test_mixing_times_share_the_specimen(tmp_path):
    scenario = read(tmp_path, HEAD + "[exchange]\nk = [50, 50]\n" + ONE + ONE.replace("0.1, 1", "2, 3") + SMALL)
    several = read(tmp_path, HEAD + ONE + ONE.replace("0.1, 1", "2, 3") + SMALL + "mixing_times = [0.001, 0.02, 0.3]\n")
    cases = several.cases(0, 3, 100.0)
    assert cases.noisy.shape == (3, 3, 10, 10)
    np.testing.assert_array_equal(several.problem(100).acquisition.mixing_times, [0.001, 0.02, 0.3])
    np.testing.assert_array_equal(cases.parameters["mixing_times"], [[0.001, 0.02, 0.3]] * 3)
    np.testing.assert_array_equal(cases.parameters["centres"], scenario.cases(0, 3, 100.0).parameters["centres"])
    noise = cases.noisy - cases.clean
    assert not np.allclose(noise[:, 0], noise[:, 1])  # each mixing time is measured anew


def test_sampling(tmp_path):
    scenario = read(tmp_path, HEAD + ONE + "[acquisition]\nsampled = 0.25\nmixing_times = [0.01, 0.1]\n")
    mask = scenario.problem(100).acquisition.mask
    assert mask.shape == (2, 64, 64)
    assert abs(mask.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / mask.size)
    assert mask[:, 0, 0].all()
    assert (mask[0] != mask[1]).any()
    cases = scenario.cases(0, 2, 100.0)
    assert not cases.noisy[:, ~mask].any()
    assert (cases.noisy[:, mask] > 0).all()
    assert (cases.clean > 0).all()
    np.testing.assert_array_equal(scenario.problem(30).acquisition.mask, mask)


def test_relaxation_kernel(tmp_path):
    text = HEAD + 'kernel = "relaxation"\n' + ONE.replace("0.1, 1", "20, 200") + "[grid]\nd = [1, 1000]\n"
    scenario = read(tmp_path, text + "[acquisition]\nb_max = 500\n")
    problem, cases = scenario.problem(100), scenario.cases(0, 2, np.inf)
    np.testing.assert_allclose(problem.k1[5], np.exp(-problem.acquisition.b1[5] / problem.grid.d1))
    np.testing.assert_allclose(cases.noisy, forward(cases.distributions, problem.k1, problem.k2), rtol=1e-9)


def test_no_noise_at_infinite_snr(tmp_path):
    scenario = read(tmp_path, HEAD + ONE + SMALL)
    assert scenario.snr == (100, np.inf)
    assert scenario.problem(np.inf).sigma == 0
    cases = scenario.cases(0, 2, np.inf)
    np.testing.assert_allclose(cases.noisy, cases.clean, rtol=1e-14)


# Refusals -----------------------------------------------------------------------------------

TOP = "title, why, snr, compartments, exchange, grid, acquisition, kernel"

BAD = {
    "unknown field": (HEAD + "colour = 1\n" + ONE, "colour", f"unknown field; allowed here are {TOP}"),
    "unknown compartment field": (HEAD + ONE + "sigma = 1\n", "compartments.0.sigma", "allowed here are name, d, sd"),
    "unknown exchange field": (
        HEAD + ONE + "[exchange]\nrate = 1\n",
        "exchange.rate",
        "allowed here are k, mixing_time, equilibrium, concentration",
    ),
    "unknown grid field": (HEAD + ONE + "[grid]\nsize = 1\n", "grid.size", "allowed here are d, n"),
    "unknown acquisition field": (
        HEAD + ONE + "[acquisition]\nbmax = 1\n",
        "acquisition.bmax",
        "allowed here are b_max, n, spacing, mixing_times, sampled",
    ),
    "no title": ('why = "w"\nsnr = [1]\n' + ONE, "title", "Field required"),
    "no snr": ('title = "t"\nwhy = "w"\n' + ONE, "snr", "Field required"),
    "no compartments": (HEAD, "compartments", "Field required"),
    "empty compartments": (HEAD + "compartments = []\n", "compartments", "at least 1"),
    "compartments as one table": (HEAD + ONE.replace("[[", "[").replace("]]", "]"), "compartments", "tuple"),
    "compartment without name": (HEAD + "[[compartments]]\nd = [0.1, 1]\n", "compartments.0.name", "Field required"),
    "inverted range": (HEAD + ONE.replace("0.1, 1", "1, 0.1"), "compartments.0.d", "low <= high, not [1.0, 0.1]"),
    "negative": (HEAD + ONE.replace("0.1, 1", "-0.1, 1"), "compartments.0.d.0", "greater than 0 (found -0.1)"),
    "zero": (HEAD + ONE + "sd = [0, 0.1]\n", "compartments.0.sd.0", "greater than 0"),
    "NaN": (HEAD + ONE.replace("0.1, 1", "0.1, nan"), "compartments.0.d.1", "finite number (found nan)"),
    "infinite": (HEAD + ONE + "[acquisition]\nb_max = inf\n", "acquisition.b_max", "finite number (found inf)"),
    "one number for a range": (HEAD + ONE.replace("[0.1, 1]", "0.1"), "compartments.0.d", "tuple"),
    "three numbers for a range": (HEAD + ONE.replace("0.1, 1", "0.1, 0.5, 1"), "compartments.0.d", "at most 2"),
    "text for a number": (HEAD + ONE + '[grid]\nn = "64"\n', "grid.n", "valid integer (found '64')"),
    "true for a number": (HEAD + ONE + "[acquisition]\nb_max = true\n", "acquisition.b_max", "valid number"),
    "number for true": (HEAD + ONE + "[exchange]\nequilibrium = 1\n", "exchange.equilibrium", "valid boolean"),
    "half a cell": (HEAD + ONE + "[grid]\nn = 2.5\n", "grid.n", "valid integer"),
    "one cell": (HEAD + ONE + "[grid]\nn = 1\n", "grid.n", "greater than or equal to 2"),
    "number for a section": (HEAD + "grid = 5\n" + ONE, "grid", "found 5"),
    "outside the grid": (HEAD + ONE.replace("0.1, 1", "0.1, 11"), "'a'", "outside the grid [0.01, 10.0]"),
    "below the grid": (HEAD + ONE.replace("0.1, 1", "0.001, 1"), "'a'", "outside the grid [0.01, 10.0]"),
    "grid of one value": (HEAD + ONE.replace("0.1, 1", "1, 1") + "[grid]\nd = [1, 1]\n", "grid", "low < high"),
    "no such spacing": (
        HEAD + ONE + '[acquisition]\nspacing = "cubic"\n',
        "acquisition.spacing",
        "'uniform', 'gradient' or 'log' (found 'cubic')",
    ),
    "log spacing of two": (HEAD + ONE + '[acquisition]\nspacing = "log"\nn = 2\n', "acquisition", "at least 3"),
    "no such kernel": (HEAD + 'kernel = "T1"\n' + ONE, "kernel", "'diffusion' or 'relaxation'"),
    "nothing sampled": (HEAD + ONE + "[acquisition]\nsampled = 0\n", "acquisition.sampled", "greater than 0"),
    "more than all sampled": (HEAD + ONE + "[acquisition]\nsampled = 1.5\n", "acquisition.sampled", "equal to 1"),
    "no mixing times": (HEAD + ONE + "[acquisition]\nmixing_times = []\n", "acquisition.mixing_times", "at least 1"),
    "negative mixing time": (
        HEAD + ONE + "[acquisition]\nmixing_times = [0.1, -0.1]\n",
        "acquisition.mixing_times.1",
        "greater than 0",
    ),
    "SNR 0": (HEAD.replace("100", "0") + ONE, "snr.0", "greater than 0"),
    "SNR NaN": (HEAD.replace("100", "nan") + ONE, "snr.0", "greater than 0"),
    "no SNR at all": (HEAD.replace("100, inf", "") + ONE, "snr", "at least 1"),
    "concentration 0": (HEAD + ONE + "[exchange]\nconcentration = 0\n", "exchange.concentration", "equal to 1"),
    "two at once": (HEAD + "colour = 1\nsize = 2\n" + ONE, "colour", "(and 1 more)"),
    "a name": (HEAD + 'name = "x"\n' + ONE, "name", "named after its file; leave the field out"),
    "broken TOML": (HEAD + "snr = \n", "mine.toml", "line 4"),
}


@pytest.mark.parametrize(("text", "field", "allowed"), BAD.values(), ids=BAD)
def test_refused_with_file_field_and_what_is_allowed(tmp_path, text, field, allowed):
    with pytest.raises(ScenarioError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "mine.toml"))
    assert field in message
    assert allowed in message
    assert "\n" not in message


def test_the_smallest_scenario_is_accepted(tmp_path):
    """What the refusals above are variations of."""
    assert read(tmp_path, HEAD + ONE).grid.n == 64


def test_missing_and_binary_files_are_refused(tmp_path):
    with pytest.raises(ScenarioError, match="No such file"):
        Scenario.read(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ScenarioError, match=r"binary\.toml"):
        Scenario.read(tmp_path / "binary.toml")


# Digest -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('title = "t"', 'title = "other"', True),
        ('why = "w"', 'why = "other"', True),
        ("snr = [100, inf]", "snr = [30]", True),
        ("[0.1, 1]", "[0.1, 1.0]", True),
        ("[0.1, 1]", "[0.1, 2]", False),
        ('name = "a"', 'name = "b"', False),
        ("n = 12", "n = 13", False),
        ("n = 10", "n = 10\nsampled = 0.5", False),
        ("n = 10", "n = 10\nsampled = 1.0", True),  # spelling out a default
        ("[grid]", "[exchange]\nk = [1, 200]\n[grid]", False),
    ],
)
def test_digest_is_of_what_defines_the_cases(tmp_path, old, new, same):
    text = HEAD + ONE + SMALL
    assert old in text
    one, other = read(tmp_path, text), read(tmp_path, text.replace(old, new))
    assert (one.digest == other.digest) == same


def test_another_name_is_another_scenario(tmp_path):
    one, other = (read(tmp_path, HEAD + ONE + SMALL, name) for name in ("one", "other"))
    assert one.digest != other.digest
    assert not np.allclose(one.cases(0, 1, 100.0).clean, other.cases(0, 1, 100.0).clean)


# NumPy and torch ----------------------------------------------------------------------------


def random_numbers(scenario, n):
    rng = np.random.default_rng(0)
    shape = scenario.problem(100).acquisition.signal_shape
    return rng.random((n, scenario.family.n_uniforms)), rng.standard_normal((2, n, *shape))


@pytest.fixture(params=["", "mixing_times = [0.01, 0.1]\n", "sampled = 0.5\n"], ids=["plain", "mixing times", "mask"])
def scenario(request, tmp_path):
    return read(tmp_path, HEAD + ONE + ONE.replace("0.1, 1", "1, 3") + SMALL + request.param)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_torch_makes_the_same_cases(scenario, dtype, tolerance):
    uniforms, normals = random_numbers(scenario, 5)
    problem = scenario.problem(50.0)
    ours = make_cases(scenario.family, problem, uniforms, normals, problem.sigma)
    tensors = [torch.tensor(x, dtype=dtype) for x in (uniforms, normals)]
    theirs = make_cases(scenario.family, problem, *tensors, problem.sigma)
    for field in ("distributions", "clean", "noisy"):
        tensor = getattr(theirs, field)
        assert tensor.dtype == dtype
        np.testing.assert_allclose(tensor.numpy(), getattr(ours, field), atol=tolerance, rtol=0, err_msg=field)


def test_float32_numpy_stays_float32(scenario):
    uniforms, normals = (x.astype(np.float32) for x in random_numbers(scenario, 3))
    cases = make_cases(scenario.family, scenario.problem(50.0), uniforms, normals, 0.02)
    assert cases.distributions.dtype == cases.clean.dtype == cases.noisy.dtype == np.float32


def test_each_case_may_have_its_own_noise_level(scenario):
    """As training draws them: torch tensors, sigma one a case."""
    uniforms, normals = map(torch.tensor, random_numbers(scenario, 4))
    sigmas = torch.tensor([0.0, 0.01, 0.1, 0.3], dtype=torch.float64)
    problem = scenario.problem(50.0)
    together = make_cases(scenario.family, problem, uniforms, normals, sigmas)
    for n, sigma in enumerate(sigmas):
        alone = make_cases(scenario.family, problem, uniforms[n : n + 1], normals[:, n : n + 1], float(sigma))
        np.testing.assert_allclose(together.noisy[n].numpy(), alone.noisy[0].numpy(), rtol=1e-12)
    np.testing.assert_allclose(together.noisy[0][together.noisy[0] > 0], together.clean[0][together.noisy[0] > 0])


@pytest.mark.parametrize("sigma", [0.02, torch.full((3,), 0.02, device="meta")], ids=["number", "one a case"])
def test_everything_is_made_on_the_device_of_the_random_numbers(scenario, sigma):
    """The meta device computes no values, and refuses to mix with another, as a GPU does."""
    problem = scenario.problem(50.0)
    uniforms = torch.rand(3, scenario.family.n_uniforms, device="meta")
    normals = torch.randn(2, 3, *problem.acquisition.signal_shape, device="meta")
    cases = make_cases(scenario.family, problem, uniforms, normals, sigma)
    for tensor in (cases.distributions, cases.clean, cases.noisy, *cases.parameters.values()):
        assert tensor.device.type == "meta"


def test_cases_are_made_from_the_numbered_streams(scenario):
    """Scenario.cases is make_cases on the random numbers of each case."""
    from dexsy_bench import seeds

    problem = scenario.problem(50.0)
    uniforms = np.stack(
        [seeds.generator("test", "mine", "truth", n).random(scenario.family.n_uniforms) for n in range(2)]
    )
    shape = (2, *problem.acquisition.signal_shape)
    normals = np.stack([seeds.generator("test", "mine", 50.0, n).standard_normal(shape) for n in range(2)], axis=1)
    expected = make_cases(scenario.family, problem, uniforms, normals, 0.02)
    cases = scenario.cases(0, 2, 50.0)
    np.testing.assert_array_equal(cases.noisy, expected.noisy)
    np.testing.assert_array_equal(cases.clean, normalise(forward(cases.distributions, problem.k1, problem.k2)))


# Documentation ------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_scenario_and_suite_work(tmp_path):
    example, suite = re.findall(r"```toml\n(.*?)```", (DOCS / "adding-a-scenario.md").read_text("utf-8"), flags=re.S)
    (tmp_path / "swollen_cells.toml").write_text(example, encoding="utf-8")
    (tmp_path / "suites.toml").write_text(suite, encoding="utf-8")
    registry = Registry([tmp_path])
    assert registry.scenario("swollen_cells").cases(0, 2, 50).noisy.shape == (2, 1, 32, 32)
    assert set(registry.suite("mine").scenarios) <= set(registry.scenario_names)


def test_every_field_scenario_and_suite_is_documented():
    text = (DOCS / "scenarios.md").read_text("utf-8")
    sections = (Scenario, CompartmentSection, ExchangeSection, GridSection, AcquisitionSection)
    names = {field for section in sections for field in section.model_fields}
    for name in (names - {"name"}) | set(Registry().scenario_names) | set(Registry().suites):
        assert f"`{name}`" in text or f"`[{name}]`" in text or f"`[[{name}]]`" in text, name


def test_documented_defaults_are_those(tmp_path):
    """Spelling out every default of the tables changes nothing."""
    spelled = read(
        tmp_path,
        HEAD
        + 'kernel = "diffusion"\n'
        + ONE
        + "sd = [0.05, 0.15]\n"
        + "[exchange]\nk = [1, 300]\nmixing_time = [0.001, 0.3]\nequilibrium = true\nconcentration = 2\n"
        + "[grid]\nd = [0.01, 10]\nn = 64\n"
        + '[acquisition]\nb_max = 10\nn = 64\nspacing = "uniform"\nsampled = 1\n',
    )
    assert spelled.digest == read(tmp_path, HEAD + ONE).digest
