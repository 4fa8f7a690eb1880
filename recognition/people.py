"""Known people: enrolled by photos, merged, deleted. Every change reaches every worker before its next search."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from recognition import engine as engines
from recognition import gallery, lookback, photos
from recognition.models import Face, KnownFace, LookBack, Merge, Person, Photo


class CannotMerge(Exception):
    """These two people cannot become one; the text says why."""


class CannotUnmerge(Exception):
    """A merge cannot be undone; the text says why."""


class CannotEnrol(Exception):
    """Nobody can be known by this face: `code` says why to programs, the text to people."""

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Enrolled:
    """A known face, and whether this call made it one."""

    known_face: KnownFace
    created: bool


def known_people() -> "QuerySet[Person]":
    """Return the people who stand for themselves, not merged into another."""
    return Person.objects.filter(merged_into=None)


def enrol_face(face: Face, *, person: Person) -> Enrolled:
    """Make the face of a recognised upload one by which a person is known; a second call changes nothing.

    Who was merged stands for the other. Raises CannotEnrol with the code `known_as_another`, `low_quality` or
    `not_recognised`.
    """
    with transaction.atomic():
        revision = gallery.next_revision()
        person = Person.objects.select_for_update().get(pk=person.pk)
        person_id = person.merged_into_id or person.pk
        known = KnownFace.objects.select_related("person").filter(face=face.pk).first()
        if known is None:
            _check_face(face)
            known = KnownFace.objects.create(
                person_id=person_id, face_id=face.pk, revision=revision
            )
            lookback.request(person, why=LookBack.Why.ENROLLED)
            return Enrolled(known_face=known, created=True)
        if known.person_id != person_id:
            text = _("The face is known as %(name)s already; forget that first.")
            raise CannotEnrol(text % {"name": known.person.name}, code="known_as_another")
        return Enrolled(known_face=known, created=False)


def enrol_new(face: Face, *, name: str) -> Enrolled:
    """Add a person of this name who is known by the face. Raises CannotEnrol, and then adds nobody."""
    with transaction.atomic():
        return enrol_face(face, person=Person.objects.create(name=name))


def _check_face(face: Face) -> None:
    """Raise CannotEnrol unless the face is on a recognised upload and good enough to know somebody by."""
    recognised = Face.objects.filter(
        photo__purpose=Photo.Purpose.UPLOAD,
        photo__stage=Photo.Stage.DONE,
        embedding__engine=settings.ENGINE,
    )
    if not recognised.filter(pk=face.pk).exists():
        raise CannotEnrol(
            _("The face was not recognised by the engine in use: upload the photo again."),
            code="not_recognised",
        )
    if not face.can_enrol:
        text = _("The quality of the face is %(quality).2f, and %(least).2f is the least.")
        facts = {"quality": face.quality, "least": engines.MINIMUM_FOR_ENROLMENT}
        raise CannotEnrol(
            f"{text % facts} {_('Use a photo that shows it larger, sharper or more from the front.')}",
            code="low_quality",
        )


def merge(person: Person, *, into: Person, by: Any = None) -> Merge:
    """Make `person` one with `into`: known faces move, and watch-lists that name the one mean the other as well.

    The row of `person` stays and points to `into`, so that alerts keep their history; what moved is kept with the
    user who did it, for `undo_merge`. Raises CannotMerge.
    """
    if person.pk == into.pk:
        raise CannotMerge(_("A person cannot be merged into themselves."))
    with transaction.atomic():
        revision = gallery.next_revision()
        two = Person.objects.select_for_update().filter(pk__in=[person.pk, into.pk])
        if two.filter(merged_into=None).count() != len({person.pk, into.pk}):
            raise CannotMerge(
                _("One of the two was merged already; use the person it was merged into.")
            )
        moved = KnownFace.objects.filter(person=person)
        brought = Person.objects.filter(merged_into=person)
        done = Merge.objects.create(
            person=person,
            into=into,
            merged_by=by,
            known_faces=list(moved.order_by("pk").values_list("pk", flat=True)),
            people=[str(pk) for pk in brought.order_by("pk").values_list("pk", flat=True)],
        )
        moved.update(person=into, revision=revision)
        brought.update(merged_into=into)
        Person.objects.filter(pk=person.pk).update(merged_into=into)
        lookback.request(into, why=LookBack.Why.ENROLLED)
    person.merged_into = into
    return done


def merge_of(person: Person) -> Merge:
    """Return the merge by which a person stands for another. Raises CannotUnmerge if there is none."""
    found = Merge.objects.filter(person=person, undone_at=None).first()
    if found is None or person.merged_into_id is None:
        raise CannotUnmerge(
            _("The person is not merged into another, or was before merges could be undone.")
        )
    return found


def undo_merge(done: Merge) -> None:
    """Make two people of one again: what moved goes back, as far as it is still there and with the other.

    With it go the faces of enrolments of the one who was merged that came since. Sightings and faces that came since
    under the other's name stay there. Raises CannotUnmerge.
    """
    with transaction.atomic():
        revision = gallery.next_revision()
        done = Merge.objects.select_for_update(of=("self",)).get(pk=done.pk)
        _check_undo(done)
        back = Person.objects.filter(pk__in=done.people, merged_into=done.into_id)
        back.update(merged_into=done.person_id)
        Person.objects.filter(pk=done.person_id).update(merged_into=None)
        theirs = Q(face__photo__person=done.person_id) | Q(
            face__photo__person__merged_into=done.person_id
        )
        moved = KnownFace.objects.filter(
            Q(pk__in=done.known_faces) | theirs, person=done.into_id
        ).values_list("pk", flat=True)
        KnownFace.objects.filter(pk__in=list(moved)).update(
            person=done.person_id, revision=revision
        )
        Merge.objects.filter(pk=done.pk).update(undone_at=timezone.now())


def _check_undo(done: Merge) -> None:
    """Raise CannotUnmerge unless nothing was built on the merge since."""
    if done.undone_at:
        raise CannotUnmerge(_("The merge was undone already."))
    person = Person.objects.select_for_update(of=("self",)).get(pk=done.person_id)
    if person.merged_into_id == done.into_id:
        return
    text = _("%(name)s was merged into another person since; undo that merge first.")
    raise CannotUnmerge(text % {"name": done.into.name})


def forget_faces(known_faces: Iterable[KnownFace]) -> int:
    """Remove known faces with the enrolment photos that they came from, but no upload; return how many."""
    gone = list(known_faces)
    enrolments = list(
        Photo.objects.filter(
            faces__known_as__in=[known.pk for known in gone], purpose=Photo.Purpose.ENROLMENT
        )
    )
    with transaction.atomic():
        gallery.remove(gone)
        photos.delete_photos(enrolments)
    return len(gone)


def delete_people(people: Iterable[Person]) -> int:
    """Remove people, those merged into them, and their enrolment photos, faces, sightings and alerts.

    Uploads stay, also those with a face by which one of them was known.
    """
    ids = [person.pk for person in people]
    with transaction.atomic():
        ids += Person.objects.filter(merged_into__in=ids).values_list("pk", flat=True)
        gallery.remove(KnownFace.objects.filter(person__in=ids))
        photos.delete_photos(Photo.objects.filter(person__in=ids))
        Person.objects.filter(pk__in=ids).delete()
    return len(ids)
