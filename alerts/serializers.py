"""The JSON of watch-lists, subscriptions and alerts, and what is accepted of them."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from alerts import explaining, targets, watch, ways
from alerts.models import Alert, Delivery, Digest, Outgoing, Rejection, Subscription, WatchList
from recognition.people import known_people
from recognition.serializers import FaceLink, PersonName, PhotoLink


class WatchListSerializer(serializers.ModelSerializer[WatchList]):
    """People to raise an alert for when they are seen."""

    people = serializers.PrimaryKeyRelatedField(many=True, queryset=known_people(), required=False)
    effective_threshold = serializers.SerializerMethodField(
        help_text="The threshold in force: the list's own, else the engine's."
    )

    class Meta:
        model = WatchList
        fields = [
            *("id", "name", "people", "threshold", "effective_threshold", "ambiguity_margin"),
            *("cooldown_seconds", "priority", "active_from", "active_until", "active_days"),
            *("time_zone", "only_sources", "except_sources", "unknown_rule", "unknown_count"),
            *("unknown_seconds", "escalate_after_seconds", "purpose", "expires_at", "is_active"),
            "created_at",
        ]
        read_only_fields = ["id", "created_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse hours that begin and never end, or the other way round."""
        return _with_both(attrs, self.instance, "active_from", "active_until")

    def get_effective_threshold(self, watchlist: WatchList) -> float:
        """Return the largest distance that raises an alert on this list."""
        return watch.threshold_of(watchlist, engine=settings.ENGINE)


class MaskedTarget(serializers.ModelSerializer[Any]):
    """Tells what is secret in a target to those alone who may change the row."""

    #: The field that holds it, and who may see it.
    masked, may_see = "target", ""

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the fields."""
        shown = super().to_representation(instance)
        shown[self.masked] = targets.show(
            instance.channel,
            shown[self.masked],
            to=self.context["request"].user,
            permission=self.may_see,
        )
        return shown


class SubscriptionSerializer(MaskedTarget):
    """Someone who hears of a list's alerts, at once or in batches."""

    may_see = "alerts.change_subscription"

    class Meta:
        model = Subscription
        fields = [
            *("id", "watchlist", "mode", "channel", "target", "daily_at", "time_zone"),
            *("quiet_from", "quiet_until", "tells_nothing_seen", "is_active", "ended_because"),
            "created_at",
        ]
        read_only_fields = ["id", "ended_because", "created_at"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a target that the channel cannot reach."""
        _with_both(attrs, self.instance, "quiet_from", "quiet_until")
        # What was stored before may be switched off whatever it is.
        if self.instance and all(
            attrs.get(name, getattr(self.instance, name)) == getattr(self.instance, name)
            for name in ("channel", "target", "mode")
        ):
            return attrs
        channel = attrs.get("channel") or getattr(
            self.instance, "channel", Subscription.Channel.EMAIL
        )
        if channel not in ways.offered():
            text = "This server does not offer that channel."
            raise serializers.ValidationError({"channel": [text]})
        target = str(attrs.get("target") or getattr(self.instance, "target", ""))
        mode = attrs.get("mode") or getattr(self.instance, "mode", Subscription.Mode.INSTANT)
        by = self.context["request"].user
        try:
            targets.check(str(channel), target, mode=str(mode), by=by)
        except ValidationError as error:
            raise serializers.ValidationError(error.message_dict) from error
        return attrs


class SecretSerializer(serializers.Serializer[Any]):
    """The secret by which a webhook's messages are signed; it is told this once."""

    secret = serializers.CharField()


class NewSubscriptionSerializer(SubscriptionSerializer):
    """A new subscription; of a webhook with the secret, which is told this once."""

    class Meta(SubscriptionSerializer.Meta):
        fields = [*SubscriptionSerializer.Meta.fields, "secret"]
        read_only_fields = [*SubscriptionSerializer.Meta.read_only_fields, "secret"]

    def to_representation(self, instance: Subscription) -> dict[str, Any]:
        """Return the fields, without a secret where there is none."""
        shown = super().to_representation(instance)
        return (
            shown if instance.secret else {name: shown[name] for name in shown if name != "secret"}
        )


class AlertSerializer(serializers.ModelSerializer[Alert]):
    """A person of a watch-list was possibly seen."""

    person = PersonName(allow_null=True, help_text="Null: the face is of nobody who is known.")
    watchlist = PersonName()
    rival = PersonName(allow_null=True, help_text="The next other person, if it is ambiguous.")
    explanation = serializers.SerializerMethodField(help_text="Why it was raised, in words.")
    best_face = FaceLink(allow_null=True, help_text="Of its best picture.")
    photo = PhotoLink()
    face = FaceLink()
    reviewed_by = serializers.CharField(
        source="reviewed_by.username", default=None, allow_null=True, help_text="The user's name."
    )

    class Meta:
        model = Alert
        fields = [
            *("id", "status", "historic", "person", "watchlist", "photo", "face", "distance"),
            *("margin", "threshold", "explanation", "is_ambiguous", "rival", "source", "count"),
            *("first_seen_at", "last_seen_at", "ended_at", "best_face"),
            *("created_at", "reviewed_at", "reviewed_by", "reason"),
        ]
        read_only_fields = fields

    def get_explanation(self, alert: Alert) -> str:
        """Return why the alert was raised, in words."""
        return explaining.explain(alert)


class VerdictSerializer(serializers.Serializer[Any]):
    """What an operator makes of an alert; `unsure` sets it aside for a second look, `open` takes a verdict back."""

    status = serializers.ChoiceField(choices=Alert.Status.choices)
    reason = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class RejectionSerializer(serializers.ModelSerializer[Rejection]):
    """A face that is not a person, as a reviewer said: it hides what looks more like it than like the person."""

    person = PersonName()
    face = FaceLink()

    class Meta:
        model = Rejection
        fields = [
            *("id", "person", "face", "alert", "hits", "last_hit_at", "created_at", "expires_at")
        ]
        read_only_fields = fields


class FailureSerializer(serializers.Serializer[Any]):
    """Why the last attempt did not succeed."""

    code = serializers.CharField(source="error_code")
    detail = serializers.CharField(source="error_detail")


class OutgoingSerializer(MaskedTarget):
    """What deliveries and digests have in common."""

    error = serializers.SerializerMethodField()
    next_try_at = serializers.SerializerMethodField(help_text="None unless it is to be sent.")
    message_id = serializers.SerializerMethodField(
        help_text="By which the receiver knows it, a mail's Message-ID or a webhook-id; the same each time."
    )

    @extend_schema_field(FailureSerializer(allow_null=True))
    def get_error(self, row: Outgoing) -> Any:
        """Return why the last attempt did not succeed; None if none failed."""
        return FailureSerializer(row).data if row.error_code else None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_next_try_at(self, row: Outgoing) -> Any:
        """Return when it is tried at the earliest; None if nothing is to be tried."""
        if row.stage not in row.OPEN_STAGES:
            return None
        return serializers.DateTimeField().to_representation(row.next_try_at)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_message_id(self, row: Delivery | Digest) -> str | None:
        """Return what the receiver knows it by; None while it is open to which digest a delivery will belong."""
        return ways.message_id(row)


def _with_both(attrs: dict[str, Any], stored: Any, start: str, end: str) -> dict[str, Any]:
    """Return the fields if hours have both ends or none. Raises ValidationError."""
    given = [attrs.get(name, getattr(stored, name, None)) for name in (start, end)]
    if (given[0] is None) != (given[1] is None):
        text = "Give both ends of the hours, or none."
        raise serializers.ValidationError({end if given[1] is None else start: [text]})
    return attrs


#: Fields of how far a message has come.
PROGRESS = (
    *("stage", "error", "attempts", "next_try_at", "message_id"),
    *("created_at", "finished_at"),
)


class DeliverySerializer(OutgoingSerializer):
    """That one target hears of one alert."""

    may_see = "alerts.change_delivery"

    class Meta:
        model = Delivery
        fields = [
            *("id", "alert", "kind", "subscription", "channel", "target", "mode", "digest"),
            *PROGRESS,
        ]
        read_only_fields = fields


class DigestSerializer(OutgoingSerializer):
    """One mail to one recipient about the alerts of one window."""

    masked, may_see = "recipient", "alerts.change_digest"

    class Meta:
        model = Digest
        fields = [
            *("id", "channel", "recipient", "mode", "window_start", "window_end"),
            *PROGRESS,
        ]
        read_only_fields = fields
