"""A `countersign run` with several routes, and what it says of refused signatures."""

import contextlib
import json

from clients.conftest import Proxy


@contextlib.contextmanager
def gateway(start_countersign, tmp_path_factory, key, routes, environment=None, callers="any_local = true"):
    """A proxy with this `[key.main]` for all of these routes, which any local program may call unless `callers` says
    otherwise."""
    configuration = tmp_path_factory.mktemp("gateway") / "countersign.toml"
    listener = f'[listener.local]\naddress = "127.0.0.1:0"\n{callers}\n'
    configuration.write_text(f'{listener}[log]\nformat = "json"\nlevel = "debug"\n{key}{routes}')
    proxy = Proxy(start_countersign("run", "--config", configuration, environment=environment))
    yield proxy
    assert proxy.process.stop() == 0, proxy.process.transcript()


def causes(proxy, request_id):
    """Why the signature of an exchange was refused, in the log, once the exchange is over."""
    proxy.exchange(request_id)
    lines = [json.loads(line) for line in proxy.process.log]
    return [line["cause"] for line in lines
            if line["target"] == "countersign::signature" and line["request_id"] == request_id]
