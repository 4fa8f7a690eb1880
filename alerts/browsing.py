"""What the pages show of alerts."""

from django.db.models import OuterRef, Q, QuerySet, Subquery, UUIDField

from alerts.models import Alert, Rejection
from recognition.models import KnownFace


def with_evidence(alerts: "QuerySet[Alert]") -> "QuerySet[Alert]":
    """Return the alerts with all that is shown of them, in one query.

    `known_face_id` is the face by which the person is known best, to be put beside the one that was seen; None if all
    are gone. Someone who was merged into another is known by the other's faces. The face itself, enrolled since, is no
    evidence.
    """
    known = Q(person=OuterRef("person")) | Q(person=OuterRef("person__merged_into"))
    others = KnownFace.objects.filter(known).exclude(face=OuterRef("face"))
    best = others.order_by("-face__quality", "pk")
    return (
        alerts.select_related(
            "person__merged_into", "rival", "watchlist", "photo", "face", "reviewed_by"
        )
        .defer("face__landmarks")
        .annotate(known_face_id=Subquery(best.values("face_id")[:1], output_field=UUIDField()))
    )


def with_best_face(found: "QuerySet[Rejection]") -> "QuerySet[Rejection]":
    """Return the rejections with all that is shown of them, and `known_face_id` as above, in one query."""
    known = Q(person=OuterRef("person")) | Q(person=OuterRef("person__merged_into"))
    best = KnownFace.objects.filter(known).order_by("-face__quality", "pk")
    return found.select_related("person", "created_by").annotate(
        known_face_id=Subquery(best.values("face_id")[:1], output_field=UUIDField())
    )


def open_alerts() -> "QuerySet[Alert]":
    """Return the alerts that nobody has judged yet; the canary's are for nobody to judge."""
    return Alert.objects.filter(status=Alert.Status.OPEN, watchlist__is_canary=False)
