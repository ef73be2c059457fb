import learned
import numpy as np
import pytest
import torch
from dexsy_bench.methods.resunet_xl.network import ResUNet
from dexsy_bench.methods.resunet_xl.views import ALPHAS, VIEWS, InverseViews, SignalView

from dexsy_bench.learning.losses import distribution_loss
from dexsy_bench.learning.stream import ScenarioStream
from dexsy_bench.learning.weights import save
from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection
from dexsy_bench.trial import scenario

SCENARIO = learned.toy_scenario(32)
PROBLEM = SCENARIO.problem(np.inf).told(frozenset())
CORE = Registry().scenario("two_compartment").problem(np.inf)
METHOD = Registry().method("resunet_xl")
INPUTS = list(VIEWS)


def network(inputs="inverses", size="s", problem=PROBLEM):
    return learned.network_of(METHOD, METHOD.Options(size=size, inputs=inputs), problem)


@pytest.fixture(scope="module", params=INPUTS)
def small(request):
    return network(request.param)


def signals(n, snr=50.0):
    return torch.tensor(np.asarray(SCENARIO.cases(0, n, snr).noisy)[:, 0], dtype=torch.float32)


# The network -------------------------------------------------------------------------------


@pytest.mark.parametrize("inputs", INPUTS)
@pytest.mark.parametrize(("size", "millions"), [("xl", "34"), ("m", "21"), ("s", "5.3")])
def test_each_size_has_the_number_of_weights_that_its_docstring_tells(size, inputs, millions):
    with torch.device("meta"):
        weights = METHOD.network(METHOD.Options(size=size, inputs=inputs), CORE).parameters()
    count = sum(weight.numel() for weight in weights) / 1e6
    assert f"{count:.{len(millions.partition('.')[2])}f}" == millions
    assert "(xl 34, m 21, s 5.3 million weights)" in " ".join(METHOD.__doc__.split())


def test_it_gives_distributions(small):
    with torch.inference_mode():
        f = small(signals(3))
    assert f.shape == (3, 32, 32)
    assert f.dtype == torch.float32
    assert (f >= 0).all()
    np.testing.assert_allclose(f.double().sum((1, 2)), 1, atol=1e-6)
    assert (f[0] - f[1]).abs().max() > 1e-6, "it sees the signal"


def test_the_batch_does_not_matter_once_it_is_trained(small):
    with torch.inference_mode():
        together = small(signals(9))
        for part in (slice(0, 1), slice(8, 9), slice(2, 7)):
            assert (small(signals(9)[part]) - together[part]).abs().max() < 1e-6 * together.max()
        assert torch.equal(small(signals(9)), together)


def test_channels_last_changes_nothing_but_rounding_and_bf16_keeps_the_mass(small):
    with torch.inference_mode():
        plain = small(signals(2))
    small.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        last = small(signals(2))
        assert (last - plain).abs().max() < 1e-5 * plain.max()
        with torch.autocast("cpu", torch.bfloat16):
            half = small(signals(2))
        assert half.dtype == torch.float32
        np.testing.assert_allclose(half.double().sum((1, 2)), 1, atol=1e-6)


def test_every_weight_learns(small):
    """A gradient reaches all of it."""
    f = torch.tensor(np.asarray(SCENARIO.cases(0, 4, 50.0).distributions)[:, 0], dtype=torch.float32)
    small.train()
    distribution_loss(f, small(signals(4))).backward()
    small.eval()
    idle = [name for name, weight in small.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []
    assert all(weight.grad.isfinite().all() for weight in small.parameters())
    small.zero_grad()


def test_a_few_steps_teach_it_something():
    torch.manual_seed(0)
    student = ResUNet(InverseViews(PROBLEM), 4, 16).train()
    optimiser = torch.optim.AdamW(student.parameters(), 3e-3)
    stream = ScenarioStream((SCENARIO,), (100.0, 1000.0))
    losses = []
    for number in range(40):
        batch, f = stream.batch(number, 8, torch.device("cpu"))
        loss = distribution_loss(f, student(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


def test_what_makes_its_views_is_not_among_its_weights(small):
    assert not [name for name in small.state_dict() if name.startswith("views.")]


# Views -------------------------------------------------------------------------------------


def unequal_problem():
    """D1 and D2, b1 and b2 all differ; on 16 x 16 no singular vector is left out."""
    grid = Grid(np.geomspace(0.01, 10, 16), np.geomspace(0.05, 4, 16))
    return Problem(grid, Acquisition(np.linspace(0, 10, 16), 6 * np.linspace(0, 1, 16) ** 2))


def measured(problem, n=3):
    rng = np.random.default_rng(0)
    f = rng.gamma(0.1, size=(n, *problem.grid.shape))
    f /= f.sum((1, 2), keepdims=True)
    return problem.k1 @ f @ problem.k2.T + 0.01 * rng.standard_normal(f.shape)


def test_the_first_channels_are_the_signal_and_the_axes():
    problem = unequal_problem()
    s = torch.tensor(measured(problem), dtype=torch.float32)
    for views in (SignalView(problem), InverseViews(problem)):
        channels = views(s)
        assert channels.shape == (3, views.channels, 16, 16)
        assert torch.equal(channels[:, 0], s)
        axis = np.linspace(-1, 1, 16)
        np.testing.assert_allclose(channels[1, 1], np.broadcast_to(axis[:, None], (16, 16)), atol=1e-6)
        np.testing.assert_allclose(channels[1, 2], np.broadcast_to(axis[None, :], (16, 16)), atol=1e-6)


def test_the_others_are_linear_inverses():
    """(K^T K + a^2) f = K^T S, with the explicit kernel and in double precision."""
    problem = unequal_problem()
    s = measured(problem)
    channels = InverseViews(problem)(torch.tensor(s, dtype=torch.float32)).double().numpy()
    k = np.kron(problem.k1, problem.k2)
    largest = np.linalg.norm(k, 2)
    assert channels.shape[1] == 3 + len(ALPHAS) == InverseViews.channels
    for channel, alpha in zip(channels[:, 3:].swapaxes(0, 1), ALPHAS, strict=True):
        f = np.linalg.solve(k.T @ k + (alpha * largest) ** 2 * np.eye(256), k.T @ s.reshape(3, -1).T)
        expected = 16 * f.T.reshape(3, 16, 16)  # times the square root of the number of cells
        np.testing.assert_allclose(channel, expected, atol=1e-3 * np.abs(expected).max())


def test_what_is_cut_off_was_not_to_be_seen():
    """On the canonical grid, where 20 of 64 singular vectors are kept on each side."""
    s = np.asarray(Registry().scenario("two_compartment").cases(0, 2, 1000.0, "validation").noisy)[:, 0]
    channels = InverseViews(CORE)(torch.tensor(s, dtype=torch.float32)).double().numpy()[:, 3:]
    u1, s1, v1 = np.linalg.svd(CORE.k1)
    u2, s2, v2 = np.linalg.svd(CORE.k2)
    singular = np.outer(s1, s2)
    for channel, alpha in zip(channels.swapaxes(0, 1), ALPHAS, strict=True):
        filters = 64 * singular / (singular**2 + (alpha * singular[0, 0]) ** 2)
        expected = v1.T @ ((u1.T @ s @ u2) * filters) @ v2
        np.testing.assert_allclose(channel, expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize("inputs", INPUTS)
def test_autocast_does_not_reach_the_views(inputs):
    """The inverses amplify rounding: in bf16 they would be noise."""
    seen = []
    subject = network(inputs)
    subject.views.register_forward_hook(lambda module, given, made: seen.append(made))
    with torch.inference_mode():
        subject(signals(2))
        with torch.autocast("cpu", torch.bfloat16):
            subject(signals(2))
            spoilt = subject.views.forward(signals(2))
    assert seen[1].dtype == torch.float32
    assert torch.equal(seen[0], seen[1])
    assert inputs == "signal" or (spoilt - seen[0]).abs().max() > 1e-2 * seen[0].abs().max(), "it would matter"


# The method --------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=INPUTS)
def label(request, tmp_path_factory):
    options = METHOD.Options(size="s", inputs=request.param)
    path = tmp_path_factory.mktemp("weights") / "s.toml"
    state = learned.network_of(METHOD, options, PROBLEM).state_dict()
    save(path, learned.card(METHOD.shape(options), "resunet_xl"), PROBLEM, state)
    return f"resunet_xl[size=s,inputs={request.param},weights={path}]"


def ready(text, problem):
    selection = Registry().select(text)
    return Inverter(METHOD, Registry().make_options("resunet_xl", dict(selection.given)), problem)


def test_it_inverts_with_weights_from_a_path(label):
    instance = ready(label, SCENARIO.problem(50.0))
    noisy = np.asarray(SCENARIO.cases(0, 5, 50.0).noisy)
    f = instance(noisy).distributions
    assert f.shape == (5, 1, 32, 32)
    np.testing.assert_allclose(f.sum((-2, -1)), 1, rtol=1e-12)
    assert (f >= 0).all()
    np.testing.assert_allclose(instance(noisy[3:4]).distributions, f[3:4], atol=1e-6 * f.max())


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (scenario(GridSection(n=24), AcquisitionSection(n=24)), "needs as many b as D on each axis, a multiple of 32"),
        (scenario(GridSection(n=32), AcquisitionSection(n=64)), "needs as many b as D on each axis"),
        (scenario(GridSection(n=64), AcquisitionSection(n=64)), "trained on another grid: 32 values"),
        (scenario(GridSection(n=32), AcquisitionSection(n=32, b_max=13.0)), "trained on another acquisition"),
        (scenario(GridSection(n=32), AcquisitionSection(n=32, sampled=0.5)), "not on a mask"),
    ],
)
def test_it_declines_what_it_was_not_trained_on(label, other, why):
    with pytest.raises(Unsupported, match=why):
        ready(label, other.problem(50.0))


def test_weights_of_another_shape_are_refused(label):
    other = label.replace("size=s", "size=m")
    with pytest.raises(Unsupported, match=r"holds weights of resunet_xl\[size=s,.*not of resunet_xl\[size=m"):
        ready(other, SCENARIO.problem(50.0))
