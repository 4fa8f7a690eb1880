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
from recognition.gallery import indexed, parity
from recognition.gallery.exact import ExactGallery
from recognition.gallery.indexed import IndexedGallery
from recognition.gallery.parity import Parity
from recognition.models import GalleryAudit

#: Probes of a night.
PROBES = 1_000
#: Probes by which a table is tried without its index, which takes long.
FEW_PROBES = 50
#: Hours after an audit within which another one is not due.
DUE_HOURS = 12
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

    After one that did not pass, one with fewer probes does not either. Raises parity.Busy if the known faces do not
    hold still.
    """
    if isinstance(known, IndexedGallery):
        found = _audit_index(known, engine=engine, probes=probes, tell=tell)
        held = parity.PGVECTOR
    else:
        found = parity.measure(known.search, engine=engine, probes=probes, tell=tell)
        held = parity.EXACT
    before = parity.last(engine=engine.name, held=held)
    is_enough = before is None or before.is_passed or found.probes >= before.probes
    row = GalleryAudit.objects.create(
        engine=engine.name,
        held=held,
        faces=found.faces,
        probes=found.probes,
        agreed=found.agreed,
        low=found.low,
        high=found.high,
        is_passed=found.recall >= parity.LEAST_RECALL and is_enough,
    )
    GalleryAudit.objects.filter(created_at__lt=timezone.now() - timedelta(days=KEPT_DAYS)).delete()
    if not row.is_passed:
        _tell(row)
        if isinstance(known, ExactGallery):
            known.forget()
    return row


def audit_if_due(known: ExactGallery | IndexedGallery, *, engine: Engine) -> None:
    """Audit unless that was done within half a day; one that could not be finished is begun anew by the next call."""
    since = timezone.now() - timedelta(hours=DUE_HOURS)
    if GalleryAudit.objects.filter(created_at__gt=since, engine=engine.name).exists():
        return
    try:
        audit(known, engine=engine)
    except parity.Busy as busy:
        logger.warning("The gallery could not be audited: %s", busy)


def failed() -> GalleryAudit | None:
    """Return the newest audit of the gallery as it is held now, if it did not pass."""
    newest = parity.last(engine=settings.ENGINE, held=settings.GALLERY)
    return newest if newest and not newest.is_passed else None


def consequence(row: GalleryAudit) -> str:
    """Return what is done about one that did not pass, in words."""
    if row.held == parity.PGVECTOR:
        return _(
            "The index is not used until an audit of as many probes passes: all faces are compared, which takes longer."
            " Run manage.py audit-gallery --rebuild to make it anew."
        )
    return _("What the workers share was thrown away. Restart the workers, which read it anew.")


def _audit_index(
    known: IndexedGallery, *, engine: Engine, probes: int, tell: Callable[[int], object]
) -> Parity:
    """Measure the index, whether it is used at the moment or not; a table that lacks faces is made anew first."""
    known.refresh()
    if not indexed.agrees(engine.name):
        logger.error("The gallery's table differs from the known faces, and is made anew.")
        indexed.rebuild(engine.name)
    # One by one, as most photos are: of many asked together one may bring up whom another misses.
    found = parity.measure(known.by_index, engine=engine, probes=probes, together=1, tell=tell)
    if found.recall >= parity.LEAST_RECALL:
        return found
    # Is it the index, or do the numbers in the table differ, so that searching without it helps nobody?
    few = min(probes, FEW_PROBES)
    of_table = parity.measure(known.by_each, engine=engine, probes=few, together=1)
    if of_table.recall >= parity.LEAST_RECALL:
        return found
    logger.error("The gallery's table holds other numbers than the known faces; it is made anew.")
    indexed.rebuild(engine.name)
    return parity.measure(known.by_index, engine=engine, probes=probes, together=1)


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
