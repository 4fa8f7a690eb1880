"""What an evaluation found, for programs and for people."""

from dataclasses import dataclass
from typing import Any

from recognition.evaluation.identification import Identification
from recognition.evaluation.verification import Verification

#: The share of strangers who may raise an alarm at the recommended threshold, and the gallery that it is told for.
ALERT_FPIR = 5e-3
ALERT_GALLERY = 100


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything measured: verification on the pairs of the protocol, every_pair on all pairs of the folder.

    alert is the distance within which the engine raises alerts unless a watch-list has its own.
    """

    engine: str
    alert: float
    people: int
    photos: int
    faces: int
    verification: Verification
    every_pair: Verification
    identifications: list[Identification]


def recommended(report: Report) -> float | None:
    """Return the alert threshold: the largest distance with FPIR <= 0.5 % for 100 people; None if not measured."""
    return next(
        (
            rate.threshold
            for found in report.identifications
            for rate in found.rates
            if found.gallery == ALERT_GALLERY and rate.fpir == ALERT_FPIR
        ),
        None,
    )


def to_json(report: Report) -> dict[str, Any]:
    """Return plain numbers; rates from 0 to 1, keys of rates as 1e-3."""
    verification = report.verification
    return {
        "engine": report.engine,
        "people": report.people,
        "photos": report.photos,
        "faces": report.faces,
        "verification": _pairs(verification)
        | {"accuracy": verification.accuracy, "accuracy_sd": verification.accuracy_sd},
        "every_pair": _pairs(report.every_pair),
        "identification": {
            str(found.gallery): {
                "photos": found.photos,
                "draws": len(found.draws),
                "mated_searches": found.mated_searches,
                "non_mated_searches": found.strangers_searches,
                "at_alert": {
                    "threshold": report.alert,
                    "fpir": found.fpir_at(report.alert),
                    "fnir": found.fnir_at(report.alert),
                },
                "fnir_at_fpir": {
                    _key(rate.fpir): {
                        "fnir": rate.fnir,
                        "interval": [rate.low, rate.high],
                        "threshold": rate.threshold,
                    }
                    for rate in found.rates
                },
            }
            for found in report.identifications
        },
        "recommended": {"alert": recommended(report)},
    }


def _pairs(verification: Verification) -> dict[str, Any]:
    return {
        "same": len(verification.same),
        "different": len(verification.different),
        "eer": verification.eer,
        "threshold": verification.threshold,
        "tar_at_far": {_key(rate): tar for rate, tar in verification.tar_at_far.items()},
        "threshold_at_far": {
            _key(rate): limit for rate, limit in verification.threshold_at_far.items()
        },
    }


def _key(rate: float) -> str:
    """Return 0.001 as 1e-3."""
    mantissa, exponent = f"{rate:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}"
