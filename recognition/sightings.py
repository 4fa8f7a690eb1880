"""Who may be on a photo, as rows: made of what was matched, also anew when more people are known."""

from collections.abc import Sequence

from recognition.matching import Match
from recognition.models import Face, Person, Photo, Sighting


def build(photo: Photo, faces: Sequence[Face], matches: Sequence[Match]) -> list[Sighting]:
    """Return the sightings of a photo, not saved; call it in a transaction. People deleted meanwhile are left out.

    `faces` are in the order in which they were matched. People are locked: none goes before the rows are there.
    """
    people = Person.objects.select_for_update().filter(pk__in={one.person_id for one in matches})
    alive = set(people.values_list("pk", flat=True))
    # A camera whose clock is ahead must not be the last to have seen somebody until then.
    seen_at = min(photo.captured_at or photo.created_at, photo.created_at)
    return [
        Sighting(
            photo=photo,
            face=faces[match.face],
            person_id=match.person_id,
            distance=match.distance,
            rank=match.rank,
            margin=match.margin,
            seen_at=seen_at,
        )
        for match in matches
        if match.person_id in alive
    ]


def replace(photo: Photo, fresh: Sequence[Sighting]) -> bool:
    """Store these sightings of a photo instead of those that it has; return whether they differ. In a transaction."""
    stored = {_facts(one) for one in Sighting.objects.filter(photo=photo)}
    if stored == {_facts(one) for one in fresh}:
        return False
    Sighting.objects.filter(photo=photo).delete()
    Sighting.objects.bulk_create(fresh)
    return True


def _facts(sighting: Sighting) -> tuple[object, ...]:
    """Return what makes two sightings the same; distances to what a comparison of floats can tell."""
    margin = None if sighting.margin is None else round(sighting.margin, 5)
    return (
        sighting.face_id,
        sighting.person_id,
        sighting.rank,
        round(sighting.distance, 5),
        margin,
    )
