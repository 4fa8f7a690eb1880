"""How lists of alerts and subscriptions are narrowed down."""

import uuid

import django_filters
from django.db.models import Q, QuerySet
from django_filters.rest_framework import FilterSet

from alerts.models import Alert, Delivery, Digest, Outgoing, Subscription
from recognition.filters import MomentFilter


class AlertFilter(FilterSet):
    """Alerts by their state, whom they name, and when they were raised."""

    status = django_filters.ChoiceFilter(choices=Alert.Status.choices)
    person = django_filters.UUIDFilter(method="filter_person", label="The person's id.")
    watchlist = django_filters.UUIDFilter("watchlist_id", label="The watch-list's id.")
    created_after = MomentFilter("created_at", "gte", label="Not before.")

    class Meta:
        model = Alert
        fields: list[str] = []

    def filter_person(
        self, queryset: "QuerySet[Alert]", name: str, value: uuid.UUID
    ) -> "QuerySet[Alert]":
        """Return the alerts that name a person, or one merged into them."""
        return queryset.filter(Q(person=value) | Q(person__merged_into=value))


class SubscriptionFilter(FilterSet):
    """Subscriptions of one watch-list."""

    watchlist = django_filters.UUIDFilter("watchlist_id", label="The watch-list's id.")

    class Meta:
        model = Subscription
        fields: list[str] = []


class OutgoingFilter(FilterSet):
    """What was to be sent, by how far it has come and when it was made."""

    stage = django_filters.ChoiceFilter(choices=Outgoing.Stage.choices)
    created_after = MomentFilter("created_at", "gte", label="Not before.")


class DeliveryFilter(OutgoingFilter):
    """Deliveries of one alert, to one target, or in one digest."""

    alert = django_filters.UUIDFilter("alert_id", label="The alert's id.")
    digest = django_filters.UUIDFilter("digest_id", label="The digest's id.")
    target = django_filters.CharFilter("target", label="The whole e-mail address.")

    class Meta:
        model = Delivery
        fields: list[str] = []


class DigestFilter(OutgoingFilter):
    """Digests to one recipient."""

    recipient = django_filters.CharFilter("recipient", label="The whole e-mail address.")

    class Meta:
        model = Digest
        fields: list[str] = []
