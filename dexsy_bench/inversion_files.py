"""What `dexsy-bench invert` leaves behind: arrays, tables, a figure, and a few lines to read."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from dexsy_bench import __version__
from dexsy_bench.errors import UserError
from dexsy_bench.inversion import Inversion

POOR_FIT = 1.5
"""RMS residual over the noise above which the user is warned."""


def write(inversion: Inversion, folder: Path, source: str) -> None:
    """Write distribution, axis, peak table, summary and figure.

    Parameters
    ----------
    inversion : Inversion
    folder : Path
        Made where needed; files of an earlier inversion are replaced.
    source : str
        The file that the signal came from.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    from dexsy_bench import inversion_figure

    quantity = inversion.measurement.problem.kernel.quantity
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "distribution.npy", inversion.f)
        if inversion.samples is None:
            (folder / "samples.npy").unlink(missing_ok=True)  # of an earlier inversion
        else:
            np.save(folder / "samples.npy", inversion.samples)
        np.save(folder / f"{quantity}_vals.npy", inversion.measurement.problem.grid.d1)
        with (folder / "peaks.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow([f"{quantity}_1", f"{quantity}_2", "mass"])
            table.writerows([f"{value:.6g}" for value in row] for row in inversion.peak_rows())
        summary = {"signal": source, "version": __version__, **inversion.summary()}
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
        inversion_figure.save(inversion, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error


def describe(inversion: Inversion) -> list[str]:
    """The result in a few lines."""
    problem = inversion.measurement.problem
    quantity, unit = problem.kernel.quantity, problem.kernel.quantity_unit
    lines = [f"note: {note}" for note in inversion.measurement.notes]
    found, ratio = inversion.quantities, inversion.residual_over_noise
    if "exchanged fraction" not in found:
        lines.append("exchanged fraction: none, as only one compartment shows (say --split to divide it)")
    else:
        borders = ", ".join(f"{split:.3g}" for split in inversion.splits)
        lines.append(f"exchanged fraction: {found['exchanged fraction']}, compartments divided at {borders} {unit}")
        for i in range(1, inversion.splits.size + 2):
            place, share = found[f"diffusivity {i}"], found[f"fraction {i}"]
            lines.append(f"compartment {i}: {quantity} {place} {unit}, fraction {share}")
    if "exchange rate" in found:
        lines.append(f"exchange rate: {found['exchange rate']} 1/s")
    if inversion.samples is not None:
        lines.append(f"in brackets: 95% intervals, of {len(inversion.samples)} samples")
        outside = [q.name for q in found.values() if not q.low <= q.value <= q.high]
        if outside:
            names = ", ".join(outside)
            lines.append(f"warning: the interval excludes the value of {names}: the method's bias exceeds the noise")
    lines.append(f"diffusion exchange index: {inversion.exchange_index:.3f}")
    if ratio is not None and problem.sigma:
        lines.append(f"residual: {ratio:.2f} of the noise (SNR about {1 / problem.sigma:.0f}; 1 is consistent)")
    lines += [f"peak at ({d1:.3g}, {d2:.3g}) {unit}: mass {mass:.3f}" for d1, d2, mass in inversion.peak_rows()]
    if ratio is not None and ratio > POOR_FIT:
        lines.append("warning: the distribution leaves more than noise unexplained; check b, --d-range and the method")
    if inversion.diagnostics.get("converged", 1) == 0:
        lines.append("warning: the method did not converge")
    if inversion.diagnostics.get("alpha_at_edge", 0) == 1:
        lines.append("warning: alpha was chosen at the edge of its range; fix it with the method's option alpha")
    return lines
