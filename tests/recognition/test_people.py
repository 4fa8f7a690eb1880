"""Known people are merged and deleted without a trace left in any gallery."""

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from recognition import people, photos, reembedding
from recognition.engine import Engine
from recognition.gallery.exact import ExactGallery
from recognition.models import Embedding, KnownFace, Merge, Person, Photo, Sighting, Tombstone
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


def test_deleting_people_takes_all_that_came_of_them(known: ExactGallery) -> None:
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


class TestEnrolFace:
    def test_a_face_of_an_upload_makes_a_person_known(self, known: ExactGallery) -> None:
        ada, face = make.person(), make.face()
        enrolled = people.enrol_face(face, person=ada)
        assert (enrolled.created, enrolled.known_face.person) == (True, ada)
        known.refresh()
        assert len(known) == 1

    def test_a_second_time_changes_nothing(self) -> None:
        ada, face = make.person(), make.face()
        first = people.enrol_face(face, person=ada)
        again = people.enrol_face(face, person=ada)
        assert (again.created, again.known_face) == (False, first.known_face)

    def test_who_was_merged_stands_for_the_other(self) -> None:
        ada = make.person()
        merged = make.person("A. E.", merged_into=ada)
        assert people.enrol_face(make.face(), person=merged).known_face.person == ada

    def test_a_face_is_known_as_one_person_alone(self) -> None:
        ada, face = make.person(), make.face()
        people.enrol_face(face, person=ada)
        with pytest.raises(people.CannotEnrol, match="known as Ada Example") as refused:
            people.enrol_face(face, person=make.person("Bo Example"))
        assert refused.value.code == "known_as_another"
        assert KnownFace.objects.get().person == ada

    def test_a_face_of_low_quality_is_refused_with_the_reason(self) -> None:
        with pytest.raises(
            people.CannotEnrol, match=r"is 0\.41, and 0\.50 is the least"
        ) as refused:
            people.enrol_face(make.face(quality=0.41), person=make.person())
        assert refused.value.code == "low_quality"
        assert not KnownFace.objects.exists()

    def test_a_face_that_this_engine_did_not_recognise_is_refused(self) -> None:
        ada, faces = make.person(), [make.face() for _ in range(3)]
        faces.append(make.face(photo=make.photo(purpose="enrolment", person=ada)))
        Embedding.objects.filter(face=faces[0]).delete()
        Embedding.objects.filter(face=faces[1]).update(engine="another")
        Photo.objects.filter(pk=faces[2].photo_id).update(stage="detected")
        for face in faces:
            with pytest.raises(people.CannotEnrol) as refused:
                people.enrol_face(face, person=ada)
            assert refused.value.code == "not_recognised"

    def test_forgetting_it_keeps_the_upload(self) -> None:
        face = make.face()
        enrolled = people.enrol_face(face, person=make.person())
        people.forget_faces([enrolled.known_face])
        assert Photo.objects.filter(pk=face.photo_id).exists()
        assert Tombstone.objects.filter(known_face_id=enrolled.known_face.pk).exists()

    def test_deleting_the_person_keeps_the_upload(self, known: ExactGallery) -> None:
        ada, face = make.person(), make.face()
        people.enrol_face(face, person=ada)
        known.refresh()
        people.delete_people([ada])
        assert Photo.objects.filter(pk=face.photo_id).exists()
        known.refresh()
        assert len(known) == 0

    def test_deleting_the_upload_takes_it_out_of_every_gallery(self, known: ExactGallery) -> None:
        face = make.face()
        people.enrol_face(face, person=make.person())
        known.refresh()
        photos.delete_photos([face.photo])
        known.refresh()
        assert (len(known), KnownFace.objects.count()) == (0, 0)


@pytest.mark.usefixtures("photos_folder")
class TestEnrolledFromUploads:
    def test_the_next_photo_is_recognised_by_it(self, engine: Engine, known: ExactGallery) -> None:
        first = make.recognised(make.upload("obama-2010.jpg"), engine=engine, known=known)
        obama = people.enrol_face(first.faces.get(), person=make.person()).known_face.person
        second = make.recognised(make.upload("obama-2012.jpg"), engine=engine, known=known)
        assert second.sightings.get().person == obama

    def test_another_engine_describes_it_anew(self, engine: Engine, known: ExactGallery) -> None:
        photo = make.recognised(make.upload("obama-2010.jpg"), engine=engine, known=known)
        face = photo.faces.get()
        people.enrol_face(face, person=make.person())
        Embedding.objects.filter(face=face).update(engine="another")
        (outcome,) = reembedding.reembed(engine)
        assert (outcome.known_face.face, outcome.problem) == (face, "")
        assert Embedding.objects.get(face=face).engine == engine.name
        known.refresh()
        assert len(known) == 1

    @pytest.mark.parametrize("days", [-3, 3])
    def test_a_sighting_says_when_the_photo_was_taken(
        self, engine: Engine, known: ExactGallery, days: int
    ) -> None:
        first = make.recognised(make.upload("obama-2010.jpg"), engine=engine, known=known)
        people.enrol_face(first.faces.get(), person=make.person())
        taken = timezone.now() + timedelta(days=days)
        sent = make.upload("obama-2012.jpg", captured_at=taken)
        photo = make.recognised(sent, engine=engine, known=known)
        # Nothing was seen after it came in.
        assert photo.sightings.get().seen_at == min(taken, photo.created_at)


class TestUndoMerge:
    def test_gives_each_their_faces_back(self) -> None:
        ada, bo = make.person(), make.person("Bo Example")
        own, moved = make.known_face(ada), make.known_face(bo)
        done = people.merge(bo, into=ada, by=make.user())
        people.undo_merge(done)
        bo.refresh_from_db()
        assert bo.merged_into is None
        assert list(ada.known_faces.all()) == [own]
        assert list(bo.known_faces.all()) == [moved]

    def test_every_gallery_answers_as_before_the_merge(
        self, known: ExactGallery, engine: Engine
    ) -> None:
        random = np.random.default_rng(seed=5)

        def draw() -> np.ndarray:
            vector = random.normal(size=engine.dimensions).astype(np.float32)
            return np.asarray(vector / np.linalg.norm(vector))

        def answers(gallery: ExactGallery) -> dict[Any, list[float]]:
            found = gallery.search(probes)
            columns = zip(found.people, found.distances.T.tolist(), strict=True)
            return {person: column for person, column in columns if np.isfinite(column).all()}

        everyone = [make.person(f"Person {number}") for number in range(4)]
        for person in everyone:
            for _ in range(random.integers(1, 4)):
                make.known_face(person, vector=draw())
        probes = np.stack([draw() for _ in range(5)])
        states, merges = [answers(known)], []
        for goes, stays in ((0, 1), (2, 3), (1, 3)):
            merges.append(people.merge(everyone[goes], into=everyone[stays]))
            states.append(answers(known))
        for done in reversed(merges):
            states.pop()
            people.undo_merge(done)
            fresh = ExactGallery(engine)
            for gallery in (known, fresh):
                now = answers(gallery)
                assert now.keys() == states[-1].keys()
                assert all(np.allclose(now[one], states[-1][one], atol=1e-5) for one in now)

    def test_takes_along_those_who_were_merged_before(self) -> None:
        first, second, third = (make.person(f"Ada {number}") for number in range(3))
        people.merge(first, into=second)
        done = people.merge(second, into=third)
        people.undo_merge(done)
        first.refresh_from_db()
        assert first.merged_into == second

    def test_leaves_what_was_forgotten_or_came_since(self) -> None:
        ada, bo = make.person(), make.person("Bo Example")
        gone, stays = make.known_face(bo), make.known_face(bo)
        done = people.merge(bo, into=ada)
        people.forget_faces([gone])
        since = people.enrol_face(make.face(), person=ada).known_face
        people.undo_merge(done)
        assert list(bo.known_faces.all()) == [stays]
        assert list(ada.known_faces.all()) == [since]

    def test_returns_an_enrolment_that_was_on_its_way(self) -> None:
        ada, bo = make.person(), make.person("Bo Example")
        enrolment = make.photo(purpose="enrolment", person=bo)
        done = people.merge(bo, into=ada)
        # What a worker that finishes it now stores.
        late = KnownFace.objects.create(person=ada, face=make.face(photo=enrolment), revision=2)
        people.undo_merge(done)
        assert list(bo.known_faces.all()) == [late]

    def test_is_refused_a_second_time(self) -> None:
        done = people.merge(make.person("Bo Example"), into=make.person())
        people.undo_merge(done)
        with pytest.raises(people.CannotUnmerge, match="undone already"):
            people.undo_merge(done)

    def test_is_refused_while_the_one_who_stayed_is_merged(self) -> None:
        first, second, third = (make.person(f"Ada {number}") for number in range(3))
        done = people.merge(first, into=second)
        later = people.merge(second, into=third)
        with pytest.raises(people.CannotUnmerge, match="Ada 1 was merged into another"):
            people.undo_merge(done)
        people.undo_merge(later)
        people.undo_merge(done)
        assert set(people.known_people()) == {first, second, third}

    def test_lets_them_be_merged_again(self) -> None:
        ada, bo = make.person(), make.person("Bo Example")
        people.undo_merge(people.merge(bo, into=ada))
        bo.refresh_from_db()
        people.merge(bo, into=ada)
        assert people.merge_of(bo).into == ada

    def test_needs_a_merge(self) -> None:
        ada = make.person()
        for person in (ada, make.person("A. E.", merged_into=ada)):
            with pytest.raises(people.CannotUnmerge, match="not merged into another, or was"):
                people.merge_of(person)

    def test_a_merge_goes_with_its_people(self) -> None:
        ada, bo = make.person(), make.person("Bo Example")
        people.merge(bo, into=ada)
        people.delete_people([ada])
        assert not Merge.objects.exists()
