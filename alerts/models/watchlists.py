"""Who is looked for by which rules, and who wants to hear of it."""

import uuid
from datetime import time
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from alerts.hours import check_days, check_zone
from alerts.masking import mask
from recognition.models import Person

#: The most seconds that a rule may name, ten years, and the most times.
LONGEST_SECONDS, MOST_TIMES = 315_360_000, 1000


def check_sources(sources: object) -> None:
    """Raise ValidationError unless this is a list of names of sources."""
    if not isinstance(sources, list) or not all(isinstance(name, str) for name in sources):
        raise ValidationError(_("Give a list of names of sources."))


class WatchList(models.Model):
    """People to raise an alert for when they are seen, and the rules by which one is raised; see `alerts.watch`."""

    class Priority(models.TextChoices):
        LOW = "low", _("low")
        NORMAL = "normal", _("normal")
        HIGH = "high", _("high: also in quiet hours")

    class UnknownRule(models.TextChoices):
        NONE = "none", _("none")
        ANY = "any", _("any unknown face")
        REPEATED = "repeated", _("an unknown face that is seen several times")

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
    ambiguity_margin = models.FloatField(
        _("ambiguity margin"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.0)],
        help_text=_(
            "If another person is nearly as alike, within this distance, a reviewer decides before anybody is told."
            " Empty: what the engine recommends; 0: never."
        ),
    )
    cooldown_seconds = models.PositiveIntegerField(
        _("cooldown in seconds"),
        default=300,
        validators=[MaxValueValidator(LONGEST_SECONDS)],
        help_text=_(
            "Sightings of one person at one source that are no farther apart are one alert, told once. 0: each photo"
            " is an alert of its own."
        ),
    )
    priority = models.CharField(
        _("priority"), max_length=8, choices=Priority, default=Priority.NORMAL
    )
    active_from = models.TimeField(
        _("active from"), null=True, blank=True, help_text=_("Empty: the whole day.")
    )
    active_until = models.TimeField(
        _("active until"),
        null=True,
        blank=True,
        help_text=_("Earlier than the beginning: until then on the next day."),
    )
    active_days = models.JSONField(
        _("active days"),
        default=list,
        blank=True,
        validators=[check_days],
        help_text=_("1 is Monday, 7 Sunday; the day on which the hours begin. Empty: every day."),
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[check_zone],
        help_text=_("Of the hours and days, such as Europe/Berlin."),
    )
    only_sources = models.JSONField(
        _("only these sources"),
        default=list,
        blank=True,
        validators=[check_sources],
        help_text=_("Empty: all sources."),
    )
    except_sources = models.JSONField(
        _("not these sources"), default=list, blank=True, validators=[check_sources]
    )
    unknown_rule = models.CharField(
        _("unknown faces"),
        max_length=16,
        choices=UnknownRule,
        default=UnknownRule.NONE,
        help_text=_("Also raise an alert for faces of nobody who is known."),
    )
    unknown_count = models.PositiveSmallIntegerField(
        _("unknown: times"),
        default=3,
        validators=[MinValueValidator(2), MaxValueValidator(MOST_TIMES)],
        help_text=_("How often an unknown face must be seen. What one cooldown joins counts once."),
    )
    unknown_seconds = models.PositiveIntegerField(
        _("unknown: within seconds"),
        default=86_400,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SECONDS)],
    )
    escalate_after_seconds = models.PositiveIntegerField(
        _("escalate after seconds"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SECONDS)],
        help_text=_(
            "If nobody has reviewed an alert for so long, those are told who subscribed to that. Empty: never."
        ),
    )
    purpose = models.TextField(
        _("purpose"),
        blank=True,
        help_text=_("Why these people are looked for, and on what ground."),
    )
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("From then on it raises no alert.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_canary = models.BooleanField(default=False, editable=False)
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
        ESCALATION = "escalation", _("if nobody reviews it in time")

    class Channel(models.TextChoices):
        EMAIL = "email", _("e-mail")
        WEBHOOK = "webhook", _("webhook")
        APPRISE = "apprise", _("Apprise")
        SINK = "sink", _("nowhere: the canary's")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    watchlist = models.ForeignKey(
        WatchList, models.CASCADE, related_name="subscriptions", verbose_name=_("watch-list")
    )
    mode = models.CharField(_("mode"), max_length=16, choices=Mode, default=Mode.INSTANT)
    channel = models.CharField(_("channel"), max_length=16, choices=Channel, default=Channel.EMAIL)
    target = models.CharField(
        _("target"),
        max_length=500,
        help_text=_("The e-mail address, the webhook's URL, or the Apprise URL."),
    )
    daily_at = models.TimeField(
        _("daily at"), default=time(8), help_text=_("When a daily digest is due, there.")
    )
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[check_zone],
        help_text=_("Of the recipient, such as Europe/Berlin; mails give their times in it."),
    )
    quiet_from = models.TimeField(
        _("quiet from"),
        null=True,
        blank=True,
        help_text=_("What comes in quiet hours is told together at their end. Empty: none."),
    )
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    tells_nothing_seen = models.BooleanField(
        _("also when nothing was seen"),
        default=True,
        help_text=_("A daily digest then says how many photos were looked at, or that none were."),
    )
    secret = models.CharField(
        max_length=100, blank=True, editable=False, help_text=_("By which a webhook is signed.")
    )
    previous_secret = models.CharField(
        max_length=100,
        blank=True,
        editable=False,
        help_text=_("The one before, valid for a while."),
    )
    secret_changed_at = models.DateTimeField(null=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    ended_because = models.CharField(
        _("switched off because"),
        max_length=200,
        blank=True,
        editable=False,
        help_text=_("If it was not staff: the recipient's wish, or that the target is gone."),
    )
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
        return f"{mask(self.channel, self.target)} ({self.mode})"
