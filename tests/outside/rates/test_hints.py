"""Replicas that report unreachable endpoints to each other through a real server."""

import hashlib
import hmac

from free_ports import free_port
from test_shared_rates import ask, share
from waiting import eventually

DOWN = "the endpoint is down"
REPORTED = "another replica cannot connect to the endpoint"


def gone(port):
    """A route to a port on which nobody listens."""
    return f'[route.gone]\nendpoint = "http://127.0.0.1:{port}/"\npath = "/gone"\nkey = "main"\n'


def test_a_report_of_an_unreachable_endpoint_counts_only_with_a_failure_of_the_replica_itself(store, gateway):
    rates, route = f'store = "{store.url}"\n', gone(free_port())
    first, second = gateway(2, "", f"{rates}hints = true\n{route}")
    alone, = gateway(1, "", rates + route)
    share([first, second, alone])
    assert 200 not in [first.call("/gone")[0] for _ in range(5)]
    eventually(lambda: first.log(DOWN), first.process.transcript)
    eventually(lambda: second.log(REPORTED), second.process.transcript)
    assert not second.log(DOWN), "a report alone opens nothing"
    assert 200 not in [second.call("/gone")[0], alone.call("/gone")[0]]
    eventually(lambda: second.log(DOWN), second.process.transcript)
    assert not alone.log(DOWN) and not alone.log(REPORTED), alone.process.transcript()


def test_a_forged_report_of_an_endpoint_that_can_be_reached_stops_no_call(store, gateway, endpoint):
    replica, = gateway(1, "", f'store = "{store.url}"\nhints = true\n')
    share([replica])
    url = f"http://127.0.0.1:{endpoint.port}/"

    def hashed(*parts):
        return hmac.digest(b"countersign", b"".join(part.encode() + b"\0" for part in parts), hashlib.sha256)[:16].hex()

    def forged():
        end = int(ask(store, "TIME")[0]) + 9
        ask(store, "ZADD", "countersign:" + hashed("hints", ""), str(end), hashed("endpoint", f"main\0{url}"))
        return replica.log(REPORTED)

    eventually(forged, replica.process.transcript)
    assert {replica.call()[0] for _ in range(20)} == {200}
    assert not replica.log(DOWN)
