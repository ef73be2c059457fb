"""What the network costs. Run with ``pytest tests/benchmarks/test_bench_network.py --benchmark-enable -s``.

Rates of arithmetic are compared with that of one large matrix product, in the same run on the same thread.
Without --benchmark-enable the same is done once, on a small batch.
"""

from time import perf_counter

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dexsy_bench.learning.losses import distribution_loss
from dexsy_bench.learning.stream import ScenarioStream
from dexsy_bench.registry import Registry

SIZE = 2048
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def stream():
    registry = Registry()
    return ScenarioStream([registry.scenario(name) for name in ("two_compartment", "three_compartment")])


def make_network(stream, size="s"):
    registry = Registry()
    torch.manual_seed(0)
    options = registry.make_options("resunet_xl", {"size": size})
    network = registry.method("resunet_xl").network(options, stream.problem)
    return network.to(memory_format=torch.channels_last)


def batch_of(stream, benchmark, n):
    return stream.batch(0, n if benchmark.enabled else 2, torch.device("cpu"))


def matrix_rate(size):
    """FLOP/s of a product of two matrices, in the precision of the caller, the best of three."""
    a, b = torch.randn(2, size, size, generator=torch.Generator().manual_seed(0))
    seconds = []
    for _ in range(3):
        start = perf_counter()
        torch.mm(a, b)
        seconds.append(perf_counter() - start)
    return 2 * size**3 / min(seconds)


def measured(benchmark, work):
    """Seconds that it takes; the best where it is repeated."""
    work()
    start = perf_counter()
    benchmark.pedantic(work, rounds=5 if benchmark.enabled else 1)
    return benchmark.stats.stats.min if benchmark.stats else perf_counter() - start


@pytest.mark.parametrize("precision", PRECISIONS)
def test_inference_against_a_matrix_product(benchmark, stream, precision):
    network = make_network(stream).eval()
    signals, _ = batch_of(stream, benchmark, 32)
    size = SIZE if benchmark.enabled else 256
    autocast = torch.autocast("cpu", PRECISIONS[precision], enabled=precision != "float32")
    with torch.inference_mode(), autocast:
        with FlopCounterMode(display=False) as counter:
            f = network(signals)
        before = matrix_rate(size)
        seconds = measured(benchmark, lambda: network(signals))

    rate, peak = counter.get_total_flops() / seconds, max(before, matrix_rate(size))
    cases, work = len(signals) / seconds, counter.get_total_flops() / len(signals)
    benchmark.extra_info.update(
        cases_per_second=cases, gflop_per_case=work / 1e9, gflop_per_second=rate / 1e9, share_of_matmul=rate / peak
    )
    print(
        f"\ninference, {precision}: {cases:.1f} cases/s of {work / 1e9:.2f} GFLOP, {rate / 1e9:.1f} GFLOP/s, "
        f"{rate / peak:.0%} of a {precision} matrix product ({peak / 1e9:.1f} GFLOP/s)"
    )
    torch.testing.assert_close(f.sum(dim=(1, 2)), torch.ones(len(f)))
    assert (f >= 0).all()
    assert 0.1e9 < work < 2e9


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_training_step(benchmark, stream, precision):
    network = make_network(stream).train()
    signals, f = batch_of(stream, benchmark, 32)
    autocast = torch.autocast("cpu", PRECISIONS[precision], enabled=precision != "float32")

    def step():
        network.zero_grad()
        with autocast:
            loss = distribution_loss(f, network(signals))
        loss.backward()

    seconds = measured(benchmark, step)
    benchmark.extra_info.update(cases_per_second=len(signals) / seconds)
    print(f"\ntraining, {precision}: {len(signals) / seconds:.1f} cases/s forward and backward")
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
