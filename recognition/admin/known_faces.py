"""The admin of known faces: the gallery that photos are searched in, to look through and to thin out."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _lazy

from recognition import people
from recognition.admin import pictures, removal
from recognition.models import KnownFace, Photo

removal.register(
    KnownFace,
    Photo,
    lookup="faces__known_as",
    name=_lazy("enrolment photos that they came from"),
    only=Q(purpose=Photo.Purpose.ENROLMENT),
)


class QualityFilter(admin.SimpleListFilter):
    """Known faces that could be replaced by better ones, and those that are good."""

    title = _lazy("quality")
    parameter_name = "quality"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("enough", _lazy("Enough")), ("good", _lazy("Good"))]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[KnownFace]"
    ) -> "QuerySet[KnownFace]":
        if self.value() == "enough":
            return queryset.filter(face__quality__lt=pictures.GOOD)
        if self.value() == "good":
            return queryset.filter(face__quality__gte=pictures.GOOD)
        return queryset


@admin.register(KnownFace)
class KnownFaceAdmin(admin.ModelAdmin):
    """Known faces: they come from a person's photos, so they are only looked at and removed here."""

    list_display = ("face_chip", "person_link", "quality", "created_at")
    list_display_links = ("face_chip",)
    list_filter = (QualityFilter, "created_at")
    ordering = ("-created_at", "-id")
    list_select_related = ("person", "face")
    list_per_page = 50
    search_fields = ("person__name",)
    search_help_text = _lazy("Search by the person's name")
    fields = readonly_fields = ("face_chip", "person_link", "quality", "photo_link", "created_at")

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the pictures."""
        return super().media + pictures.MEDIA

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: photos are added to a person."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody: the next photo of the person adds what is missing."""
        return False

    @admin.display(description=_lazy("face"))
    def face_chip(self, known: KnownFace) -> SafeString:
        return pictures.chip(known.face_id, of=known.person.name)

    @admin.display(description=_lazy("person"), ordering="person__name")
    def person_link(self, known: KnownFace) -> SafeString:
        address = reverse("admin:recognition_person_change", args=[known.person_id])
        return format_html('<a href="{}">{}</a>', address, known.person)

    @admin.display(description=_lazy("quality"), ordering="face__quality")
    def quality(self, known: KnownFace) -> str:
        return f"{known.face.quality:.0%}"

    @admin.display(description=_lazy("photo"))
    def photo_link(self, known: KnownFace) -> SafeString:
        address = reverse("admin:recognition_photo_change", args=[known.face.photo_id])
        return format_html('<a href="{}">{}</a>', address, known.face.photo)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return removal.describe(KnownFace, objs)

    def delete_model(self, request: HttpRequest, obj: KnownFace) -> None:
        people.forget_faces([obj])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[KnownFace]") -> None:
        people.forget_faces(queryset)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        known = self.get_object(request, object_id)
        response = super().delete_view(request, object_id, extra_context)
        if known and isinstance(response, HttpResponseRedirect):
            return redirect("admin:recognition_person_change", known.person_id)
        return response
