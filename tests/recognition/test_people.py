"""Known people are merged and deleted without a trace left in any gallery."""

import pytest

from recognition import people
from recognition.gallery import Gallery
from recognition.models import KnownFace, Person, Photo, Sighting, Tombstone
from tests import make

pytestmark = pytest.mark.django_db


def test_a_merged_person_stands_for_the_other_and_leaves_the_list() -> None:
    ada, again = make.person(), make.person("Ada E.")
    make.known_face(again)
    people.merge(again, into=ada)
    again.refresh_from_db()
    assert again.merged_into == ada
    assert list(people.known_people()) == [ada]
    assert ada.known_faces.count() == 1


def test_merging_takes_along_those_who_were_merged_before() -> None:
    first, second, third = (make.person(f"Ada {number}") for number in range(3))
    people.merge(first, into=second)
    people.merge(second, into=third)
    assert set(Person.objects.filter(merged_into=third)) == {first, second}


def test_nobody_is_merged_into_themselves_or_into_a_merged_one() -> None:
    ada, again = make.person(), make.person("Ada E.")
    with pytest.raises(people.CannotMerge):
        people.merge(ada, into=ada)
    people.merge(again, into=ada)
    with pytest.raises(people.CannotMerge):
        people.merge(make.person("Bo Example"), into=again)


def test_deleting_people_takes_all_that_came_of_them(known: Gallery) -> None:
    ada, again, bo = make.person(), make.person("Ada E."), make.person("Bo Example")
    make.known_face(ada)
    make.known_face(bo)
    people.merge(again, into=ada)
    make.sighting(person=ada, face=make.face())
    known.refresh()
    assert people.delete_people([ada]) == 2
    assert list(Person.objects.all()) == [bo]
    assert not Sighting.objects.exists()
    assert not Photo.objects.filter(person=ada.pk).exists()
    known.refresh()
    assert len(known) == 1


def test_forgetting_a_face_takes_its_enrolment_and_leaves_a_tombstone() -> None:
    ada = make.person()
    face, kept = make.known_face(ada), make.known_face(ada)
    assert people.forget_faces([face]) == 1
    assert list(KnownFace.objects.all()) == [kept]
    assert ada.enrolments.count() == 1
    assert Tombstone.objects.filter(known_face_id=face.pk).exists()
