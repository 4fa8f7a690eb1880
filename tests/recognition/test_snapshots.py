"""The workers of a machine share the known faces of a large gallery, and never trust what does not add up."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from django.db import transaction

from recognition import gallery
from recognition.engine import Engine
from recognition.gallery import exact, snapshots
from recognition.gallery.exact import ExactGallery
from recognition.models import GalleryState, KnownFace
from tests import make
from tests.make import unit

pytestmark = pytest.mark.django_db


@pytest.fixture
def faces() -> list[KnownFace]:
    """Six faces of three people."""
    everyone = [make.person(f"Person {number}") for number in range(3)]
    return [make.known_face(everyone[axis % 3], vector=unit(axis)) for axis in range(6)]


def worker(engine: Engine, folder: Path) -> ExactGallery:
    """A worker's that shares faces from the first on."""
    return ExactGallery(engine, folder=folder, mapped_from=1)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def axes(folder: Path) -> set[int]:
    """The axes of the faces that the snapshot holds."""
    (name,) = names(folder)
    return set(np.load(folder / name / "vectors.npy").argmax(axis=1).tolist())


def found(known: ExactGallery, axis: int) -> object:
    """Who is nearest, if it is the very face."""
    answer = known.search(unit(axis)[None])
    column = int(answer.distances[0].argmin())
    return answer.people[column] if answer.distances[0, column] < 1e-3 else None


def test_a_small_gallery_writes_none(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    known = ExactGallery(engine, folder=tmp_path)
    assert found(known, 4) == faces[4].person_id
    assert not known.is_mapped
    assert names(tmp_path) == []


def test_the_second_worker_reads_no_face_from_the_database(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    worker(engine, tmp_path).refresh()
    # Behind the back of both: only the first has seen it.
    embedding = faces[0].face.embedding
    embedding.vector = unit(99)
    embedding.save()
    second = worker(engine, tmp_path)
    assert found(second, 0) == faces[0].person_id
    assert second.is_mapped


def test_changes_after_it_are_seen_by_all(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    first, second = worker(engine, tmp_path), worker(engine, tmp_path)
    first.refresh()
    with transaction.atomic():
        gallery.remove([faces[0]])
    new = make.known_face(make.person("Ada Example"), vector=unit(50))
    for known in (first, second):
        assert found(known, 0) is None
        assert found(known, 50) == new.person_id
        assert found(known, 3) == faces[3].person_id
        assert len(known) == 6


def test_many_changes_make_a_new_one_which_others_take_over(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    first, second = (
        ExactGallery(engine, folder=tmp_path, mapped_from=1, least_above=2, apart=0)
        for _ in range(2)
    )
    first.refresh()
    second.refresh()
    (before,) = names(tmp_path)
    person = make.person("Ada Example")
    for axis in (50, 51, 52):
        make.known_face(person, vector=unit(axis))
    first.refresh()
    (after,) = names(tmp_path)
    assert after > before
    written = (tmp_path / after / "vectors.npy").stat().st_mtime_ns
    second.refresh()
    assert found(second, 51) == person.pk
    assert names(tmp_path) == [after]
    assert (tmp_path / after / "vectors.npy").stat().st_mtime_ns == written


def test_while_one_writes_others_go_on_with_what_they_have(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    known = ExactGallery(engine, folder=tmp_path, mapped_from=1, least_above=0, apart=0)
    known.refresh()
    before = names(tmp_path)
    new = make.known_face(make.person("Ada Example"), vector=unit(50))
    with snapshots.turn(tmp_path, wait=False) as is_ours:
        assert is_ours
        assert found(known, 50) == new.person_id
        assert names(tmp_path) == before


def test_who_was_forgotten_is_in_none_after_a_day(
    engine: Engine, faces: list[KnownFace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = worker(engine, tmp_path)
    known.refresh()
    with transaction.atomic():
        gallery.remove([faces[0]])
    known.refresh()
    assert axes(tmp_path) == {0, 1, 2, 3, 4, 5}
    monkeypatch.setattr(exact, "RENEWED_SECONDS", -1.0)
    known.refresh()
    assert axes(tmp_path) == {1, 2, 3, 4, 5}
    assert found(known, 2) == faces[2].person_id


def test_one_of_another_state_of_the_database_is_thrown_away(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    worker(engine, tmp_path).refresh()
    # As if an older backup had been restored, and somebody else been enrolled since.
    KnownFace.objects.filter(pk=faces[5].pk).delete()
    fresh = worker(engine, tmp_path)
    assert found(fresh, 5) is None
    assert len(fresh) == 5
    assert found(worker(engine, tmp_path), 4) == faces[4].person_id


def test_one_of_another_history_that_counts_alike_is_thrown_away(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    before = GalleryState.objects.get().revision
    gone = make.known_face(make.person("Ada Example"), vector=unit(50))
    worker(engine, tmp_path).refresh()
    # A backup is restored, its sequences as well, and somebody else enrolled: the next in number.
    KnownFace.objects.filter(pk=gone.pk).delete()
    GalleryState.objects.update(revision=before)
    came = make.known_face(make.person("Bo Example"), vector=unit(60))
    KnownFace.objects.filter(pk=came.pk).update(id=gone.pk)
    fresh = worker(engine, tmp_path)
    assert found(fresh, 60) == came.person_id
    assert found(fresh, 50) is None


def test_one_of_a_gallery_that_was_small_meanwhile_is_gone(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    worker(engine, tmp_path).refresh()
    ExactGallery(engine, folder=tmp_path, mapped_from=7).refresh()
    assert names(tmp_path) == []


def test_a_gallery_that_becomes_small_leaves_none(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    known = ExactGallery(engine, folder=tmp_path, mapped_from=6)
    known.refresh()
    was_mapped = known.is_mapped
    with transaction.atomic():
        gallery.remove(faces[:2])
    known.refresh()
    assert (was_mapped, known.is_mapped) == (True, False)
    assert names(tmp_path) == []
    assert found(known, 4) == faces[4].person_id


def test_that_of_another_engine_goes(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    (tmp_path / "dlib-00000000000000000007-0badcafe").mkdir()
    worker(engine, tmp_path).refresh()
    (name,) = names(tmp_path)
    assert name.startswith("opencv-")


def test_one_that_another_worker_replaced_is_not_built_upon(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    one, other = (
        ExactGallery(engine, folder=tmp_path, mapped_from=1, least_above=0, apart=0)
        for _ in range(2)
    )
    one.refresh()
    other.refresh()
    # What one has is damaged in its memory, say; an audit had the other make it anew.
    other.forget()
    other.refresh()
    (name,) = names(tmp_path)
    make.known_face(make.person("Ada Example"), vector=unit(50))
    one.refresh()
    assert names(tmp_path) == [name]
    assert found(one, 50) is not None


def test_a_disk_that_is_full_keeps_nobody_from_searching(
    engine: Engine,
    faces: list[KnownFace],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "turn").mkdir()
    known = worker(engine, tmp_path)
    assert found(known, 4) == faces[4].person_id
    new = make.known_face(make.person("Ada Example"), vector=unit(50))
    known.settle()
    assert found(known, 50) == new.person_id
    assert "cannot be shared" in caplog.text


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\x93NUMPY"])
@pytest.mark.parametrize("name", ["facts.json", "vectors.npy", "starts.npy"])
def test_a_damaged_one_is_not_used(
    engine: Engine, faces: list[KnownFace], tmp_path: Path, name: str, content: bytes
) -> None:
    worker(engine, tmp_path).refresh()
    (folder,) = names(tmp_path)
    (tmp_path / folder / name).write_bytes(content)
    fresh = worker(engine, tmp_path)
    assert found(fresh, 4) == faces[4].person_id
    assert len(fresh) == 6


@pytest.mark.parametrize("name", ["by_id.npy", "by_person.npy", "ids.npy", "starts.npy"])
def test_one_whose_parts_do_not_fit_together_is_not_used(
    engine: Engine, faces: list[KnownFace], tmp_path: Path, name: str
) -> None:
    worker(engine, tmp_path).refresh()
    (folder,) = names(tmp_path)
    file = tmp_path / folder / name
    np.save(file, np.load(file)[:-1] + 1000)
    fresh = worker(engine, tmp_path)
    assert found(fresh, 4) == faces[4].person_id
    assert len(fresh) == 6


def test_one_that_goes_while_it_is_mapped_is_still_there_for_whom_it_is(
    engine: Engine, faces: list[KnownFace], tmp_path: Path
) -> None:
    known = worker(engine, tmp_path)
    known.refresh()
    shutil.rmtree(tmp_path)
    assert found(known, 4) == faces[4].person_id


def test_nobody_else_may_read_it(engine: Engine, faces: list[KnownFace], tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    worker(engine, folder).refresh()
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / names(folder)[0]).stat().st_mode & 0o077 == 0
