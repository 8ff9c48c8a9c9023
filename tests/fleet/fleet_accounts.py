"""The accounts of a fleet's run: those of the chaos test, and when and over which replica each call went."""

import bisect
import collections
import dataclasses
import time

import ledger
from ledger import Outcome

# calls on the way past all replicas, which only tell how long the way is
BARE = "bare"
OVER_QUOTA = "400 ProxyQuotaExceeded"


@dataclasses.dataclass
class FleetCall(ledger.Call):
    """One call of a client, with as many attempts as were safe."""

    client: str = ""
    phase: str = ""
    due: float = 0.0
    # the replica and the time of the connection that was used last
    replica: str = ""
    connected: float = 0.0
    ended: float = 0.0
    # attempts after which nothing had been sent, and reading calls that were sent again
    reconnected: int = 0
    repeated: int = 0
    # seconds beyond the endpoint's own, of calls that the endpoint answered
    waited: float | None = None


class Accounts(ledger.Ledger):
    """One for a run."""

    def __init__(self):
        super().__init__()
        self.phase = ""
        # (name, begin, end) of each that is over
        self.phases = []
        # (replica, time) of each SIGKILL
        self.kills = []
        # what was received: (time, call id)
        self.arrivals = []
        # by phase: seconds beyond the endpoint's own on the way past all replicas
        self.bare = collections.defaultdict(list)

    def begin(self, call_id, action, client="", due=0.0):
        call = FleetCall(action, client=client, phase=self.phase, due=due)
        self.calls[call_id] = call
        return call

    def end(self, call_id, outcome, detail=""):
        super().end(call_id, outcome, detail)
        self.calls[call_id].ended = time.monotonic()

    def received(self, call_id, fault, endpoint):
        if call_id.startswith(BARE):
            return
        super().received(call_id, fault, endpoint)
        self.arrivals.append((time.monotonic(), call_id))

    def killed(self, replica):
        self.kills.append((replica, time.monotonic()))
        self.inject("replica killed")

    @property
    def broken_by_kill(self):
        """Calls without an answer whose connection led to a replica that was killed meanwhile: nobody can say whether
        they were carried out, and the client did not repeat them."""
        return [item for item in super().lost if self._was_killed(item[1])]

    @property
    def lost(self):
        return [item for item in super().lost if not self._was_killed(item[1])]

    @property
    def duplicated(self):
        """A writing call is received once at most. A reading one may come twice for each time the client sent it:
        countersign itself repeats it once."""
        return [
            (call_id, seen) for call_id, seen in self.receptions.items() if seen.whole > self._most(self.calls[call_id])
        ]

    def refused_outside(self, phase):
        """Calls that countersign refused for another reason than the client's rate, and that were over before this
        phase began or began after it."""
        spans = self.spans(phase)
        return [
            (call_id, call) for call_id, call in self.calls.items()
            if call.outcome is Outcome.REFUSED and not is_throttled(call)
            and not any(call.due <= end and begin <= call.ended for begin, end in spans)
        ]

    def refused(self, client):
        """Calls of the client that countersign refused for another reason than its rate or quota."""
        return [
            (call_id, call) for call_id, call in self.calls.items()
            if call.client == client and call.outcome is Outcome.REFUSED and not is_throttled(call)
        ]

    def received_by(self, client, port):
        """How many calls of the client came to this endpoint."""
        return sum(
            seen.whole for call_id, seen in self.receptions.items()
            if self.calls[call_id].client == client and port in seen.endpoints
        )

    def until(self, phase):
        """The time from the start to the first phase of this name."""
        return 0.0, min(begin for begin, _ in self.spans(phase))

    def admitted(self, client, spans):
        """How many calls of the client reached an endpoint in these times."""
        times = [at for at, call_id in self.arrivals if self.calls[call_id].client == client]
        return sum(count_between(times, *span) for span in spans)

    def made(self, client, spans):
        """How many calls the client made in these times."""
        times = sorted(call.due for call in self.calls.values() if call.client == client)
        return sum(count_between(times, *span) for span in spans)

    def spans(self, phase):
        """When the phase was: it may have been several times."""
        return [(begin, end) for name, begin, end in self.phases if name == phase]

    def _was_killed(self, call):
        return any(replica == call.replica and call.connected <= at <= call.ended for replica, at in self.kills)

    @staticmethod
    def _most(call):
        return 2 * (1 + call.repeated) if is_reading(call.action) else 1


def count_between(times, begin, end):
    """How many of the times, which are in order, are in this span."""
    return bisect.bisect_left(times, end) - bisect.bisect_left(times, begin)


def is_reading(action):
    return action.startswith("Get")


def is_throttled(call):
    return call.detail in ("400 Throttling", OVER_QUOTA)


def is_over_quota(call):
    return call.detail == OVER_QUOTA
