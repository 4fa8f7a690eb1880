"""The abstract unit of work, the workers, the windows of periodic jobs, what is paused, and what was done when."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Work(models.Model):
    """A row that says what is to be done with it: the base of photos, searches, deliveries and digests.

    A row in one of its model's `OPEN_STAGES` waits for, or is held by, a worker. Who holds a `lease_token` whose
    `lease_until` has not passed is the only one at work on the row; see `ledger.leases`.
    """

    #: Stages in which something is still to be done.
    OPEN_STAGES: ClassVar[tuple[str, ...]] = ()
    #: Claims of one stage before the row becomes `failed`.
    MAX_ATTEMPTS: ClassVar[int] = 5
    #: Rows that may wait longer between two attempts than `leases.backoff` lets any, and for how many seconds.
    PATIENT: ClassVar[Q | None] = None
    LONGEST_WAIT: ClassVar[float] = 0.0
    FAILED: ClassVar[str] = "failed"

    stage = models.CharField(_("stage"), max_length=16, editable=False)
    #: Added to the priority of the row's wake-ups: 0, or less for work that nobody waits for.
    priority = models.SmallIntegerField(default=0, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    next_try_at = models.DateTimeField(_("next try at"), default=timezone.now, editable=False)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    failed_stage = models.CharField(max_length=16, blank=True, editable=False)
    error_code = models.CharField(_("error"), max_length=40, blank=True, editable=False)
    error_detail = models.TextField(_("error detail"), blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    class Meta:
        abstract = True


class Worker(models.Model):
    """A worker process, as it last reported itself."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=80, blank=True)
    pid = models.PositiveIntegerField(default=0)
    queues = models.CharField(max_length=80, default="detect,recognise,deliver")
    engine = models.CharField(max_length=40)
    memory_bytes = models.BigIntegerField(null=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    doing = models.CharField(max_length=120, blank=True)
    doing_since = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class Served(models.Model):
    """How long workers were busy with what a queue woke them for, within one minute; see `ledger.capacity`."""

    queue = models.CharField(max_length=20)
    starts_at = models.DateTimeField()
    seconds = models.FloatField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["queue", "starts_at"], name="served_once_per_minute")
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.starts_at:%Y-%m-%d %H:%M}"


class Window(models.Model):
    """The fact that a periodic job has run for one window of time: the row keeps a second run out."""

    job = models.CharField(max_length=80)
    opens_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["job", "opens_at"], name="window_once_per_job")
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.opens_at:%Y-%m-%d %H:%M}"


class Pause(models.Model):
    """That nothing of a subject is begun: the row is the pause; see `ledger.pauses`."""

    subject = models.CharField(max_length=60, unique=True)
    paused_at = models.DateTimeField(default=timezone.now)
    paused_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    def __str__(self) -> str:
        return self.subject


class Minute(models.Model):
    """How many rows of a model came to their end within one minute, and how many waited at its end."""

    subject = models.CharField(max_length=60, help_text=_("The model's label."))
    starts_at = models.DateTimeField()
    done = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    #: None if nobody counted: the minute was made up for later.
    waiting = models.PositiveIntegerField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["subject", "starts_at"], name="minute_once")
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.starts_at:%Y-%m-%d %H:%M}"
