"""The admin of people: who they are, the photos that they are known by, and making one of two."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery, UUIDField
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from recognition import incoming, live, people, photos, tasks
from recognition.admin import file_fields, pictures, removal, stages
from recognition.admin.archives import ArchivePages, may_enrol
from recognition.admin.reasons import Reason, reason
from recognition.models import Face, KnownFace, Person, Photo, Sighting

removal.register(Person, KnownFace, lookup="person")
removal.register(Person, Photo, lookup="person", name=_lazy("enrolment photos"))
removal.register(Person, Sighting, lookup="person")

#: Fewest people who can become one.
FEWEST_TO_MERGE = 2


class PersonForm(forms.ModelForm):
    """A person, with new photos to know them by."""

    photos = file_fields.PhotosField(
        label=_lazy("Add photos"),
        required=False,
        help_text=_lazy(
            "Several at once, as JPEG, PNG or WebP. Each must show exactly one face: from the front, upright, sharp."
        ),
    )

    class Meta:
        model = Person
        fields = ("name", "notes")
        widgets: ClassVar = {"notes": forms.Textarea(attrs={"rows": 3})}


class MergedFilter(admin.SimpleListFilter):
    """People who were merged into another are left out, unless they are asked for."""

    title = _lazy("merged")
    parameter_name = "merged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _lazy("Merged into another")), ("all", _lazy("All"))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Person]") -> "QuerySet[Person]":
        if self.value() == "all":
            return queryset
        return queryset.filter(merged_into__isnull=self.value() != "yes")

    def choices(self, changelist: Any) -> Iterator[Any]:
        chosen = self.value()
        for value, title in [(None, _("Not merged")), *self.lookup_choices]:
            new = {self.parameter_name: value} if value else {}
            yield {
                "selected": chosen == value,
                "query_string": changelist.get_query_string(new, [self.parameter_name]),
                "display": title,
            }


class KnownFilter(admin.SimpleListFilter):
    """People who can be recognised, and those who cannot yet."""

    title = _lazy("known faces")
    parameter_name = "known"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("yes", _lazy("Some")),
            ("no", _lazy("None yet")),
            ("refused", _lazy("Some photos refused")),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Person]") -> "QuerySet[Person]":
        if self.value() == "refused":
            failed = Photo.objects.filter(person=OuterRef("pk"), stage=Photo.Stage.FAILED)
            return queryset.filter(Exists(failed))
        if self.value() not in ("yes", "no"):
            return queryset
        known = Exists(KnownFace.objects.filter(person=OuterRef("pk")))
        return queryset.filter(known if self.value() == "yes" else ~known)


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """A photo to know a person by, as it is shown: with its one face, once that was found."""

    photo: Photo
    face: Face | None
    badge: SafeString
    why: Reason | None

    @property
    def percent(self) -> int:
        """The quality of the face, in percent."""
        return round(self.face.quality * 100) if self.face else 0

    @property
    def is_good(self) -> bool:
        """Whether there is a face that no better photo is wanted for."""
        return self.face is not None and self.face.quality >= pictures.GOOD


class Saved(HttpResponseRedirect):
    """The way on after a person was saved with photos: to their own page, to follow them."""

    def __init__(self, person: Person) -> None:
        super().__init__(reverse("admin:recognition_person_change", args=[person.pk]))
        self.person = person


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    """People, and the photos that they are known by."""

    form = PersonForm
    list_display: tuple[Any, ...] = ("face_chip", "name", "known_count", "created_at")
    list_display_links = ("name",)
    list_filter: ClassVar[tuple[Any, ...]] = (MergedFilter, KnownFilter, "created_at")
    search_fields = ("name", "notes")
    search_help_text = _lazy("Search by name or notes")
    list_per_page = 50
    actions = ("merge_people",)

    @property
    def media(self) -> forms.Media:
        """The admin's own, with the look of the pictures."""
        return super().media + pictures.MEDIA

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Person]":
        known = KnownFace.objects.filter(person=OuterRef("pk"))
        count = known.order_by().values("person").annotate(count=Count("pk")).values("count")
        best = known.order_by("-face__quality", "pk").values("face_id")[:1]
        rows = cast("QuerySet[Person]", super().get_queryset(request))
        return rows.select_related("merged_into").annotate(
            best_face_id=Subquery(best, output_field=UUIDField()),
            faces_known=Coalesce(Subquery(count), 0),
        )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[Person]", search_term: str
    ) -> "tuple[QuerySet[Person], bool]":
        found, has_duplicates = super().get_search_results(request, queryset, search_term)
        if request.resolver_match and request.resolver_match.url_name == "autocomplete":
            # Nobody should be put on a list under a name that stands for another by now.
            found = found.filter(merged_into=None)
        return found, has_duplicates

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        may_write = self._may_write(request, obj)
        facts = ["created_at"] if obj else []
        if obj and obj.merged_into_id:
            facts.append("merged_into")
        return [
            (None, {"fields": ["name", "notes", *facts]}),
            *([(_("Photos to know them by"), {"fields": ["photos"]})] if may_write else []),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("created_at", "merged_into")

    @admin.display(description=_lazy("face"))
    def face_chip(self, person: Any) -> SafeString:
        return pictures.chip(person.best_face_id, of=person.name)

    @admin.display(description=_lazy("known faces"), ordering="faces_known")
    def known_count(self, person: Any) -> int:
        return int(person.faces_known)

    # Adding photos

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        response = super().changeform_view(request, object_id, form_url, extra_context)
        if isinstance(response, Saved):
            # Here the transaction of the form is over: files are written outside it, workers woken after it.
            files = request.FILES.getlist("photos")
            intake = incoming.take(files, owner=request.user, person=response.person)
            incoming.tell(request, intake)
        return response

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        if request.FILES.getlist("photos"):
            messages.success(request, _("%s was added.") % obj)
            return Saved(obj)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        if request.FILES.getlist("photos"):
            return Saved(obj)
        return super().response_change(request, obj)

    # The photos of a person

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"may_enrol": may_enrol(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            *ArchivePages(self.admin_site).urls(),
            path(
                "<uuid:person_id>/enrolments/",
                view(self.enrolments_view),
                name="recognition_person_enrolments",
            ),
            path(
                "<uuid:person_id>/enrolments/<uuid:photo_id>/retry/",
                view(self.retry_view),
                name="recognition_person_retry",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> Any:
        person = self.get_object(request, object_id)
        context = self._enrolments(request, person) if person else {}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def enrolments_view(self, request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
        """Show the photos of one person alone: what the open page puts in place of the older state."""
        person = get_object_or_404(Person, pk=person_id)
        if not self.has_view_or_change_permission(request, person):
            raise PermissionDenied
        context = self._enrolments(request, person) | {"original": person}
        return TemplateResponse(request, "admin/recognition/person/enrolments.html", context)

    def retry_view(
        self, request: HttpRequest, person_id: uuid.UUID, photo_id: uuid.UUID
    ) -> HttpResponse:
        """Put a failed photo of a person back to work, and go back to the person."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm("recognition.change_photo"):
            raise PermissionDenied
        person = get_object_or_404(Person, pk=person_id)
        photo = get_object_or_404(_enrolments_of(person), pk=photo_id)
        if photos.retry_photo(photo):
            tasks.wake_photo(photo)
            messages.success(request, _("The photo will be looked at again."))
        else:
            messages.warning(request, _("The photo has not failed; nothing was done."))
        return redirect("admin:recognition_person_change", person_id)

    def _enrolments(self, request: HttpRequest, person: Person) -> dict[str, Any]:
        # Before the photos are read: what changes in between is asked for again.
        version = live.people(request.user, [str(person.pk)])[str(person.pk)]
        faces = Face.objects.select_related("known_as").defer("landmarks")
        found = list(_enrolments_of(person).prefetch_related(Prefetch("faces", faces)))
        return {
            "enrolments": [
                Enrolment(
                    photo=photo,
                    face=next(iter(photo.faces.all()), None),
                    badge=stages.badge(photo),
                    why=reason(photo.error_code) if photo.error_code else None,
                )
                for photo in found
            ],
            "version": version,
            "enrolments_busy": any(photo.stage in Photo.OPEN_STAGES for photo in found),
            "may_retry": request.user.has_perm("recognition.change_photo"),
            "may_remove": request.user.has_perm("recognition.delete_photo"),
            "may_forget": request.user.has_perm("recognition.delete_knownface"),
        }

    # Deleting

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        return removal.describe(Person, _with_merged(objs))

    def delete_model(self, request: HttpRequest, obj: Person) -> None:
        self._delete([obj])

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Person]") -> None:
        self._delete(queryset)

    def _delete(self, chosen: Any) -> None:
        gone = _with_merged(chosen)
        people.delete_people(gone)
        removal.forget_names(gone)

    # Merging

    @admin.action(permissions=["change"], description=_lazy("Merge selected people into one"))
    def merge_people(self, request: HttpRequest, queryset: "QuerySet[Person]") -> Any:
        chosen = list(queryset)
        if len(chosen) < FEWEST_TO_MERGE:
            messages.warning(request, _("Choose two people or more to merge."))
            return None
        into = next((one for one in chosen if str(one.pk) == request.POST.get("into")), None)
        if into is None:
            return self._ask_who_stays(request, chosen)
        try:
            with transaction.atomic():
                for person in chosen:
                    if person.pk != into.pk:
                        people.merge(person, into=into, by=request.user)
                        self.log_change(request, person, _("Merged into %s.") % into.pk)
        except people.CannotMerge as error:
            messages.error(request, str(error))
            return None
        text = _("%(count)d people are one now: %(name)s.")
        messages.success(request, text % {"count": len(chosen), "name": into})
        return redirect("admin:recognition_person_change", into.pk)

    def _ask_who_stays(self, request: HttpRequest, chosen: list[Person]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Merge people"),
            "opts": self.opts,
            "media": self.media,
            "people": chosen,
            "asked": "post" in request.POST,
            "action_checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/recognition/person/merge.html", context)

    def _may_write(self, request: HttpRequest, obj: Any) -> bool:
        return self.has_change_permission(request, obj) if obj else self.has_add_permission(request)


def _enrolments_of(person: Person) -> "QuerySet[Photo]":
    """Return the photos that a person is known by, or may become, with those of the people merged into them."""
    return Photo.objects.filter(Q(person=person) | Q(person__merged_into=person))


def _with_merged(chosen: Any) -> list[Person]:
    """Return these people with those who were merged into them, who go when they go."""
    ids = [person.pk for person in chosen]
    return list(Person.objects.filter(Q(pk__in=ids) | Q(merged_into__in=ids)))
