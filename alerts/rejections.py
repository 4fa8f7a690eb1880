"""Faces that are "not this person", as a reviewer said, hide what looks more like them than like the person.

A sighting is hidden only while its face is nearer to the rejected face than to every face by which the person is
known, and never within the engine's `certain` distance of the person. A rejection ends by itself, and can be undone.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from alerts.models import Alert, Rejection
from recognition import engine as engines
from recognition import lookback, unknown
from recognition.models import Face, KnownFace, LookBack, Person

#: Rejected faces of one person that are looked at, the newest first.
MOST_COMPARED = 1000


def reject(alert: Alert, *, by: Any) -> Rejection | None:
    """Store that the face which raised the alert is not its person; a second call has it last longer."""
    if alert.person_id is None:
        return None
    made, _ = Rejection.objects.update_or_create(
        person_id=alert.person_id,
        face_id=alert.face_id,
        undone_at=None,
        defaults={
            "alert": alert,
            "created_by": by,
            "expires_at": timezone.now() + timedelta(days=settings.REJECTION_DAYS),
        },
    )
    return made


def undo(rejection: Rejection) -> bool:
    """Let the face raise alerts again, also in photos that are stored; False if that was undone before."""
    mine = Rejection.objects.filter(pk=rejection.pk, undone_at=None)
    if not mine.update(undone_at=timezone.now()):
        return False
    lookback.request(rejection.person, why=LookBack.Why.CORRECTED)
    return True


def undo_of(alert: Alert) -> None:
    """Undo the rejection that came of an alert's dismissal."""
    for rejection in Rejection.objects.filter(alert=alert, undone_at=None):
        undo(rejection)


def in_force() -> "QuerySet[Rejection]":
    """Return the rejections that hide something now."""
    return Rejection.objects.filter(undone_at=None, expires_at__gt=timezone.now())


def hides(face: Face, *, person: Person, distance: float) -> bool:
    """Return whether a rejection keeps this face from raising an alert for the person, and count that it did.

    `distance` is the face's to the person. Four queries at the most.
    """
    engine = face.embedding.engine
    if distance <= engines.THRESHOLDS[engine].certain:
        return False
    theirs = Q(person=person) | Q(person__merged_into=person)
    rejected = list(
        in_force()
        .filter(theirs, face__embedding__engine=engine)
        .order_by("-created_at")
        .values_list("pk", "face__embedding__vector")[:MOST_COMPARED]
    )
    if not rejected:
        return False
    known = KnownFace.objects.filter(person=person, face__embedding__engine=engine)
    vectors = list(known.values_list("face__embedding__vector", flat=True))
    to_rejected = unknown.distances(face, [vector for _, vector in rejected])
    to_known = unknown.distances(face, vectors)
    nearest = int(to_rejected.argmin())
    if vectors and to_rejected[nearest] >= to_known.min():
        return False
    if to_rejected[nearest] > engines.THRESHOLDS[engine].candidate:
        # Far from both: that it is a little less far from the one says nothing.
        return False
    Rejection.objects.filter(pk=rejected[nearest][0]).update(
        hits=F("hits") + 1, last_hit_at=timezone.now()
    )
    return True
