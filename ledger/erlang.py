"""How long one waits where several serve: the M/M/c queue.

Arrivals are independent (Poisson), service times exponential, whoever is free takes the next. Formulas: A. K. Erlang,
Solution of some problems in the theory of probabilities of significance in automatic telephone exchanges (1917);
D. Gross, C. M. Harris, Fundamentals of Queueing Theory, section 2.3 (M/M/c).
"""

import math

#: Times the wanted wait in which what has piled up is to be done.
DRAIN = 10


def chance_to_wait(load: float, servers: int) -> float:
    """Return the share of arrivals that find every server busy (Erlang C); 1 where they cannot keep up.

    `load` is in erlangs: arrivals per second times the seconds that one takes.
    """
    if load <= 0:
        return 0.0
    if load >= servers:
        return 1.0
    # Erlang B by its recursion, which stays within 0 and 1 where factorials would not.
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return servers * blocked / (servers - load * (1 - blocked))


def mean_wait(arrivals: float, service: float, servers: int) -> float:
    """Return the mean seconds until service begins; infinity where the servers cannot keep up.

    `arrivals` per second; `service` is the mean of the seconds that one takes.
    """
    load = arrivals * service
    if load >= servers:
        return math.inf
    return chance_to_wait(load, servers) * service / (servers - load)


def servers_for(arrivals: float, service: float, *, wait: float) -> int:
    """Return the fewest servers, at least one, with which the mean wait is `wait` seconds or less."""
    servers = max(1, math.floor(arrivals * service) + 1)
    while mean_wait(arrivals, service, servers) > wait:
        servers += 1
    return servers


def servers_needed(arrivals: float, service: float, *, wait: float, backlog: int) -> int:
    """Return the fewest servers that hold a mean wait, and have done what has piled up within DRAIN times that."""
    drained = arrivals * service + backlog * service / (DRAIN * wait)
    return max(servers_for(arrivals, service, wait=wait), math.ceil(drained))
