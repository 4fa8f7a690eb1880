"""What is to be told, was told, or could not be."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from alerts.masking import mask
from alerts.models.incidents import Alert, Event
from alerts.models.watchlists import Subscription
from ledger.models import Work


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
    """One message to one recipient about the alerts of one window."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.CharField(
        max_length=16, choices=Subscription.Channel, default=Subscription.Channel.EMAIL
    )
    recipient = models.CharField(_("recipient"), max_length=500)
    mode = models.CharField(_("mode"), max_length=16, choices=Subscription.Mode)
    window_start = models.DateTimeField(_("from"))
    window_end = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        ordering = ("-window_end", "recipient")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["channel", "recipient", "mode", "window_start"],
                name="digest_once_per_window",
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
        return f"{self.mode} digest for {mask(self.channel, self.recipient)}"

    @property
    def notice_id(self) -> uuid.UUID:
        """The id of the notice that tells this; each channel makes its own of it, such as a Message-ID."""
        return self.id


class Delivery(Outgoing):
    """That one recipient hears of one event, by itself or in a digest; the row is the only leave to tell them."""

    #: A webhook may be away for days; see `alerts.channels.webhook`.
    PATIENT = Q(channel=Subscription.Channel.WEBHOOK, attempts__gt=0)
    LONGEST_WAIT = 86_400.0

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alert = models.ForeignKey(Alert, models.CASCADE, related_name="deliveries")
    subscription = models.ForeignKey(Subscription, models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(Event, models.CASCADE, null=True, related_name="deliveries")
    kind = models.CharField(_("kind"), max_length=16, choices=Event.Kind, default=Event.Kind.RAISED)
    channel = models.CharField(max_length=16, choices=Subscription.Channel)
    target = models.CharField(_("target"), max_length=500)
    mode = models.CharField(_("mode"), max_length=16, choices=Subscription.Mode)
    told_status = models.CharField(
        max_length=16,
        choices=Alert.Status,
        blank=True,
        help_text=_("The alert's status as it was told."),
    )
    told_count = models.PositiveIntegerField(
        null=True, help_text=_("The alert's number of sightings as it was told.")
    )
    digest = models.ForeignKey(
        Digest, models.SET_NULL, null=True, blank=True, related_name="deliveries"
    )

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-created_at", "-id")
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["alert", "subscription"],
                condition=Q(kind="raised"),
                name="delivery_once_per_subscription",
            ),
            models.UniqueConstraint(
                fields=["alert", "channel", "target"],
                condition=Q(kind="raised"),
                name="delivery_once_per_target",
            ),
            models.UniqueConstraint(
                fields=["event", "channel", "target"], name="delivery_once_per_event"
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
        return f"delivery to {mask(self.channel, self.target)}"

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
    target = models.CharField(max_length=500, blank=True)
    #: The channel has answered for others since.
    alone = models.BooleanField(default=False)
    #: How often in a row it did not answer.
    failures = models.PositiveIntegerField(default=0)
    until = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["channel", "target"], name="outage_once_per_target")
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.target} until {self.until:%Y-%m-%d %H:%M:%S}"
