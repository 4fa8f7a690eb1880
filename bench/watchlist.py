"""A watch-list among strangers: false alerts, misses, and how often anybody is told, rule by rule.

    python -m bench.watchlist PEOPLE_DIR

PEOPLE_DIR has a folder per person, as Labeled Faces in the Wild has. The 50 people with the most photos are watched by
three photos each. Then everybody comes by, two visitors at a time: a visit is up to five photos of a person, 20 s
apart, and each shows a face of either visitor. After each pair a reviewer, who knows the truth, judges what was raised.
The rules are switched on one after another. All of it goes through the project's own code and a database of its own;
only the faces are looked for before.
"""

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import machine, margins
from recognition import engine as engines
from recognition.evaluation.faces import Faces

#: People who are watched, photos by which each is, and most photos of a visit.
PEOPLE, ENROLLED, BURST = 50, 3, 5
#: Seconds between two photos of a visit, and minutes between two visits.
APART, PAUSE = 20, 30
#: Samples of the bootstrap, by visit, and the share that its intervals hold.
SAMPLES, SHARE = 2000, 0.95
ENGINE = "opencv"
#: The engine's own threshold, and one of somebody who would rather look at strangers than miss anybody.
THRESHOLDS = (engines.THRESHOLDS[ENGINE].alert, 0.6)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Which rules are on."""

    name: str
    joint: bool = False
    band: bool = False
    rejections: bool = False


VARIANTS = (
    Rules(name="nearest person of each face"),
    Rules(name="+ joint assignment", joint=True),
    Rules(name="+ ambiguity band", joint=True, band=True),
    Rules(name="+ “not this person”", joint=True, band=True, rejections=True),
)


@dataclass(kw_only=True)
class Tally:
    """What one pair of visits came to."""

    photos: int = 0
    faces: int = 0
    watched: int = 0
    false_told: int = 0
    false_reviewed: int = 0
    missed: int = 0
    held: int = 0
    alerts: int = 0
    sightings: int = 0


@dataclass(kw_only=True)
class Outcome:
    """What all pairs came to."""

    tallies: list[Tally] = field(default_factory=list)

    def rate(self, name: str, *, per: str = "photos", scale: float = 1000) -> str:
        """Return a rate with its interval: a bootstrap over the pairs of visits.

        Of what happened in no pair the upper end is the exact binomial one (Clopper and Pearson, Biometrika 26, 1934)
        for the pairs in which it could.
        """
        counts = np.array([getattr(one, name) for one in self.tallies], dtype=np.float64)
        bases = np.array([getattr(one, per) for one in self.tallies], dtype=np.float64)
        rng = np.random.default_rng(7)
        picks = rng.integers(0, len(counts), size=(SAMPLES, len(counts)))
        rates = scale * counts[picks].sum(axis=1) / np.maximum(bases[picks].sum(axis=1), 1)
        low, high = np.quantile(rates, [(1 - SHARE) / 2, (1 + SHARE) / 2])
        if not counts.any():
            possible = int(np.count_nonzero(bases))
            of_pairs = 1 - ((1 - SHARE) / 2) ** (1 / max(possible, 1))
            high = scale * of_pairs * possible / max(bases.sum(), 1)
        return f"{scale * counts.sum() / max(bases.sum(), 1):.1f} ({low:.1f} to {high:.1f})"


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One person comes by: the rows of their faces, their number, and the same if they are watched."""

    rows: list[int]
    number: int
    person: int | None


def plan(faces: Faces, *, seed: int = 3) -> tuple[dict[int, list[int]], list[tuple[Visit, ...]]]:
    """Return the enrolled rows of each watched person, and the visits, two at a time, in a fixed random order."""
    rng = np.random.default_rng(seed)
    found = np.flatnonzero(faces.found)
    people, counts = np.unique(faces.people[found], return_counts=True)
    watched = people[np.argsort(-counts, kind="stable")][:PEOPLE]
    enrolled, visits = {}, []
    for person in people:
        rows = [int(row) for row in found[faces.people[found] == person]]
        if person in watched:
            enrolled[int(person)], rows = rows[:ENROLLED], rows[ENROLLED:]
        visits += [
            Visit(
                rows=rows[start : start + BURST],
                number=int(person),
                person=int(person) if person in watched else None,
            )
            for start in range(0, len(rows), BURST)
        ]
    order = [visits[number] for number in rng.permutation(len(visits))]
    pairs: list[tuple[Visit, ...]] = []
    while order:
        first = order.pop()
        # Nobody comes by with themselves.
        other = next((one for one in reversed(order) if one.number != first.number), None)
        if other:
            order.remove(other)
        pairs.append((first, other) if other else (first,))
    return enrolled, pairs


class Site:
    """A watch-list in a database, as workers and reviewers see it; needs Django to be set up."""

    def __init__(
        self, faces: Faces, enrolled: dict[int, list[int]], rules: Rules, *, threshold: float
    ) -> None:
        from alerts.models import Alert, WatchList
        from recognition.gallery.exact import ExactGallery
        from recognition.models import Person, Photo
        from tests import make

        self._make = make
        self._faces = faces
        self._rules = rules
        self._engine = engines.load(ENGINE)
        self._known = ExactGallery(self._engine)
        Photo.objects.all().delete()
        Person.objects.all().delete()
        WatchList.objects.all().delete()
        self._alerts = Alert.objects
        self._people = {}
        for number, rows in enrolled.items():
            person = make.person(f"Person {number}")
            self._people[number] = person.pk
            for row in rows:
                make.known_face(person, vector=faces.embeddings[row])
        margin = None if rules.band else 0.0
        self.watchlist = make.watchlist(
            people=tuple(Person.objects.all()),
            threshold=threshold,
            ambiguity_margin=margin,
            cooldown_seconds=300,
        )

    def see(self, visits: tuple[Visit, ...], *, at: datetime) -> Tally:
        """Take in what a camera sees of some visits, have it reviewed, and return what it came to."""
        tally = Tally()
        truth: dict[Any, Any] = {}
        for step in range(max(len(visit.rows) for visit in visits)):
            here = [visit for visit in visits if step < len(visit.rows)]
            tally.photos += 1
            self._take(here, step=step, at=at + timedelta(seconds=APART * step), truth=truth)
        self._judge(tally, truth=truth)
        return tally

    def _take(self, visits: list[Visit], *, step: int, at: datetime, truth: dict[Any, Any]) -> None:
        """Store a photo and raise its alerts; without joint assignment each face is a photo of its own."""
        groups = [visits] if self._rules.joint else [[visit] for visit in visits]
        for group in groups:
            photo = self._make.photo(source="gate", captured_at=at, created_at=at)
            faces = [
                self._make.face(
                    photo=photo, index=index, vector=self._faces.embeddings[visit.rows[step]]
                )
                for index, visit in enumerate(group)
            ]
            truth |= {
                face.pk: self._people.get(visit.person) if visit.person is not None else None
                for face, visit in zip(faces, group, strict=True)
            }
            self._recognise(photo, faces)

    def _recognise(self, photo: Any, faces: list[Any]) -> None:
        from django.db import transaction

        from alerts import watch
        from recognition import matching, sightings

        vectors = np.array([face.embedding.vector for face in faces], dtype=np.float32)
        matches = matching.match(vectors, engine=self._engine, known=self._known)
        with transaction.atomic():
            sightings.replace(photo, sightings.build(photo, faces, matches))
        watch.raise_alerts(photo.pk)

    def _judge(self, tally: Tally, *, truth: dict[Any, Any]) -> None:
        """Count what was raised of these faces, and review it as one does who knows the truth."""
        from alerts import events, review
        from alerts.models import NOT_THIS_PERSON, Appearance, Event

        tally.faces = len(truth)
        tally.watched = sum(person is not None for person in truth.values())
        appearances = Appearance.objects.filter(face__in=truth).select_related("alert")
        raised = {one.alert_id: one.alert for one in appearances}
        told = {
            pk for pk, alert in raised.items() if events.was_published(alert, Event.Kind.RAISED)
        }
        right: dict[Any, set[Any]] = defaultdict(set)
        for one in appearances:
            tally.sightings += 1
            if truth[one.face_id] == one.person_id:
                right[one.face_id].add(one.alert_id in told)
        seen = [face for face, person in truth.items() if person is not None]
        tally.missed = sum(face not in right for face in seen)
        tally.held = sum(face in right and True not in right[face] for face in seen)
        tally.alerts = len(raised)
        for alert in raised.values():
            is_right = truth.get(alert.face_id) == alert.person_id
            if not is_right:
                tally.false_told += alert.pk in told
                tally.false_reviewed += alert.pk not in told
            reason = NOT_THIS_PERSON if self._rules.rejections else "Somebody else"
            review.decide(
                alert,
                status="confirmed" if is_right else "dismissed",
                reason="" if is_right else reason,
                by=None,
                version=alert.version,
            )


def run(faces: Faces, *, threshold: float, console: Console) -> list[tuple[Rules, Outcome]]:
    """Return what each variant came to within a threshold; needs Django to be set up."""
    enrolled, visits = plan(faces)
    results = []
    for rules in VARIANTS:
        site = Site(faces, enrolled, rules, threshold=threshold)
        outcome = Outcome()
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        for pair in track(visits, rules.name, console=console):
            outcome.tallies.append(site.see(pair, at=moment))
            moment += timedelta(minutes=PAUSE)
        results.append((rules, outcome))
    return results


def main(folder: Path, *, console: Console) -> bool:
    """Print the table; return whether each further rule told of no more false alerts than the ones before."""
    faces = margins.read_faces(folder, engine=ENGINE, console=console)
    with tempfile.TemporaryDirectory() as data:
        os.environ["FACEWATCH_DATA_DIR"] = str(Path(data) / "data")
        os.environ["DJANGO_SETTINGS_MODULE"] = "facewatch.settings"
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        outcomes = [_measure(faces, threshold=one, console=console) for one in THRESHOLDS]
        return all(outcomes)


def _measure(faces: Faces, *, threshold: float, console: Console) -> bool:
    results = run(faces, threshold=threshold, console=console)
    first = results[0][1].tallies
    console.print(
        f"{machine.describe()}, {ENGINE}: {PEOPLE} people watched within {threshold};"
        f" {sum(one.photos for one in first):,} photos of {sum(one.faces for one in first):,} faces,"
        f" {sum(one.watched for one in first):,} of them watched. Intervals: {SHARE:.0%}."
    )
    table = Table(
        "rules",
        "false alerts told / 1,000 photos",
        "to review only / 1,000 photos",
        "misses / 1,000 watched faces",
        "told after review / 1,000 watched",
        "alerts / 100 sightings",
    )
    for rules, outcome in results:
        table.add_row(
            rules.name,
            outcome.rate("false_told"),
            outcome.rate("false_reviewed"),
            outcome.rate("missed", per="watched"),
            outcome.rate("held", per="watched"),
            outcome.rate("alerts", per="sightings", scale=100),
        )
    console.print(table)
    told = [sum(one.false_told for one in outcome.tallies) for _, outcome in results]
    return told == sorted(told, reverse=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="PEOPLE_DIR")
    sys.exit(0 if main(parser.parse_args().folder, console=Console(width=150)) else 1)
