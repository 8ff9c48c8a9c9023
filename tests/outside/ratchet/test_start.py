"""The instructions of a start, up to and including the first request over TLS."""

import re

from clients.conftest import countersign_bin  # noqa: F401
from footprint import answered, ask, gateway
from tls_endpoint import Workshop, tls_endpoint

# A start and a handshake take about 15 million. Gathering the processor's timing jitter takes more than 400 million.
MOST = 60_000_000


def test_a_start_spends_nothing_on_gathering_entropy(countersign_bin, tmp_path):  # noqa: F811
    workshop = Workshop(tmp_path)
    certificate = workshop.certificate("own")
    counts = tmp_path / "callgrind"
    under = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={counts}"]
    # under valgrind, the process cannot confine itself
    lines = {"route": f'ca_file = "{certificate}"', "process": "danger_unconfined = true"}
    with (
        tls_endpoint(certificate, workshop.path("own.key")) as endpoint,
        gateway(countersign_bin, tmp_path, endpoint.url, under=under, **lines) as started,
    ):
        with started.connect() as client:
            ask(client)
            answered(client)
        started.stop()
    taken = int(re.search(r"^(?:summary|totals): (\d+)", counts.read_text(), re.MULTILINE)[1])
    print(f"{taken} instructions from the start to the end, with one request over TLS")
    assert taken <= MOST
