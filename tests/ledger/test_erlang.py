"""The waits of the M/M/c queue, against cases that have a closed form."""

import math

import pytest

from ledger import erlang


@pytest.mark.parametrize("load", [0.1, 0.5, 0.9])
def test_one_server_is_as_busy_as_its_load(load: float) -> None:
    assert erlang.chance_to_wait(load, 1) == pytest.approx(load)
    assert erlang.mean_wait(load, 1.0, 1) == pytest.approx(load / (1 - load))


@pytest.mark.parametrize("load", [0.2, 1.0, 1.8])
def test_two_servers(load: float) -> None:
    assert erlang.chance_to_wait(load, 2) == pytest.approx(load**2 / (2 + load))


def test_many_servers_as_the_sum_says() -> None:
    load, servers = 85.0, 100
    # Logarithms, because factorials of a hundred are no floats.
    terms = [n * math.log(load) - math.lgamma(n + 1) for n in range(servers)]
    top = servers * math.log(load) - math.lgamma(servers + 1) + math.log(servers / (servers - load))
    expected = 1 / (1 + sum(math.exp(term - top) for term in terms))
    assert erlang.chance_to_wait(load, servers) == pytest.approx(expected)


def test_too_few_never_keep_up() -> None:
    assert erlang.chance_to_wait(3.0, 3) == 1
    assert erlang.mean_wait(3.0, 1.0, 3) == math.inf
    assert erlang.mean_wait(0.0, 1.0, 1) == 0


@pytest.mark.parametrize(
    ("arrivals", "service"), [(0.0, 1.0), (0.5, 1.0), (20.0, 0.4), (90.0, 2.0)]
)
def test_the_fewest_that_hold_a_wait(arrivals: float, service: float) -> None:
    servers = erlang.servers_for(arrivals, service, wait=0.5)
    assert erlang.mean_wait(arrivals, service, servers) <= 0.5
    assert servers == 1 or erlang.mean_wait(arrivals, service, servers - 1) > 0.5
