import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.io import savemat

from dexsy_bench.measured import SignalError, check, read_array, read_vector
from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Grid
from dexsy_bench.registry import Registry

MATRIX = np.arange(6.0).reshape(2, 3) / 7
GRID = Grid.log(0.01, 10, 32)


@pytest.fixture(scope="module")
def measured():
    """b and the signal of one case, on the scale of a receiver."""
    scenario = Registry().scenario("two_compartment")
    return scenario.acquisition.b_values(), 240.0 * scenario.cases(2, 3, 100.0).noisy[0, 0]


def checked(signal, b1, b2=None, *, grid=GRID, kernel="diffusion", **options):
    return check(
        np.asarray(signal), np.asarray(b1), np.asarray(b1 if b2 is None else b2), grid, KERNELS[kernel], **options
    )


# Files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("s.npy", lambda path: np.save(path, MATRIX)),
        ("s.npz", lambda path: np.savez(path, S=MATRIX)),
        ("s.csv", lambda path: np.savetxt(path, MATRIX, delimiter=",")),
        ("t.csv", lambda path: np.savetxt(path, MATRIX, delimiter=";", header="measured today")),
        ("s.tsv", lambda path: np.savetxt(path, MATRIX, delimiter="\t")),
        ("s.txt", lambda path: np.savetxt(path, MATRIX)),
        ("s.mat", lambda path: savemat(path, {"S": MATRIX})),
        ("v4.mat", lambda path: savemat(path, {"S": MATRIX}, format="4")),
    ],
)
def test_formats(tmp_path, name, write):
    write(tmp_path / name)
    assert_allclose(read_array(tmp_path / name), MATRIX, rtol=1e-15)


def test_complex_text(tmp_path):
    np.savetxt(tmp_path / "s.csv", MATRIX + 2j * MATRIX, delimiter=",")
    assert_allclose(read_array(tmp_path / "s.csv"), MATRIX * (1 + 2j), rtol=1e-12)


@pytest.mark.parametrize("ending", ["npz", "mat"])
def test_one_of_several_variables(tmp_path, ending):
    path = tmp_path / f"data.{ending}"
    (np.savez if ending == "npz" else lambda p, **arrays: savemat(p, arrays))(path, S=MATRIX, b=np.array([[0.0, 1, 2]]))
    assert_allclose(read_array(f"{path}:S"), MATRIX)
    assert_array_equal(read_vector(f"{path}:b"), [0, 1, 2])
    with pytest.raises(SignalError, match=r"holds 2 variables \(S, b\); say which"):
        read_array(path)
    with pytest.raises(SignalError, match="no variable 'x'; its variables: S, b"):
        read_array(f"{path}:x")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", b"b,1\n0,2\n", "could not convert string"),
        ("s.csv", b"1,2\n3\n", "number of columns"),
        ("s.csv", b"1,5;2,5\n", "decimal points"),
        ("s.csv", b"\n# nothing\n", "holds no numbers"),
        ("s.csv", b"\xff\xfe\x00", "cannot be read as text"),
        ("s.npy", b"not numpy", "cannot be read as a NumPy array"),
        ("s.npz", b"not numpy", "cannot be read as a NumPy archive"),
        ("s.mat", b"not matlab", "cannot be read as a MATLAB file"),
        ("s.mat", b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(512), r"save\('s.mat', 'S', '-v7'\)"),
        ("s.xlsx", b"", "cannot read '.xlsx' files"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SignalError, match=message) as caught:
        read_array(tmp_path / name)
    assert name in str(caught.value)


def test_no_file_and_no_such_thing_as_a_variable(tmp_path):
    with pytest.raises(SignalError, match="no such file"):
        read_array(tmp_path / "s.npy")
    np.save(tmp_path / "s.npy", MATRIX)
    with pytest.raises(SignalError, match="leave ':S' out"):
        read_array(f"{tmp_path / 's.npy'}:S")


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "s.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SignalError, match="cannot be read"):
        read_array(tmp_path / "s.npy")


def test_a_matrix_is_no_vector(tmp_path):
    np.save(tmp_path / "b.npy", MATRIX)
    with pytest.raises(SignalError, match="holds 2 x 3 where a vector"):
        read_vector(tmp_path / "b.npy")


# Checks ------------------------------------------------------------------------------------


def test_a_sound_signal_passes(measured):
    b, signal = measured
    result = checked(signal, b, mixing_time=0.05)
    assert_allclose(result.signal, signal / 240, rtol=1e-12)
    assert result.s0 == pytest.approx(240)
    assert result.problem.sigma == pytest.approx(0.01, rel=0.1)
    assert_array_equal(result.problem.acquisition.mixing_times, [0.05])
    assert_array_equal(result.remaining, 1)
    assert result.notes == ("the signal was divided by S(0,0) = 240",)


@pytest.mark.parametrize("snr", [10.0, 30.0, 1000.0, np.inf])
@pytest.mark.parametrize("name", ["two_compartment", "three_compartment"])
def test_no_generated_signal_is_refused(name, snr):
    scenario = Registry().scenario(name)
    for signal in scenario.cases(0, 40, snr).noisy[:, 0]:
        checked(signal, scenario.acquisition.b_values())


def test_without_the_first_b_masses_are_scaled_back(measured):
    b, _ = measured
    later = checked(np.exp(-b[1:, None] * 0.3 - b[None, 1:] * 2), b[1:], grid=Grid.log(0.01, 5, 32))
    assert_array_equal(later.problem.acquisition.b1, b[1:] - b[1])
    i, j = 3, 20
    d = later.problem.grid.d1
    assert later.remaining[i, j] == pytest.approx(np.exp(-b[1] * (d[i] + d[j])))
    assert "masses were scaled to b = 0, by up to a factor of" in later.notes[-1]


def _with(index, value):
    def change(signal):
        signal = signal.copy()
        signal[index] = value
        return signal

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with((3, 5), np.nan), "1 NaN or infinite values, the first in row 3, column 5"),
        (lambda s: s * np.exp(0.3j), "is complex; say --complex magnitude"),
        (lambda s: s[:, :-1], "is 64 x 63, but b1 x b2 = 64 x 64"),
        (lambda s: s.ravel(), "is 4096; reshape it to b1 x b2 = 64 x 64"),
        (lambda s: s[None], r"has 3 axes \(1 x 64 x 64\); give one matrix"),
        (lambda s: s[::-1, ::-1], r"S\(0,0\) is not the largest value"),
        (_with((9, 9), 400.0), r"S\(0,0\) is not the largest value: row 9, column 9"),
        (lambda s: s[:, np.r_[0, 63:0:-1]], "grows along b2"),
        (lambda s: s[np.r_[0, 63:0:-1]], "grows along b1"),
        (_with((30, 30), 200.0), "grows along b1: by .* up to row 30, column 30"),
        (_with((0, 0), 0.0), r"S\(0,0\), the first value, is 0"),
        (lambda s: -s, r"S\(0,0\), the first value, is -240"),
    ],
)
def test_signals_that_are_refused(measured, change, message):
    b, signal = measured
    with pytest.raises(SignalError, match=message):
        checked(change(signal), b)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[::-1], "b1 is descending; reverse it"),
        (lambda b: b - 1, "b1 goes negative, down to -1"),
        (lambda b: b.round(0), "b1 holds 0 more than once"),
        (lambda b: b[np.r_[0, 2, 1, 3:64]], "b1 is not in order"),
        (lambda b: np.where(b > 9, np.nan, b), "b1 holds NaN"),
        (lambda b: 1000 * b, "up to 10000 ms/µm².*divide values in s/mm² by 1000"),
        (lambda b: b / 1000, "up to 0.01 ms/µm² only.*check the unit"),
        (lambda b: b + 1, "b starts at 1 and 1 ms/µm².*measure b = 0 too"),
        (lambda b: b[:1], "b1 holds 1 value"),
    ],
)
def test_b_values_that_are_refused(measured, change, message):
    b, signal = measured
    with pytest.raises(SignalError, match=message):
        checked(signal, change(b))


def test_a_transposed_signal_is_recognised(measured):
    b, signal = measured
    with pytest.raises(SignalError, match="is 32 x 64, but b1 x b2 = 64 x 32: it is transposed"):
        checked(signal[:, ::2].T, b, b[::2])


@pytest.mark.parametrize("time", [0.0, -1.0, np.nan, np.inf])
def test_mixing_times_that_are_refused(measured, time):
    b, signal = measured
    with pytest.raises(SignalError, match="has to be positive"):
        checked(signal, b, mixing_time=time)


def test_complex_signals(measured):
    b, signal = measured
    rotated = signal * np.exp(0.7j)
    assert_allclose(checked(rotated, b, parts="magnitude").signal, signal / 240, rtol=1e-12)
    real = checked(rotated, b, parts="real")
    assert_allclose(real.signal, signal / 240, rtol=1e-12)
    assert "after a phase of 40.1°" in real.notes[0]
    assert_allclose(checked(signal + 0j, b).signal, signal / 240, rtol=1e-12)


def test_relaxation_has_its_own_units():
    t = np.linspace(0, 300, 40)
    decay = np.exp(-t / 40)
    result = checked(np.outer(decay, decay), t, grid=Grid.log(1, 1000, 32), kernel="relaxation")
    assert result.problem.kernel.quantity == "T2"
    with pytest.raises(SignalError, match=r"t goes up to 0.3 ms only"):
        checked(np.outer(decay, decay), t / 1000, grid=Grid.log(1, 1000, 32), kernel="relaxation")


def test_too_few_points_to_know_the_noise():
    b = np.array([0.0, 1.0, 4.0])
    decay = np.exp(-b)
    result = checked(np.outer(decay, decay), b)
    assert result.problem.sigma is None
    assert "too few points" in result.notes[-1]


def test_noise_alone_is_refused(measured):
    b, _ = measured
    noise = np.abs(np.random.default_rng(0).standard_normal((b.size, b.size)))
    noise[0, 0] = 0.5
    with pytest.raises(SignalError, match=r"S\(0,0\) is only 0.* times the noise"):
        checked(noise, b)


def test_text_that_holds_no_matrix_is_told_in_plain_words(tmp_path):
    (tmp_path / "s.csv").write_text("1,2\n3\n")
    with pytest.raises(SignalError, match="number of columns changed from 2 to 1 at row 2; leave only numbers"):
        read_array(tmp_path / "s.csv")
