"""The gallery is compared with its faces, one by one; what differs is told, and has a consequence."""

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from recognition import audits, gallery, loaded, tasks
from recognition import engine as engines
from recognition.engine import Embeddings, Engine
from recognition.gallery import PersonDistances, parity
from recognition.gallery.exact import ExactGallery
from recognition.models import Embedding, GalleryAudit, KnownFace
from tests import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def faces() -> list[KnownFace]:
    """Nine faces of three people."""
    rng = np.random.default_rng(2)
    made = []
    for name in ("Ada Example", "Bo Example", "Cy Example"):
        person, centre = make.person(name), rng.standard_normal(128)
        for _ in range(3):
            vector = (centre + 0.5 * rng.standard_normal(128)).astype(np.float32)
            made.append(make.known_face(person, vector=vector / np.linalg.norm(vector)))
    return made


@pytest.fixture
def fresh() -> Any:
    """The gallery of the process, loaded anew."""
    loaded.known.cache_clear()
    yield
    loaded.known.cache_clear()


def ask(count: str = "20") -> str:
    output = StringIO()
    call_command("audit-gallery", "--probes", count, stdout=output)
    return output.getvalue()


def test_a_gallery_that_agrees_passes(
    engine: Engine, known: ExactGallery, faces: list[KnownFace]
) -> None:
    row = audits.audit(known, engine=engine, probes=20)
    assert (row.held, row.faces, row.probes, row.agreed) == ("exact", 9, 18, 18)
    assert row.is_passed
    # All of 18 prove little: after Wilson, at z = 1.96, no less than 18 / (18 + z²).
    assert row.low == pytest.approx(18 / (18 + 1.96**2), abs=1e-3)
    assert row.high == 1
    assert audits.failed() is None


@pytest.mark.parametrize(
    ("agreed", "probes"), [(0, 1), (1, 1), (0, 200), (199, 200), (200, 200), (9_990, 10_000)]
)
def test_the_interval_is_the_one_that_scipy_gives(agreed: int, probes: int) -> None:
    expected = scipy.stats.binomtest(agreed, probes).proportion_ci(method="wilson")
    assert parity.wilson(agreed, of=probes) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


def test_nobody_known_passes(engine: Engine, known: ExactGallery) -> None:
    row = audits.audit(known, engine=engine)
    assert (row.probes, row.recall, row.is_passed) == (0, 1.0, True)


@pytest.mark.parametrize("name", ["opencv", "dlib"])
def test_half_of_the_probes_are_known_faces_seen_anew(
    name: str, faces: list[KnownFace], settings: Settings
) -> None:
    engine = engines.load(name)
    Embedding.objects.update(engine=name)
    settings.ENGINE = name
    for axis in range(9):
        make.face(vector=np.eye(128, dtype=np.float32)[axis])
    probes = parity.draw(engine, count=10, seed=1)
    stored = np.stack([face.face.embedding.vector for face in faces])
    nearest = engine.distances(probes, stored).min(axis=1)
    assert len(probes) == 10
    far = parity.MOVED * engine.thresholds.alert
    assert ((0.9 * far < nearest[:5]) & (nearest[:5] < 1.01 * far)).all()
    assert np.allclose(np.linalg.norm(probes, axis=1), 1, atol=1e-5)


def test_drawn_faces_may_be_few_among_many_that_are_gone(
    engine: Engine, faces: list[KnownFace]
) -> None:
    Embedding.objects.filter(pk=faces[0].face.embedding.pk).update(id=1_000_000)
    assert len(parity.draw(engine, count=18, seed=1)) >= 9


def test_after_one_that_failed_one_of_fewer_probes_does_not_pass(
    engine: Engine, known: ExactGallery, faces: list[KnownFace]
) -> None:
    facts = {"engine": engine.name, "held": "exact", "faces": 9, "low": 0.1, "high": 0.5}
    GalleryAudit.objects.create(probes=18, agreed=9, is_passed=False, **facts)
    assert not audits.audit(known, engine=engine, probes=4).is_passed
    assert audits.audit(known, engine=engine, probes=18).is_passed


def test_strangers_do_not_count(
    engine: Engine, known: ExactGallery, faces: list[KnownFace]
) -> None:
    strangers = [make.face(vector=np.eye(128, dtype=np.float32)[axis]) for axis in range(100)]
    assert (
        known.search(np.stack([one.embedding.vector for one in strangers])).distances.min() > 0.53
    )
    row = audits.audit(known, engine=engine, probes=60)
    assert 9 <= row.probes < 20
    assert row.is_passed


def test_people_in_several_parts_are_compared_with_all_their_faces(
    engine: Engine, known: ExactGallery, faces: list[KnownFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity, "FACES", 2)
    monkeypatch.setattr(parity, "PROBES", 4)
    told: list[int] = []
    row = audits.audit(known, engine=engine, probes=18, tell=told.append)
    assert (row.agreed, sum(told)) == (18, 18)


def test_a_snapshot_that_differs_is_told_and_thrown_away(
    engine: Engine,
    faces: list[KnownFace],
    tmp_path: Path,
    settings: Settings,
    mailoutbox: list[Any],
) -> None:
    settings.OPERATORS = ["ops@example.org"]
    known = ExactGallery(engine, folder=tmp_path, mapped_from=1)
    known.refresh()
    (file,) = tmp_path.glob("*/vectors.npy")
    # A disk that gives back other bytes than it was given.
    damaged = np.load(file)
    with file.open("r+b") as stream:
        stream.seek(-damaged.nbytes, 2)
        stream.write(np.roll(damaged, 64, axis=1).tobytes())
    row = audits.audit(known, engine=engine, probes=18)
    assert not row.is_passed
    assert audits.failed() == row
    (mail,) = mailoutbox
    assert mail.to == ["ops@example.org"]
    assert f"{row.missed} of 18 probes" in mail.body
    assert audits.audit(known, engine=engine, probes=18).is_passed
    assert audits.failed() is None


def test_a_bad_one_is_logged_where_no_operator_is_named(
    engine: Engine, faces: list[KnownFace], caplog: pytest.LogCaptureFixture
) -> None:
    assert not audits.audit(forgetful(engine), engine=engine, probes=18).is_passed
    assert "18 of 18 probes" in caplog.text


def test_who_is_enrolled_meanwhile_spoils_nothing(
    engine: Engine, known: ExactGallery, faces: list[KnownFace]
) -> None:
    def enrol(_done: int) -> None:
        if KnownFace.objects.count() == 9:
            make.known_face(make.person("Di Example"), vector=faces[0].face.embedding.vector)

    row = audits.audit(known, engine=engine, probes=18, tell=enrol)
    assert (row.faces, row.probes, row.agreed) == (10, 18, 18)


def forgetful(engine: Engine) -> ExactGallery:
    """A gallery that finds nobody."""

    class Forgetful(ExactGallery):
        def search(self, probes: Embeddings, /) -> PersonDistances:
            return PersonDistances(people=[], distances=np.empty((len(probes), 0), np.float32))

    return Forgetful(engine)


def change(_done: int) -> None:
    with transaction.atomic():
        gallery.next_revision()


def test_known_faces_that_never_hold_still_are_said_to(
    engine: Engine, faces: list[KnownFace]
) -> None:
    with pytest.raises(parity.Busy):
        audits.audit(forgetful(engine), engine=engine, tell=change)
    assert not GalleryAudit.objects.exists()


def test_answers_that_agree_need_not_hold_still(
    engine: Engine, known: ExactGallery, faces: list[KnownFace]
) -> None:
    assert audits.audit(known, engine=engine, probes=18, tell=change).is_passed


def test_the_command_prints_what_it_found(faces: list[KnownFace], fresh: None) -> None:
    told = ask()
    assert "known faces" in told
    assert "100.00% (82.41% to 100.00%)" in told
    assert GalleryAudit.objects.get().is_passed


def test_the_command_has_no_index_to_make_anew_where_there_is_none(fresh: None) -> None:
    with pytest.raises(CommandError, match="FACEWATCH_GALLERY is not pgvector"):
        call_command("audit-gallery", "--rebuild")


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_the_command_refuses_what_is_no_number(count: str) -> None:
    with pytest.raises(CommandError, match="no number of probes"):
        ask(count)


def test_of_several_workers_one_audits_in_a_night(faces: list[KnownFace], fresh: None) -> None:
    tasks.audit_gallery.call_local()
    tasks.audit_gallery.call_local()
    assert GalleryAudit.objects.count() == 1
