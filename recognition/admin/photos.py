"""The admin of photos: sending several at once, seeing what became of each, trying failed ones again."""

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from recognition import incoming, photos, tasks
from recognition.admin import file_fields, pictures, removal, stages
from recognition.models import Face, KnownFace, Photo, Sighting

removal.register(Photo, Face, lookup="photo")
removal.register(Photo, KnownFace, lookup="face__photo")
removal.register(Photo, Sighting, lookup="photo")


class UploadForm(forms.ModelForm):
    """New photos to look at, all from one source."""

    photos = file_fields.PhotosField(
        label=_lazy("Photos"), help_text=_lazy("Several at once, as JPEG, PNG or WebP.")
    )

    class Meta:
        model = Photo
        fields = ("source",)

    field_order = ("photos", "source")


@admin.register(Photo)
class PhotoAdmin(admin.ModelAdmin):
    """Photos: sent here, then changed by workers alone."""

    list_display = (
        "picture",
        "progress",
        "face_count",
        "person_link",
        "source",
        "owner",
        "created_at",
    )
    list_display_links = ("picture", "progress")
    list_filter = (stages.StageFilter, "purpose", "created_at")
    list_select_related = ("owner", "person")
    list_per_page = 50
    date_hierarchy = "created_at"
    search_fields = ("source", "owner__username", "person__name")
    search_help_text = _lazy("Search by source, owner, or enrolled person")
    actions = ("retry_photos",)
    readonly_fields = (
        "progress",
        "attempts",
        "purpose",
        "person_link",
        "source",
        "owner",
        "size",
        "captured_at",
        "created_at",
        "finished_at",
    )

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the pictures."""
        return super().media + pictures.MEDIA

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow actions to those with the permission, and writing into a single photo to nobody."""
        return obj is None and super().has_change_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for name in self.readonly_fields if name != "person_link" or obj.person_id]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Photo]":
        faces = Face.objects.filter(photo=OuterRef("pk")).order_by().values("photo")
        count = faces.annotate(count=Count("pk")).values("count")
        rows = cast("QuerySet[Photo]", super().get_queryset(request))
        return rows.annotate(faces_found=Coalesce(Subquery(count), 0))

    @admin.display(description=_lazy("photo"))
    def picture(self, photo: Photo) -> SafeString:
        return pictures.thumbnail(photo)

    @admin.display(description=_lazy("stage"), ordering="stage")
    def progress(self, photo: Photo) -> SafeString:
        return stages.progress(photo)

    @admin.display(description=_lazy("faces"), ordering="faces_found")
    def face_count(self, photo: Any) -> int:
        return int(photo.faces_found)

    @admin.display(description=_lazy("size"))
    def size(self, photo: Photo) -> str:
        return f"{photo.width} × {photo.height}, {photo.format}, {photo.bytes / 1000:.0f} kB"

    @admin.display(description=_lazy("enrols"), empty_value="-")
    def person_link(self, photo: Photo) -> SafeString | None:
        if photo.person is None:
            return None
        address = reverse("admin:recognition_person_change", args=[photo.person.pk])
        return format_html('<a href="{}">{}</a>', address, photo.person)

    # Sending

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Take several photos at once, and say what became of each."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            intake = incoming.take(
                form.cleaned_data["photos"], owner=request.user, source=form.cleaned_data["source"]
            )
            incoming.tell(request, intake)
            where = "add" if intake.refused or not self._may_list(request) else "changelist"
            return redirect(f"admin:recognition_photo_{where}")
        fieldsets = [(None, {"fields": list(form.fields)})]
        context = {
            **self.admin_site.each_context(request),
            "title": _("Add photos"),
            "opts": self.opts,
            "adminform": AdminForm(form, fieldsets, {}, model_admin=self),
            "errors": form.errors,
            "may_list": self._may_list(request),
            "media": self.media + form.media,
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/recognition/photo/add.html", context)

    def _may_list(self, request: HttpRequest) -> bool:
        return self.has_view_or_change_permission(request)

    # Looking

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        photo = self.get_object(request, object_id)
        context: dict[str, Any] = {"may_retry": self.has_change_permission(request)}
        if photo:
            candidates = Sighting.objects.select_related("person").order_by("rank")
            faces = Face.objects.filter(photo=photo).defer("landmarks").order_by("index")
            context["faces"] = faces.select_related("known_as__person").prefetch_related(
                Prefetch("sightings", candidates)
            )
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # Trying again

    @admin.action(permissions=["change"], description=_lazy("Try failed photos again"))
    def retry_photos(self, request: HttpRequest, queryset: "QuerySet[Photo]") -> None:
        chosen = list(queryset)
        again = [photo for photo in chosen if photos.retry_photo(photo)]
        for photo in again:
            tasks.wake_photo(photo)
        if again:
            text = ngettext(
                "%d photo will be looked at again.",
                "%d photos will be looked at again.",
                len(again),
            )
            messages.success(request, text % len(again))
        if left := len(chosen) - len(again):
            text = ngettext("%d had not failed.", "%d had not failed.", left)
            messages.warning(request, text % left)

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return removal.describe(Photo, objs)

    def delete_model(self, request: HttpRequest, obj: Photo) -> None:
        photos.delete_photos([obj])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Photo]") -> None:
        photos.delete_photos(queryset)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        photo = self.get_object(request, object_id)
        response = super().delete_view(request, object_id, extra_context)
        if photo and photo.person_id and isinstance(response, HttpResponseRedirect):
            # An enrolment is removed from its person's page: back to it.
            return redirect("admin:recognition_person_change", photo.person_id)
        return response
