"""Audits of the gallery: is who is known found, by whichever way the gallery is held?

Each night, and whenever staff ask for it, its answers are compared with those of comparing each face. What misses more
than one probe in a hundred is told to the operators; an index is searched no more until an audit passes, and a snapshot
in memory that does not agree with the database is thrown away.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.utils import timezone
from django.utils.translation import gettext as _

from recognition.engine import Engine
from recognition.gallery import indexed, parity, revisions
from recognition.gallery.exact import ExactGallery
from recognition.gallery.indexed import IndexedGallery
from recognition.gallery.parity import Parity
from recognition.models import GalleryAudit

#: Probes of a night.
PROBES = 1_000
#: Probes by which a table is tried without its index, which takes long.
FEW_PROBES = 50
#: Days for which audits are kept.
KEPT_DAYS = 90

logger = logging.getLogger(__name__)


def audit(
    known: ExactGallery | IndexedGallery,
    *,
    engine: Engine,
    probes: int = PROBES,
    tell: Callable[[int], object] = parity.tell_nobody,
) -> GalleryAudit:
    """Compare, draw the conclusion, and tell the operators if it is bad; tells how many probes are answered.

    Raises parity.Busy if the known faces do not hold still.
    """
    if isinstance(known, IndexedGallery):
        found = _audit_index(known, engine=engine, probes=probes, tell=tell)
        held = parity.PGVECTOR
    else:
        found = parity.measure(known.search, engine=engine, probes=probes, tell=tell)
        held = parity.EXACT
    row = GalleryAudit.objects.create(
        engine=engine.name,
        held=held,
        faces=found.faces,
        probes=found.probes,
        agreed=found.agreed,
        low=found.low,
        high=found.high,
        is_passed=found.recall >= parity.LEAST_RECALL,
    )
    GalleryAudit.objects.filter(created_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()
    if not row.is_passed:
        if isinstance(known, ExactGallery):
            known.forget()
        _tell(row)
    return row


def failed() -> GalleryAudit | None:
    """Return the newest audit of the gallery as it is held now, if it did not pass."""
    last = GalleryAudit.objects.filter(engine=settings.ENGINE, held=settings.GALLERY).first()
    return last if last and not last.is_passed else None


def consequence(row: GalleryAudit) -> str:
    """Return what is done about one that did not pass, in words."""
    if row.held == parity.PGVECTOR:
        return _(
            "The index is not used until an audit passes: searches are exact, and slower. Run manage.py audit-gallery"
            " --rebuild to make it anew."
        )
    return _("The worker read all known faces anew. Restart the others.")


def _audit_index(
    known: IndexedGallery, *, engine: Engine, probes: int, tell: Callable[[int], object]
) -> Parity:
    """Measure the index, whether it is used at the moment or not; a table that lacks faces is made anew first."""
    known.refresh()
    if indexed.stored() != revisions.sums(engine.name):
        logger.error("The gallery's table differs from the known faces, and is made anew.")
        indexed.rebuild(engine.name)
    found = parity.measure(known.by_index, engine=engine, probes=probes, tell=tell)
    if found.recall >= parity.LEAST_RECALL:
        return found
    # Is it the index, or do the numbers in the table differ, so that searching without it helps nobody?
    few = min(probes, FEW_PROBES)
    if parity.measure(known.by_each, engine=engine, probes=few).recall >= parity.LEAST_RECALL:
        return found
    logger.error("The gallery's table holds other numbers than the known faces; it is made anew.")
    indexed.rebuild(engine.name)
    return parity.measure(known.by_index, engine=engine, probes=probes)


def _tell(row: GalleryAudit) -> None:
    """Log one that did not pass, and mail it to the operators."""
    text = _(
        "%(missed)d of %(probes)d probes were not answered as comparing each of %(faces)d known faces answers them:"
        " recall %(recall).1f %% (95 %% interval %(low).1f to %(high).1f %%). %(consequence)s"
    ) % {
        "missed": row.missed,
        "probes": row.probes,
        "faces": row.faces,
        "recall": 100 * row.recall,
        "low": 100 * row.low,
        "high": 100 * row.high,
        "consequence": consequence(row),
    }
    logger.error("The audit of the gallery did not pass: %s", text)
    if not settings.OPERATORS:
        return
    try:
        send_mail(_("Facewatch: known people may not be found"), text, None, settings.OPERATORS)
    except OSError as error:
        logger.warning("That the audit did not pass could not be mailed: %s", error)
