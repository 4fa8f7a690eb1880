"""How many workers are enough: the formula against a simulation, and a day with a spike under autoscaling.

    python -m bench.workers [--service 0.4] [--wait 10]

The simulation knows no formula: photos come at random times, each takes a random time, and whoever is free first takes
the next. The scaler asks for what `ledger.capacity` would say every SCALE_SECONDS; a worker that is asked for comes
after START_SECONDS, and one that is not needed any more goes after IDLE_SECONDS.
"""

import argparse
import heapq
import math
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from ledger import erlang

#: Workers of the first table, and how busy they are.
WORKERS, LOADS = (1, 2, 5, 10, 20, 50, 100, 200), (0.7, 0.9)
#: Photos of each of its simulations, the batches whose means make the interval, and its standard errors.
PHOTOS, BATCHES, ERRORS = 1_000_000, 20, 1.96
#: Intervals that may miss the formula: more of sixteen would be chance once in a hundred times.
MOST_MISSED = 3
#: A day: photos per second at night and at noon, how much the spike adds, and when it comes and goes.
NIGHT, NOON, SPIKE = 2.0, 40.0, 300.0
SPIKE_AT, SPIKE_SECONDS = 15 * 3600.0, 900.0
DAY = 86_400.0
SCALE_SECONDS, START_SECONDS, IDLE_SECONDS = 30.0, 60.0, 300.0
FEWEST, MOST = 1, 200
#: Seconds over which rates are measured: `ledger.capacity`'s.
RATE_SECONDS = 300.0

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a day came to: the waits, the worker-hours, and the most workers at once."""

    waits: Numbers
    hours: float
    most: int


def waits_of(servers: int, *, load: float, service: float, seed: int) -> Numbers:
    """Return the wait of each of PHOTOS photos at so many workers that are busy for a share `load` of their time."""
    rng = np.random.default_rng(seed)
    comes = np.cumsum(rng.exponential(service / (load * servers), PHOTOS))
    takes = rng.exponential(service, PHOTOS)
    free = [0.0] * servers
    waits = np.empty(PHOTOS)
    for number in range(PHOTOS):
        begins = max(comes[number], free[0])
        waits[number] = begins - comes[number]
        heapq.heapreplace(free, begins + takes[number])
    return waits


def rate_at(moment: float) -> float:
    """Return the photos per second at a time of the day."""
    usual = NIGHT + (NOON - NIGHT) * max(0.0, math.sin(math.pi * (moment - 6 * 3600) / (14 * 3600)))
    return usual + (SPIKE if SPIKE_AT <= moment < SPIKE_AT + SPIKE_SECONDS else 0.0)


def arrivals(*, seed: int) -> Iterator[float]:
    """Yield when photos come, by thinning."""
    rng = np.random.default_rng(seed)
    fastest = NOON + SPIKE
    moment = 0.0
    while True:
        for step, keep in zip(
            rng.exponential(1 / fastest, 10_000), rng.random(10_000), strict=True
        ):
            moment += step
            if moment >= DAY:
                return
            if keep < rate_at(moment) / fastest:
                yield moment


class Fleet:
    """Workers that come and go as they are asked for."""

    def __init__(self) -> None:
        #: When each is free next, and when each that was asked for comes.
        self.free = [0.0] * FEWEST
        self.coming: list[float] = []
        self.most, self.hours = FEWEST, 0.0
        self._needed_at = 0.0

    def __len__(self) -> int:
        return len(self.free) + len(self.coming)

    def scale(self, count: int, *, now: float) -> None:
        """Ask for so many; those that are idle go once fewer have been enough for a while."""
        while self.coming and self.coming[0] <= now:
            heapq.heappush(self.free, heapq.heappop(self.coming))
        there = len(self)
        if count >= there:
            self._needed_at = now
        for _ in range(count - there):
            heapq.heappush(self.coming, now + START_SECONDS)
        surplus = there - count if now - self._needed_at > IDLE_SECONDS else 0
        while surplus > 0 and len(self.free) > FEWEST and self.free[0] <= now:
            heapq.heappop(self.free)
            surplus -= 1
        self.hours += len(self) * SCALE_SECONDS / 3600
        self.most = max(self.most, len(self))

    def take(self, *, now: float, seconds: float) -> float:
        """Return when the first that is free begins on what came now."""
        begins = max(now, self.free[0])
        heapq.heapreplace(self.free, begins + seconds)
        return begins


def day(*, service: float, wanted: Callable[[float, int], int], seed: int) -> Run:
    """Return a day in which `wanted(arrivals per second, backlog)` says how many workers there should be."""
    rng = np.random.default_rng(seed + 1)
    fleet = Fleet()
    lately: deque[float] = deque()
    waiting: deque[float] = deque()
    waits = []
    scale_at = 0.0
    for comes in arrivals(seed=seed):
        while scale_at <= comes:
            drop(lately, before=scale_at - RATE_SECONDS)
            drop(waiting, before=scale_at)
            count = wanted(len(lately) / RATE_SECONDS, len(waiting))
            fleet.scale(min(MOST, max(FEWEST, count)), now=scale_at)
            scale_at += SCALE_SECONDS
        lately.append(comes)
        begins = fleet.take(now=comes, seconds=rng.exponential(service))
        if begins > comes:
            waiting.append(begins)
        waits.append(begins - comes)
    return Run(waits=np.array(waits), hours=fleet.hours, most=fleet.most)


def drop(moments: deque[float], *, before: float) -> None:
    """Forget what was before a time."""
    while moments and moments[0] < before:
        moments.popleft()


def scaler(*, service: float, wait: float) -> Callable[[float, int], int]:
    """Return what `ledger.capacity` says, of measured arrivals and a backlog."""
    return lambda rate, backlog: erlang.servers_needed(rate, service, wait=wait, backlog=backlog)


def compare(*, service: float) -> tuple[Table, int]:
    """Return the table of the formula against the simulation, and how many of its intervals miss the formula."""
    table = Table("workers", "busy", "mean wait, formula", "simulated", title_justify="left")
    missed = 0
    for load in LOADS:
        for servers in WORKERS:
            waits = waits_of(servers, load=load, service=service, seed=servers)
            means = waits[PHOTOS // 10 :].reshape(BATCHES, -1).mean(axis=1)
            error = ERRORS * means.std(ddof=1) / math.sqrt(BATCHES)
            told = erlang.mean_wait(load * servers / service, service, servers)
            # Where nobody ever waited there is no interval.
            missed += bool(waits.any()) and abs(told - means.mean()) > error
            table.add_row(
                str(servers),
                f"{load:.0%}",
                f"{1000 * told:.3g} ms",
                f"{1000 * means.mean():.3g} ± {1000 * error:.2g} ms",
            )
    return table, missed


def days(*, service: float, wait: float) -> Table:
    """Return the table of a day, by how many workers there are."""
    table = Table(
        "workers",
        "most at once",
        "worker-hours",
        "mean wait",
        "95 % within",
        "longest",
        title_justify="left",
    )
    mean_rate = float(np.mean([rate_at(moment) for moment in np.arange(0.0, DAY, 60.0)]))
    enough = erlang.servers_for(NOON, service, wait=wait)
    for name, wanted in (
        ("as the formula says", scaler(service=service, wait=wait)),
        (f"{enough}, enough for a usual noon", lambda _rate, _backlog: enough),
        (f"{MOST}", lambda _rate, _backlog: MOST),
    ):
        run = day(service=service, wanted=wanted, seed=1)
        table.add_row(
            name,
            str(run.most),
            f"{run.hours:,.0f}",
            f"{run.waits.mean():.2f} s",
            f"{np.quantile(run.waits, 0.95):.1f} s",
            f"{run.waits.max():.0f} s",
        )
    table.title = f"{mean_rate * DAY:,.0f} photos a day, {service:g} s each; wanted wait {wait:g} s"
    return table


def main(options: argparse.Namespace) -> int:
    """Print both tables; return 1 if the formula is missed more often than chance would."""
    console = Console(width=120)
    table, missed = compare(service=options.service)
    console.print(table)
    console.print(
        f"The formula lies outside {missed} of {len(WORKERS) * len(LOADS)} intervals (95 %)."
    )
    console.print(days(service=options.service, wait=options.wait))
    return int(missed > MOST_MISSED)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--service", type=float, default=0.4, metavar="SECONDS", help="of one photo"
    )
    parser.add_argument(
        "--wait", type=float, default=10.0, metavar="SECONDS", help="that is wanted"
    )
    sys.exit(main(parser.parse_args()))
