"""Who is looked for, who must hear of it, and what was told. Data goes one way: alerts → deliveries → digests."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from ledger.models import Work
from recognition.models import Face, Person, Photo


class WatchList(models.Model):
    """People to raise an alert for when they are seen."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(_("name"), max_length=100, unique=True)
    people = models.ManyToManyField(
        Person, verbose_name=_("people"), related_name="watchlists", blank=True
    )
    threshold = models.FloatField(
        _("threshold"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0)],
        help_text=_(
            "Largest distance that raises an alert; smaller is stricter. Empty: what the engine recommends."
        ),
    )
    cooldown_seconds = models.PositiveIntegerField(
        _("cooldown in seconds"),
        default=0,
        help_text=_(
            "After an alert, the same person raises no further one on this list for so long."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("watch-list")
        verbose_name_plural = _("watch-lists")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """Someone who wants to hear of a list's alerts: at once, or in batches."""

    class Mode(models.TextChoices):
        INSTANT = "instant", _("at once")
        HOURLY = "hourly", _("hourly")
        DAILY = "daily", _("daily")

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    watchlist = models.ForeignKey(
        WatchList, models.CASCADE, related_name="subscriptions", verbose_name=_("watch-list")
    )
    mode = models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.INSTANT)
    channel = models.CharField(_("channel"), max_length=16, choices=Channel, default=Channel.EMAIL)
    target = models.CharField(_("target"), max_length=254, help_text=_("The e-mail address."))
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("watchlist__name", "target", "id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["watchlist", "channel", "target"],
                name="subscription_once_per_target",
                violation_error_message=_("This target is subscribed to this list already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.target} ({self.mode})"


class Alert(models.Model):
    """A person of a watch-list was possibly seen: what raised it, and what an operator made of it."""

    class Status(models.TextChoices):
        OPEN = "open", _("open")
        CONFIRMED = "confirmed", _("confirmed")
        DISMISSED = "dismissed", _("dismissed")
        UNSURE = "unsure", _("can't tell")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    watchlist = models.ForeignKey(WatchList, models.CASCADE, related_name="alerts")
    person = models.ForeignKey(Person, models.CASCADE, related_name="alerts")
    face = models.ForeignKey(Face, models.CASCADE, related_name="alerts")
    photo = models.ForeignKey(Photo, models.CASCADE, related_name="alerts")
    distance = models.FloatField(_("distance"))
    threshold = models.FloatField(_("threshold"), help_text=_("The list's threshold at the time."))
    margin = models.FloatField(
        _("margin"), null=True, help_text=_("How much farther the next other person was.")
    )
    historic = models.BooleanField(_("historic"), default=False)
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
            models.CheckConstraint(
                condition=Q(status="open", reviewed_at=None)
                | Q(status__in=["confirmed", "dismissed", "unsure"], reviewed_at__isnull=False),
                name="alert_reviewed_unless_open",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-created_at", "-id"], name="alert_newest_first"),
            models.Index(fields=["status", "-created_at"], name="alert_by_status"),
            models.Index(fields=["watchlist", "person", "-created_at"], name="alert_cooldown"),
        ]

    def __str__(self) -> str:
        return f"alert {str(self.id)[:8]}"

    @property
    def etag(self) -> str:
        """The value of the ETag header and of If-Match, with its quotes."""
        return f'"{self.version}"'

    @property
    def is_blind(self) -> bool:
        """Whether its numbers are kept from the reviewers until one of them has answered."""
        return settings.BLIND_REVIEW and self.status == self.Status.OPEN


class Outgoing(Work):
    """Something to send, at most once; `alerts.sending` says how.

    What is between `sending` and `sent` when its sender dies is `unknown`: nobody can tell whether it arrived.
    """

    class Stage(models.TextChoices):
        BATCHED = "batched", _("waits for its digest")
        PENDING = "pending", _("to be sent")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown whether sent")
        DROPPED = "dropped", _("no longer wanted")

    OPEN_STAGES = (Stage.PENDING,)
    #: With the longest wait of the back-off, a mail server may be away for about a day.
    MAX_ATTEMPTS = 150

    class Meta:
        abstract = True


class Digest(Outgoing):
    """One e-mail to one recipient about the alerts of one window."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recipient = models.CharField(_("recipient"), max_length=254)
    mode = models.CharField(_("mode"), max_length=16, choices=Subscription.Mode)
    window_start = models.DateTimeField(_("from"))
    window_end = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        ordering = ("-window_end", "recipient")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["recipient", "mode", "window_start"], name="digest_once_per_window"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["stage", "next_try_at"],
                condition=Q(stage="pending") | Q(stage="sending"),
                name="digest_unsent",
            ),
            models.Index(fields=["-created_at", "-id"], name="digest_newest_first"),
            models.Index(fields=["finished_at", "stage"], name="digest_finished"),
            models.Index(
                fields=["stage", "error_code", "finished_at"],
                condition=Q(stage="failed") | Q(stage="unknown"),
                name="digest_not_told",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} digest for {self.recipient}"

    @property
    def notice_id(self) -> uuid.UUID:
        """The id of the notice that tells this; each channel makes its own of it, such as a Message-ID."""
        return self.id


class Delivery(Outgoing):
    """That one recipient hears of one alert, by itself or in a digest; the row is the only leave to tell them."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="deliveries")
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=16, choices=Subscription.Channel)
    target = models.CharField(_("target"), max_length=254)
    mode = models.CharField(_("mode"), max_length=16, choices=Subscription.Mode)
    digest = models.ForeignKey(
        Digest, models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "subscription"], name="delivery_once_per_subscription"
            ),
            models.UniqueConstraint(
                fields=["alert", "channel", "target"], name="delivery_once_per_target"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["stage", "next_try_at"],
                condition=Q(stage="batched") | Q(stage="pending") | Q(stage="sending"),
                name="delivery_unsent",
            ),
            models.Index(fields=["-created_at", "-id"], name="delivery_newest_first"),
            models.Index(fields=["finished_at", "stage"], name="delivery_finished"),
            models.Index(
                fields=["stage", "error_code", "finished_at"],
                condition=Q(stage="failed") | Q(stage="unknown"),
                name="delivery_not_told",
            ),
        ]

    def __str__(self) -> str:
        return f"delivery to {self.target}"

    @property
    def notice_id(self) -> uuid.UUID | None:
        """The id of the notice that tells this, alone or with the rest of its digest; None before that is opened."""
        if self.digest_id:
            return self.digest_id
        return None if self.stage == self.Stage.BATCHED else self.id


class Outage(models.Model):
    """A channel, or one target of it, that did not answer when it was last used; see `alerts.outages`."""

    channel = models.CharField(max_length=16, choices=Subscription.Channel)
    #: Empty: the channel answers for nobody.
    target = models.CharField(max_length=254, blank=True)
    #: The channel has answered for others since.
    alone = models.BooleanField(default=False)
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "target"], name="outage_once_per_target")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.target} until {self.until:%Y-%m-%d %H:%M:%S}"
