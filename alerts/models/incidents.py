"""What was seen, what operators made of it, and what happened to it when."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from alerts.models.watchlists import WatchList
from recognition.models import Face, Person, Photo

#: The reason of a dismissal that rejects the face, as the API and the forms give it; see `alerts.rejections`.
NOT_THIS_PERSON = "not_this_person"


class Alert(models.Model):
    """An incident: a person of a watch-list, or somebody unknown, was possibly seen, once or several times in a row.

    `face`, `photo`, `distance` and `margin` are those that raised it and never change; each sighting that belongs to it
    is an `Appearance`. An operator judges it as a whole.
    """

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CONFIRMED = "confirmed", _("confirmed")
        DISMISSED = "dismissed", _("dismissed")
        UNSURE = "unsure", _("can't tell")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    watchlist = models.ForeignKey(WatchList, models.CASCADE, related_name="alerts")
    person = models.ForeignKey(
        Person,
        models.CASCADE,
        null=True,
        related_name="alerts",
        help_text=_("None: the face is of nobody who is known."),
    )
    face = models.ForeignKey(Face, models.CASCADE, related_name="alerts")
    photo = models.ForeignKey(Photo, models.CASCADE, related_name="alerts")
    distance = models.FloatField(
        _("distance"), null=True, help_text=_("None for an unknown face that nothing was like.")
    )
    threshold = models.FloatField(_("threshold"), help_text=_("The list's threshold at the time."))
    margin = models.FloatField(
        _("margin"), null=True, help_text=_("How much farther the next other person was.")
    )
    is_ambiguous = models.BooleanField(
        _("look-alikes"),
        default=False,
        help_text=_("Another person was nearly as alike: nobody is told before it is confirmed."),
    )
    rival = models.ForeignKey(
        Person,
        models.SET_NULL,
        null=True,
        related_name="+",
        help_text=_("The next other person, if it is ambiguous."),
    )
    times = models.PositiveSmallIntegerField(
        null=True, help_text=_("How often the list's rule had found an unknown face by then.")
    )
    within_seconds = models.PositiveIntegerField(null=True, help_text=_("Within how long."))
    historic = models.BooleanField(
        _("historic"), default=False, help_text=_("Found by looking back over stored photos.")
    )
    source = models.CharField(_("source"), max_length=100, blank=True)
    count = models.PositiveIntegerField(_("sightings"), default=1)
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    joined_at = models.DateTimeField(
        default=timezone.now, help_text=_("When the newest of its sightings was stored.")
    )
    ended_at = models.DateTimeField(_("ended"), null=True)
    best_face = models.ForeignKey(
        Face, models.SET_NULL, null=True, related_name="+", help_text=_("Of its best picture.")
    )
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.OPEN)
    reason = models.TextField(_("reason"), blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="reviewed_alerts"
    )
    reviewed_at = models.DateTimeField(_("reviewed"), null=True)
    version = models.PositiveIntegerField(default=1, help_text=_("Counts the changes; the ETag."))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["watchlist", "face", "person"], name="alert_once_per_list_face_person"
            ),
            models.UniqueConstraint(
                fields=["watchlist", "face"],
                condition=Q(person=None),
                name="alert_once_per_list_unknown_face",
            ),
            models.CheckConstraint(
                condition=Q(status="open", reviewed_at=None)
                | Q(status__in=["confirmed", "dismissed", "unsure"], reviewed_at__isnull=False),
                name="alert_reviewed_unless_open",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="alert_newest_first"),
            models.Index(fields=["status", "-created_at"], name="alert_by_status"),
            models.Index(fields=["watchlist", "person", "last_seen_at"], name="alert_by_last_seen"),
            models.Index(fields=["joined_at"], condition=Q(ended_at=None), name="alert_not_ended"),
        ]

    def __str__(self) -> str:
        return f"alert {str(self.id)[:8]}"

    @property
    def etag(self) -> str:
        """The value of the ETag header and of If-Match, with its quotes: the verdicts, the sightings, and the end."""
        return f'"{self.version}-{self.count}{"-ended" if self.ended_at else ""}"'

    def has_version(self, etag: str) -> bool:
        """Return whether an ETag is of the verdict that the alert has; more sightings since do not matter."""
        return etag.strip('"').partition("-")[0] == str(self.version)

    @property
    def shown_person(self) -> Person | None:
        """Whom it is about: the person, or the one who stands for them since a merge; None if that is not known."""
        return (self.person.merged_into or self.person) if self.person else None

    @property
    def whom(self) -> str:
        """The name of whom it is about."""
        return self.shown_person.name if self.shown_person else _now("somebody unknown")

    @property
    def reason_text(self) -> str:
        """The reason of the verdict, in words."""
        return _now("Not this person") if self.reason == NOT_THIS_PERSON else self.reason

    @property
    def is_blind(self) -> bool:
        """Whether its numbers are kept from the reviewers until one of them has answered."""
        return settings.BLIND_REVIEW and self.status == self.Status.OPEN


class Appearance(models.Model):
    """One sighting of an alert. A face appears once for a person on a list, whatever alert it belongs to."""

    alert = models.ForeignKey(Alert, models.CASCADE, related_name="appearances")
    watchlist = models.ForeignKey(WatchList, models.CASCADE, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, null=True, related_name="+")
    face = models.ForeignKey(Face, models.CASCADE, related_name="appearances")
    photo = models.ForeignKey(Photo, models.CASCADE, related_name="+")
    distance = models.FloatField(null=True)
    margin = models.FloatField(null=True)
    seen_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("seen_at", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["watchlist", "face", "person"], name="appearance_once_per_list_face_person"
            ),
            models.UniqueConstraint(
                fields=["watchlist", "face"],
                condition=Q(person=None),
                name="appearance_once_per_list_unknown_face",
            ),
        ]

    def __str__(self) -> str:
        return f"appearance {self.pk}"


class Rejection(models.Model):
    """That a face is not a person, as a reviewer said; see `alerts.rejections`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    person = models.ForeignKey(Person, models.CASCADE, related_name="rejections")
    face = models.ForeignKey(Face, models.CASCADE, related_name="rejections")
    alert = models.ForeignKey(Alert, models.SET_NULL, null=True, related_name="rejections")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    undone_at = models.DateTimeField(_("undone"), null=True)
    hits = models.PositiveIntegerField(
        _("hidden"), default=0, help_text=_("How many sightings it kept from raising an alert.")
    )
    last_hit_at = models.DateTimeField(_("last hidden"), null=True)

    class Meta:
        verbose_name = _("rejection")
        verbose_name_plural = _("rejections")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["person", "face"],
                condition=Q(undone_at=None),
                name="rejection_once_until_undone",
            )
        ]

    def __str__(self) -> str:
        return f"rejection {str(self.id)[:8]}"


class Event(models.Model):
    """Something that happened to an alert, in the order in which it became visible; who hears of it, it knows not.

    `number` grows with each commit (`alerts.events`), so that a reader who has seen one has seen all before it.
    """

    class Kind(models.TextChoices):
        RAISED = "raised", _("raised")
        ENDED = "ended", _("ended")
        REVIEWED = "reviewed", _("reviewed")
        ESCALATED = "escalated", _("escalated")

    #: What may happen to one alert more than once.
    REPEATED = (Kind.REVIEWED, Kind.ENDED)

    number = models.BigIntegerField(unique=True)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="events")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind)
    status = models.CharField(
        max_length=16, choices=Alert.Status, help_text=_("The alert's status then.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)

    class Meta:
        ordering = ("number",)
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "kind"],
                condition=Q(kind__in=["raised", "escalated"]),
                name="event_once_unless_repeated",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class EventState(models.Model):
    """One row: the number of the newest event. Its row lock puts writers in order."""

    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"number {self.number}"
