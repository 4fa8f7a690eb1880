"""How lists of photos and people are narrowed down."""

import uuid
from datetime import UTC
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import FilterSet

from recognition.models import LookBack, Person, Photo, Sighting


class MomentField(IsoDateTimeField):
    """A time, in UTC: PostgreSQL takes no offset of 16 hours or more."""

    def clean(self, value: Any) -> Any:
        """Return the time; none for an empty text. Raises ValidationError."""
        moment = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError("Give a time between the years 1 and 9999.") from error


class MomentFilter(django_filters.IsoDateTimeFilter):
    """By a time in ISO 8601."""

    field_class = MomentField


class PhotoFilter(FilterSet):
    """Uploads, unless `purpose` asks for enrolments."""

    stage = django_filters.ChoiceFilter(choices=Photo.Stage.choices)
    source = django_filters.CharFilter()
    created_after = MomentFilter("created_at", "gte", label="Not before.")
    created_before = MomentFilter("created_at", "lt", label="Before.")
    person = django_filters.UUIDFilter(method="filter_person", label="A candidate of any rank.")
    purpose = django_filters.ChoiceFilter(
        choices=Photo.Purpose.choices, method="filter_purpose", label="`upload` unless said."
    )

    class Meta:
        model = Photo
        fields: list[str] = []

    def filter_queryset(self, queryset: "QuerySet[Photo]") -> "QuerySet[Photo]":
        found: QuerySet[Photo] = super().filter_queryset(queryset)
        if not self.form.cleaned_data["purpose"]:
            found = found.filter(purpose=Photo.Purpose.UPLOAD)
        return found

    def filter_purpose(
        self, queryset: "QuerySet[Photo]", name: str, value: str
    ) -> "QuerySet[Photo]":
        """Return the photos of one purpose."""
        return queryset.filter(purpose=value)

    def filter_person(
        self, queryset: "QuerySet[Photo]", name: str, value: uuid.UUID
    ) -> "QuerySet[Photo]":
        """Return the photos on which a person, or one merged into them, may be."""
        seen = Sighting.objects.filter(
            Q(person=value) | Q(person__merged_into=value), photo=OuterRef("pk")
        )
        return queryset.filter(Exists(seen))


class PersonFilter(FilterSet):
    """People by a part of their name."""

    search = django_filters.CharFilter("name", "icontains", label="A part of the name.")

    class Meta:
        model = Person
        fields: list[str] = []


class LookBackFilter(FilterSet):
    """Searches of stored photos for one person, or in one stage."""

    person = django_filters.UUIDFilter("person_id", label="The person's id.")
    stage = django_filters.ChoiceFilter(choices=LookBack.Stage.choices)

    class Meta:
        model = LookBack
        fields: list[str] = []
