"""The curves of an evaluation as pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from recognition.evaluation.identification import Identification
from recognition.evaluation.verification import Numbers, Verification

#: Rates at which the axes of a DET curve are marked.
DET_TICKS = (0.0001, 0.001, 0.01, 0.05, 0.2, 0.5)


def draw(
    folder: Path, *, engine: str, verification: Verification, identifications: list[Identification]
) -> list[Path]:
    """Write roc.png, det.png, scores.png and, if there is one, identification.png; return where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    far, tar = roc(verification)
    with _picture(folder / "roc.png", written, title=f"ROC, {engine}") as axes:
        axes.semilogx(far, tar)
        axes.set(xlabel="false acceptance rate", ylabel="true acceptance rate", ylim=(0.8, 1.001))
    with _picture(folder / "det.png", written, title=f"DET, {engine}") as axes:
        inside = (far > 0) & (far < 1) & (tar > 0) & (tar < 1)
        axes.plot(norm.ppf(far[inside]), norm.ppf(1 - tar[inside]))
        ticks, labels = np.asarray(norm.ppf(DET_TICKS)), [f"{100 * rate:g} %" for rate in DET_TICKS]
        axes.set_xticks(ticks, labels)
        axes.set_yticks(ticks, labels)
        shown = (ticks[0], ticks[-1])
        axes.set(xlim=shown, ylim=shown, xlabel="false acceptance rate")
        axes.set_ylabel("false rejection rate")
    with _picture(folder / "scores.png", written, title=f"Distances of pairs, {engine}") as axes:
        for label, values in (
            ("one person", verification.same),
            ("two people", verification.different),
        ):
            axes.hist(values[np.isfinite(values)], bins=80, density=True, alpha=0.6, label=label)
        axes.set(xlabel="distance", yticks=[])
        axes.legend()
    if identifications:
        title = f"Watch-lists, {engine}"
        with _picture(folder / "identification.png", written, title=title) as axes:
            for found in identifications:
                axes.loglog(*_trade_off(found), label=f"{found.gallery} people watched")
            axes.set(xlabel="FPIR: strangers who raise an alarm", ylabel="FNIR: searches missed")
            axes.legend()
    return written


def roc(verification: Verification) -> tuple[Numbers, Numbers]:
    """Return the false and the true acceptance rate at every distance that occurs, both rising."""
    limits = np.unique(np.concatenate([verification.same, verification.different]))
    false = np.searchsorted(verification.different, limits, side="right")
    true = np.searchsorted(verification.same, limits, side="right")
    return false / len(verification.different), true / len(verification.same)


def _trade_off(found: Identification) -> tuple[Numbers, Numbers]:
    limits = np.quantile(
        np.concatenate([draw.strangers for draw in found.draws]), np.geomspace(1e-4, 0.3, 60)
    )
    return (
        np.array([found.fpir_at(limit) for limit in limits]),
        np.array([found.fnir_at(limit) for limit in limits]),
    )


@contextmanager
def _picture(file: Path, written: list[Path], *, title: str) -> Iterator[Axes]:
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    axes = figure.subplots()
    yield axes
    axes.set_title(title)
    axes.grid(alpha=0.3)
    figure.savefig(file, dpi=100)
    written.append(file)
