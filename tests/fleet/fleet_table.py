"""The tables of a fleet's run: what became of the calls, how long they took, and how many a second each client had."""

import math

from fleet_accounts import is_over_quota, is_throttled
from ledger import Outcome


def percentile(times, part):
    """In milliseconds."""
    ordered = sorted(times)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else float("nan")


def counts(fleet):
    """(what, how many) of the whole run."""
    accounts = fleet.accounts
    calls = accounts.calls.values()
    outcomes = {outcome: [call for call in calls if call.outcome is outcome] for outcome in Outcome}
    throttled = [call for call in outcomes[Outcome.REFUSED] if is_throttled(call)]
    return [
        ("calls", len(calls)),
        ("received by the endpoints", sum(seen.whole for seen in accounts.receptions.values())),
        ("answered by the endpoint", len(outcomes[Outcome.ANSWERED])),
        ("refused for the client's rate", sum(not is_over_quota(call) for call in throttled)),
        ("refused for the client's quota", sum(map(is_over_quota, throttled))),
        ("refused for another reason, surely not sent", len(outcomes[Outcome.REFUSED]) - len(throttled)),
        ("told that the outcome is unknown", len(outcomes[Outcome.UNKNOWN])),
        ("an answer that visibly breaks off", len(outcomes[Outcome.CUT])),
        ("sent to a fallback", accounts.received_by("regional", fleet.endpoints["jobs"].port)),
        ("connected again before anything was sent", sum(call.reconnected > 0 for call in calls)),
        ("reading calls that the client sent again", sum(call.repeated > 0 for call in calls)),
        ("without an answer, because their replica was killed", len(accounts.broken_by_kill)),
        ("lost", len(accounts.lost)),
        ("received twice", len(accounts.duplicated)),
        ("contradictions", len(accounts.contradictions())),
        *sorted(accounts.injected.items()),
    ]


def phase_rows(accounts):
    """A row for each phase: calls, and milliseconds beyond the endpoint's own time, with those of the bare way."""
    names = dict.fromkeys(name for name, _, _ in accounts.phases)
    for name in names:
        calls = [call for call in accounts.calls.values() if call.phase == name]
        waited = [call.waited for call in calls if call.waited is not None]
        # while its endpoint is away, the bare way tells nothing
        bare = [] if name == "endpoint_gone" else accounts.bare[name]
        beside = [percentile(bare, 0.5), percentile(bare, 0.99)]
        beside.append(percentile(waited, 0.99) / beside[1])
        times = [*(percentile(waited, part) for part in PARTS), *beside]
        shown = ("" if math.isnan(time) else f"{time:.1f}" for time in times)
        yield name.replace("_", " "), len(calls), len(waited), *shown


PARTS = (0.5, 0.99, 0.999)
PHASE_COLUMNS = (
    "while", "calls", "answered", "p50", "p99", "p99.9", "past the replicas: p50", "p99", "ratio of the p99",
)
RATE_COLUMNS = ("client", "calls it made, 1/s", "its rate, 1/s", "calls that reached an endpoint, 1/s")


def rate_rows(accounts, clients, phase="steady"):
    """A row for each client, over all times of a phase together."""
    spans = accounts.spans(phase)
    seconds = sum(end - begin for begin, end in spans) or float("nan")
    for client in clients:
        made = accounts.made(client.name, spans)
        admitted = accounts.admitted(client.name, spans)
        yield client.name, f"{made / seconds:.1f}", client.rate or "none", f"{admitted / seconds:.1f}"


def markdown(columns, rows):
    """A table as the documents have it."""
    lines = ["| " + " | ".join(map(str, cells)) + " |" for cells in (columns, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(columns), *lines[1:]])


def report(fleet):
    """All tables."""
    return "\n\n".join([
        markdown(("what", "how many"), counts(fleet)),
        markdown(PHASE_COLUMNS, phase_rows(fleet.accounts)),
        markdown(RATE_COLUMNS, rate_rows(fleet.accounts, fleet.clients)),
    ])
