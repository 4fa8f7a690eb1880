"""Known faces that another engine described: embeddings of two engines must never meet, so they are made anew."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from recognition import chips, gallery
from recognition.engine import Engine, EngineError
from recognition.models import Embedding, KnownFace


class AnotherEngine(EngineError):
    """The gallery was made by another engine; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one known face: `problem` is empty if it is known to the new engine."""

    known_face: KnownFace
    problem: str


def check_gallery(engine: str) -> None:
    """Raise AnotherEngine unless every known face with an embedding has it from this engine."""
    others = Embedding.objects.filter(face__known_as__isnull=False).exclude(engine=engine)
    if other := others.values_list("engine", flat=True).first():
        raise AnotherEngine(
            f"{others.count()} known faces were enrolled with the engine {other}, and FACEWATCH_ENGINE is {engine}: "
            f"nobody would be recognised by them. Run manage.py enrol --re-embed, or set FACEWATCH_ENGINE={other}."
        )


def foreign_faces(engine: str) -> "QuerySet[KnownFace]":
    """Return the known faces that this engine does not know, oldest first."""
    own = Embedding.objects.filter(face=OuterRef("face"), engine=engine)
    return (
        KnownFace.objects.filter(~Q(Exists(own)))
        .select_related("face__photo", "person")
        .order_by("pk")
    )


def reembed(engine: Engine) -> Iterator[Outcome]:
    """Describe every foreign known face by this engine, from its stored chip, and tell of each.

    Stopping in between loses nothing, the next call goes on. A face that this engine cannot find keeps its row and its
    photo but loses its embedding: nobody is recognised by it until another engine or a better photo brings one.
    """
    for known in foreign_faces(engine.name).iterator(chunk_size=100):
        face = known.face
        try:
            chip = chips.read_for(engine, face)
        except FileNotFoundError:
            chip, problem = None, "its file is gone; enrol a photo again"
        else:
            problem = "" if chip else "no face is found in it any more; enrol another photo"
        vector = engine.embed([engine.align(chip)])[0] if chip else None
        with transaction.atomic():
            revision = gallery.next_revision()
            # Deleted meanwhile: nothing to do.
            if not KnownFace.objects.filter(pk=known.pk).update(revision=revision):
                continue
            Embedding.objects.filter(face=face).delete()
            if vector is not None:
                Embedding.objects.create(face=face, engine=engine.name, vector=vector)
        yield Outcome(known_face=known, problem=problem)
