"""The accounts of a chaos run: what clients sent, what the endpoint received, and whether the two agree."""

import collections
import dataclasses
import enum


class Outcome(enum.Enum):
    """What a client was left with."""

    ANSWERED = "the endpoint's answer, whole"
    CUT = "an answer that visibly breaks off"
    REFUSED = "refused, surely not sent"
    UNKNOWN = "outcome unknown"
    LEFT = "the client left"
    LOST = "lost: no answer, or one that says nothing"
    CROSSED = "crossed: somebody else's answer"


@dataclasses.dataclass
class Call:
    """One request of a client."""

    action: str
    outcome: Outcome | None = None
    detail: str = ""


@dataclasses.dataclass
class Reception:
    """What the endpoint saw of a call."""

    whole: int = 0
    endpoints: set = dataclasses.field(default_factory=set)
    faults: list = dataclasses.field(default_factory=list)


class Ledger:
    """One for a run. Calls are joined by the id that their parameter `JobId` carries."""

    def __init__(self):
        self.calls = {}
        self.receptions = collections.defaultdict(Reception)
        self.injected = collections.Counter()
        self.complaints = []

    def begin(self, call_id, action):
        self.calls[call_id] = Call(action)

    def end(self, call_id, outcome, detail=""):
        self.calls[call_id].outcome = outcome
        self.calls[call_id].detail = detail

    def inject(self, fault):
        self.injected[fault] += 1

    def complain(self, what):
        self.complaints.append(what)

    def received(self, call_id, fault, endpoint):
        """Every byte of a call has come to an endpoint."""
        reception = self.receptions[call_id]
        reception.endpoints.add(endpoint)
        reception.whole += 1
        reception.faults.append(fault)

    @property
    def lost(self):
        return [item for item in self.calls.items() if item[1].outcome in (None, Outcome.LOST)]

    @property
    def duplicated(self):
        """Calls that were received more often than they may be: reading Actions once more, the others once."""
        most = {call_id: 2 if call.action.startswith("Get") else 1 for call_id, call in self.calls.items()}
        return [(call_id, seen) for call_id, seen in self.receptions.items() if seen.whole > most[call_id]]

    def contradictions(self):
        """What clients were told and what the endpoint saw do not fit together."""
        found = list(self.complaints)
        for call_id, seen in self.receptions.items():
            if len(seen.endpoints) > 1:
                found.append(f"{call_id}: it came to two endpoints: {seen}")
        for call_id, call in self.calls.items():
            seen = self.receptions.get(call_id, Reception())
            match call.outcome:
                case Outcome.ANSWERED | Outcome.CUT if not seen.whole:
                    found.append(f"{call_id}: {call.outcome.value}, and the endpoint never saw it")
                case Outcome.REFUSED if seen.whole:
                    told = f"told that it was not sent ({call.detail})"
                    found.append(f"{call_id}: {told}, and the endpoint saw it: {seen}")
                case Outcome.CROSSED:
                    found.append(f"{call_id}: {call.detail}")
                case _:
                    pass
        return found

    def table(self, leaks):
        """The closing table."""
        outcomes = collections.Counter(call.outcome for call in self.calls.values())
        details = collections.Counter(
            (call.outcome, call.detail) for call in self.calls.values()
            if call.outcome in (Outcome.REFUSED, Outcome.UNKNOWN)
        )
        whole = sum(seen.whole for seen in self.receptions.values())
        rows = [("requests", len(self.calls)), ("received whole by the endpoint", whole)]
        rows.append(("faults injected", sum(self.injected.values())))
        rows += [(f"  {fault}", count) for fault, count in sorted(self.injected.items())]
        for outcome in Outcome:
            rows.append((outcome.value, outcomes[outcome]))
            rows += [(f"  {what}", count) for (of, what), count in sorted(details.items(), key=str) if of is outcome]
        rows += [("lost", len(self.lost)), ("duplicated", len(self.duplicated))]
        rows += [("contradictions", len(self.contradictions()))]
        rows += leaks
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value:>10}" for name, value in rows)
