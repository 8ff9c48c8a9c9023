"""The rows of the dashboard and their panels: what to look at, and the queries that show it."""

from dashboard_panels import (
    FAILED,
    GREEN,
    OF,
    ORANGE,
    RED,
    ROUTE,
    TAKEN_ON,
    YELLOW,
    graph,
    heatmap,
    quantile,
    rate,
    stat,
    states,
    steps,
    summed,
    table,
    words,
)

USABLE = words(_0=("cannot be used", RED), _1=("usable", GREEN))
DOWN = words(_0=("up", GREEN), _1=("down", RED))
USED = steps((None, GREEN), (0.6, YELLOW), (0.8, RED))
TIME_LEFT = steps((None, RED), (2 * 86400, ORANGE), (14 * 86400, GREEN))
FAILING = steps((None, GREEN), (0.01, YELLOW), (0.05, RED))

ROWS = {
    "State at a glance": [
        stat("Processes", "How many countersigns serve, of those that Prometheus knows. Fewer than you run: see "
             "the runbook of CountersignNotScraped.", f"sum(up{{{OF}}}) / count(up{{{OF}}})", "scraped",
             unit="percentunit",
             thresholds=steps((None, RED), (1, GREEN))),
        stat("Alerts", "How many alerts of countersign fire. Not 0: open the alert, it names its runbook. Needs "
             "the rules of deploy/monitoring/rules.yml.",
             f'count(ALERTS{{alertname=~"Countersign.+", alertstate="firing", {OF}}}) or vector(0)', "firing",
             thresholds=steps((None, GREEN), (1, RED))),
        stat("Keys", "Whether every key can sign. If not, requests of its routes get 503: the row Keys says which "
            "key.",
             f"min(countersign_key_usable{{{OF}}})", "usable", mappings=USABLE),
        stat("Endpoints", "Whether every endpoint is up. If not, requests of its route get 503 at once: the row "
             "Endpoints says which.", f"max(countersign_endpoint_down{{{ROUTE}}})", "down", mappings=DOWN),
        stat("Requests that fail", "The share of requests that got no whole response from the endpoint. Above 5 %: "
             "look at the refusals by code. What clients do wrong does not count.",
             f"sum({rate('countersign_exchanges_total', FAILED)}) / "
             f"(sum({rate('countersign_exchanges_total', TAKEN_ON)}) > 0) or vector(0)",
             "failing", unit="percentunit", thresholds=FAILING),
        stat("Signatures refused", "How many signatures endpoints refused in the last hour. Not 0: the row "
             "Endpoints says for which cause.",
             f"sum(increase(countersign_signature_refusals_total{{{ROUTE}}}[1h]))", "refused",
             thresholds=steps((None, GREEN), (1, RED))),
        stat("Clocks apart", "How far the clock of an endpoint is from its host's, at most. 10 seconds or more: "
             "one of the two is wrong.",
             f"max(abs(countersign_endpoint_clock_offset_seconds{{{ROUTE}}})) or vector(0)", "apart",
             unit="s", thresholds=steps((None, GREEN), (10, ORANGE), (86400, RED))),
        stat("First to end", "The time until the first key or certificate ends. Less than 14 days: the row Keys "
             "says which one. Keys of roles and agents end within hours, and are renewed before.",
             f"min((countersign_key_expiry_timestamp_seconds{{{OF}}} or "
             f"countersign_certificate_expiry_timestamp_seconds{{{OF}}} or "
             f"countersign_client_certificate_expiry_timestamp_seconds{{{OF}}}) - time())", "ends in", unit="s",
             thresholds=TIME_LEFT),
        stat("Audit", "Whether the audit is written. If it refuses, all requests get 503.",
             f"max(countersign_audit_refusing{{{OF}}})", "refusing",
             mappings=words(_0=("written, or off", GREEN), _1=("refuses", RED))),
        stat("Configuration", "Whether the configuration that was read last is served. If it was refused, the one "
             "before is served, and the log says why.", f"min(countersign_config_last_reload_ok{{{OF}}})", "served",
             mappings=words(_0=("refused", ORANGE), _1=("served", GREEN))),
        stat("Fullest limit", "The most that is used of any limit: of connections, requests in progress, memory "
             "for forms, or file descriptors. Above 80 %: the rows below say which.",
             f"max(countersign_client_connections{{{OF}}} / countersign_client_connections_limit{{{OF}}} or "
             f"countersign_in_flight{{{ROUTE}}} / countersign_in_flight_limit{{{ROUTE}}} or "
             f"countersign_bodies_held_bytes{{{OF}}} / countersign_bodies_limit_bytes{{{OF}}} or "
             f"process_open_fds{{{OF}}} / process_max_fds{{{OF}}})", "used", unit="percentunit", thresholds=USED),
        stat("Bugs", "How many exchanges a bug ended within a day. Not 0: report it with the log line.",
             f"sum(increase(countersign_panics_total{{{OF}}}[1d]))", "panics",
             thresholds=steps((None, GREEN), (1, RED))),
        table("Alerts", "What fires or will fire, and for which route, key, listener or client. Each alert's "
              "runbook_url names the page that says what to do.",
              f'ALERTS{{alertname=~"Countersign.+", {OF}}}',
              ["alertstate", "severity", "alertname", "instance", "route", "key", "listener", "client"]),
        table("Processes", "Version, commit and features of each process, and how long it runs. Different "
              "versions: a rollout is not finished.",
              f"(time() - process_start_time_seconds{{{OF}}}) * on (job, instance) "
              f"group_left (version, commit, features) countersign_build_info{{{OF}}}",
              ["instance", "version", "commit", "features"], unit="s",
              value="running for"),
    ],
    "Traffic": [
        graph("Exchanges by outcome", "How requests end. Everything but answered_2xx deserves a look: refused is "
              "what clients did wrong, unavailable was not sent, unknown got no response.",
              (summed("outcome", "countersign_exchanges_total"), "{{outcome}}"), unit="reqps", stacked=True),
        graph("Exchanges by route", "Which route is used how much. A route that falls to 0: its clients are gone, "
              "or get no connection.", (summed("route", "countersign_exchanges_total"), "{{route}}"), unit="reqps"),
        graph("Exchanges by Action", "The ten busiest Actions; `other` are those that the route does not know.",
              (f"topk(10, {summed('action', 'countersign_exchanges_total')})", "{{action}}"), unit="reqps"),
        graph("Exchanges by client", "Who calls how much. A jump of one client explains most limits that fill.",
              (summed("client", "countersign_client_exchanges_total", OF), "{{client}}"), unit="reqps"),
        graph("Requests in progress", "How many requests are in progress, beside the limit of each route. Near the "
              "limit: the endpoint is slow, or there are more calls than usual.",
              (f"sum by (route) (countersign_in_flight{{{ROUTE}}})", "{{route}}"),
              (f"sum by (route) (countersign_in_flight_limit{{{ROUTE}}})", "limit of {{route}}")),
        graph("Load", "The used fraction of the fullest limit of each process, as autoscalers see it, and the average "
              "of all. An average that stays above the autoscaler's target: more replicas are needed, or cannot start.",
              (f"countersign_load_ratio{{{OF}}}", "{{instance}}"),
              (f"avg(countersign_load_ratio{{{OF}}})", "average"), unit="percentunit"),
        graph("Bytes of bodies", "Forms from clients and responses to them.",
              (summed("route", "countersign_request_body_bytes_total"), "{{route}}: from clients"),
              (summed("route", "countersign_response_body_bytes_total"), "{{route}}: to clients"), unit="Bps"),
        graph("Sent again", "Requests that were signed and sent once more: after an attempt without a response, or "
              "with the endpoint's time. A steady rate: connections break, or a clock is wrong.",
              (summed("route", "countersign_repeats_total"), "{{route}}: no response"),
              (summed("route", "countersign_clock_repeats_total"), "{{route}}: for its time"), unit="reqps"),
        graph("Failures by client", "Whose requests get no whole response. One client alone: look at what it "
              "calls. All: look at the endpoint.",
              (summed("client, outcome", "countersign_client_exchanges_total",
                      OF + ', outcome=~"unavailable|unknown|cut"'), "{{client}}: {{outcome}}"), unit="reqps"),
    ],
    "Latency": [
        heatmap("Exchanges", "How long exchanges take, from the request's head to the end of the response. Two "
                "bands: two kinds of calls, or some that wait.", summed("le", "countersign_exchange_seconds_bucket")),
        graph("Whole exchange", "Half of the exchanges, and 99 of 100, take no longer. If the 99th rises alone, "
              "look at the parts below.",
              (quantile(0.5, "countersign_exchange_seconds"), "{{route}}: half"),
              (quantile(0.99, "countersign_exchange_seconds"), "{{route}}: 99 of 100"), unit="s"),
        graph("First byte", "The endpoint's time: from the signed request to the head of its response. If this "
              "rises, the endpoint is slow, and nothing in countersign makes it faster.",
              (quantile(0.5, "countersign_first_byte_seconds"), "{{route}}: half"),
              (quantile(0.99, "countersign_first_byte_seconds"), "{{route}}: 99 of 100"), unit="s"),
        graph("Connecting", "Name lookup, TCP and TLS, of those exchanges that had to connect. If this rises: name "
              "servers, a firewall, or the way.",
              (quantile(0.5, "countersign_connect_seconds"), "{{route}}: half"),
              (quantile(0.99, "countersign_connect_seconds"), "{{route}}: 99 of 100"), unit="s"),
        graph("Signing", "Microseconds with a key in memory, a millisecond and more with a token. If this rises, "
              "the device is at its limit.",
              (quantile(0.5, "countersign_sign_seconds"), "{{route}}: half"),
              (quantile(0.99, "countersign_sign_seconds"), "{{route}}: 99 of 100"), unit="s"),
        graph("Connections reused", "The share of calls that found an open connection. Low: raise `limits.pool`, "
              "or set `timeouts.pool_idle` below the time after which the endpoint closes.",
              (f"{summed('route', 'countersign_pool_reused_total')} / "
               f"({summed('route', 'countersign_pool_reused_total')} + "
               f"{summed('route', 'countersign_pool_opened_total')} > 0)", "{{route}}"),
              unit="percentunit", highest=1),
    ],
    "Refusals and shares": [
        graph("Refusals by code", "Responses of countersign itself. The code says what to do: "
              "docs/reference/errors.md. AccessDenied is a rule, ServiceUnavailable a limit, a key or the "
              "endpoint, ProxyOutcomeUnknown a request without a response.",
              (f"{summed('route, code', 'countersign_refusals_total')} > 0", "{{route}}: {{code}}"),
              unit="reqps"),
        graph("Refusals by client", "Whose requests are refused. The log line of each has the reason.",
              (summed("client", "countersign_client_exchanges_total", OF + ', outcome="refused"'), "{{client}}"),
              unit="reqps"),
        graph("Over the share", "Requests that were refused because their client uses its whole share of a limit. "
              "Other clients are served; ask this one's owner what it does.",
              (summed("client, limit", "countersign_over_share_total", OF), "{{client}}: {{limit}}"), unit="reqps"),
        graph("Requests without a route", "Refused before a route was chosen: scans, clients with a wrong URL, or "
              "a route that was removed.",
              (summed("listener, code", "countersign_unrouted_total", OF), "{{listener}}: {{code}}"), unit="reqps"),
        graph("Clients turned away", "Handshakes that failed, by reason. Of clients that you know: a certificate "
              "that has expired, or an authority that is not in `client_ca`.",
              (f"{summed('listener, reason', 'countersign_refused_handshakes_total', OF)} > 0",
               "{{listener}}: {{reason}}"), unit="reqps"),
        graph("Connections closed for new ones", "The listener's limit is reached. `stranger` is a flood or a "
              "scan; `idle` are known clients, and costs them a new connection.",
              (summed("listener, rank", "countersign_evicted_connections_total", OF), "{{listener}}: {{rank}}"),
              unit="cps"),
        graph("Client connections", "Open connections beside the limit of each listener. Near the limit: see who "
              "holds them.", (f"sum by (listener) (countersign_client_connections{{{OF}}})", "{{listener}}"),
              (f"sum by (listener) (countersign_client_connections_limit{{{OF}}})", "limit of {{listener}}")),
        graph("Memory for forms", "What is held of `process.bodies`. Full: large forms, or a slow endpoint that "
              "takes them slowly.", (f"countersign_bodies_held_bytes{{{OF}}}", "{{instance}}"),
              (f"countersign_bodies_limit_bytes{{{OF}}}", "limit of {{instance}}"), unit="bytes"),
    ],
    "Endpoints": [
        states("Up or down", "When which endpoint was down. Down at the same time everywhere: the endpoint or the "
               "network; down for one process: its host.",
               (f"max by (instance, route) (countersign_endpoint_down{{{ROUTE}}})", "{{route}} from {{instance}}"),
               mappings=DOWN),
        states("Each endpoint of routes with fallbacks", "When which endpoint was down while others may have had its "
               "calls. Down for long: look at why, since there is less behind the route than there should be.",
               (f"max by (route, endpoint) (countersign_route_endpoint_down{{{ROUTE}}})", "{{route}}: {{endpoint}}"),
               mappings=DOWN),
        graph("Calls by endpoint", "Which endpoint of a route with fallbacks gets the calls. All at a fallback: the "
              "first is down.",
              (summed("route, endpoint", "countersign_route_endpoint_requests_total"), "{{route}}: {{endpoint}}"),
              unit="reqps"),
        states("Names", "When the name of which endpoint could not be looked up. The addresses found last serve "
            "for a day.",
               (f"max by (instance, route) (countersign_endpoint_name_lost{{{ROUTE}}})", "{{route}} from {{instance}}"),
               mappings=words(_0=("found", GREEN), _1=("lost", ORANGE))),
        graph("Clock offset", "How far the endpoint's clock is ahead of the host's. The same for all routes of a "
              "host: the host's clock is wrong. For one route: that endpoint's.",
              (f"countersign_endpoint_clock_offset_seconds{{{ROUTE}}}", "{{route}} from {{instance}}"), unit="s",
              lowest=None),
        graph("Signatures refused", "By what differs. `key` or `key_id`: the access key was replaced; `clock`: a "
              "clock is wrong; the others: something on the way changes requests.",
              (summed("route, cause", "countersign_signature_refusals_total"), "{{route}}: {{cause}}"), unit="reqps"),
        graph("Outages", "How often an endpoint went down within an hour. More than a few: it fails under load, or "
              "a timeout is too short.",
              (f"sum by (route) (increase(countersign_endpoint_outages_total{{{ROUTE}}}[1h]))", "{{route}}")),
        graph("Connections to endpoints", "Idle connections that are kept, and how many are opened each second. "
              "Many openings and few idle ones: the endpoint closes them early.",
              (f"sum by (route) (countersign_pool_idle_connections{{{ROUTE}}})", "{{route}}: idle"),
              (summed("route", "countersign_pool_opened_total"), "{{route}}: opened each second")),
        graph("Responses by class", "What endpoints respond. 5xx: the endpoint fails. A rise of 4xx after a key "
              "was replaced: the key is not accepted.",
              (summed("route, outcome", "countersign_exchanges_total", ROUTE + ', outcome=~"answered_.+"'),
               "{{route}}: {{outcome}}"), unit="reqps"),
        graph("No response", "Requests that were sent and got no usable response. Somebody has to ask the endpoint "
              "whether they were carried out.",
              (summed("route, action", "countersign_exchanges_total", ROUTE + ', outcome="unknown"'),
               "{{route}}: {{action}}"), unit="reqps"),
    ],
    "Keys and certificates": [
        table("Keys that end", "The time until each key ends; keys that do not end are not listed. Red: less than "
              "2 days. Keys of roles and agents end within hours and are renewed before.",
              f"countersign_key_expiry_timestamp_seconds{{{OF}}} - time()", ["instance", "key"], unit="s",
              thresholds=TIME_LEFT, value="ends in"),
        table("Certificates that end", "The time until the certificate of each listener ends. Red: less than 2 days.",
              f"countersign_certificate_expiry_timestamp_seconds{{{OF}}} - time()", ["instance", "listener"], unit="s",
              thresholds=TIME_LEFT, value="ends in"),
        table("Client certificates and revocation lists that end", "The time until the certificate that each route "
              "shows to its endpoint ends, and the first revocation list of each listener. Red: less than 2 days. "
              "Revocation lists end soon, and are replaced before.",
              f"(countersign_client_certificate_expiry_timestamp_seconds{{{OF}}} or "
              f"countersign_revocation_list_expiry_timestamp_seconds{{{OF}}}) - time()",
              ["instance", "route", "listener"], unit="s", thresholds=TIME_LEFT, value="ends in"),
        states("Keys", "When which key could sign. `degraded`: the last good key signs, and its store has trouble.",
               (f"countersign_key_usable{{{OF}}} + countersign_key_usable{{{OF}}} * countersign_key_degraded{{{OF}}}",
                "{{key}} at {{instance}}"),
               mappings=words(_0=("cannot be used", RED), _1=("usable", GREEN), _2=("degraded", ORANGE))),
        graph("Loads of keys", "Attempts to load keys from their stores, in an hour. `failed`: the store has "
              "trouble; `waiting`: the new key is not accepted yet; `changed`: a new key is in use.",
              (f"sum by (key, result) (increase(countersign_key_loads_total{{{OF}}}[1h]))", "{{key}}: {{result}}")),
        graph("Fetches of token keys", "Attempts to fetch the keys of token issuers, in an hour. `failed` alone: "
              "newer tokens are refused, and all of them after a restart.",
              (f"sum by (listener, result) (increase(countersign_token_key_loads_total{{{OF}}}[1h]))",
               "{{listener}}: {{result}}")),
    ],
    "Rates shared by replicas": [
        states("Store of rates", "When the store answered. While it is away, each replica applies the rates alone, or "
               "refuses the calls: see the runbook of CountersignRateStoreDown.",
               (f"countersign_rate_store_up{{{OF}}}", "{{store}} at {{instance}}"),
               mappings=words(_0=("away", RED), _1=("answers", GREEN))),
        graph("Waits for the store", "Calls that waited for the store, 5 ms at most, because no token was leased, and "
              "those of them that waited in vain. Many: the store is slow.",
              (rate("countersign_rate_store_waits_total", OF), "{{instance}}: waited"),
              (rate("countersign_rate_store_late_answers_total", OF), "{{instance}}: in vain")),
        graph("Quotas used", "The part of each client's calls of the day (UTC) that are used. At 1 its calls are "
              "refused until midnight.",
              (f"countersign_client_quota_used{{{OF}}} / countersign_client_quota{{{OF}}}",
               "{{client}} at {{instance}}"), unit="percentunit"),
    ],
    "Process": [
        graph("Processor", "Processor time used each second; one whole processor is 1. Near the number of workers: "
              "more processors, or fewer calls.", (rate("process_cpu_seconds_total", OF), "{{instance}}")),
        graph("Memory", "What is resident. Compare it with the limit of the container and the worst case that "
              "`countersign check` prints.", (f"process_resident_memory_bytes{{{OF}}}", "{{instance}}: resident"),
              (f"process_virtual_memory_bytes{{{OF}}}", "{{instance}}: virtual"), unit="bytes"),
        graph("File descriptors", "Open descriptors beside the limit. Near the limit, no connection to an endpoint "
              "can be made.", (f"process_open_fds{{{OF}}}", "{{instance}}"),
              (f"process_max_fds{{{OF}}}", "limit of {{instance}}")),
        graph("Threads", "Workers and a few helpers. It does not change while the process serves.",
              (f"process_threads{{{OF}}}", "{{instance}}")),
        graph("Running for", "A fall to 0 is a restart. Several in a row: see the runbook of CountersignRestarts.",
              (f"time() - process_start_time_seconds{{{OF}}}", "{{instance}}"), unit="s"),
        graph("Configurations", "How many configurations were served since the start, and how many were refused. A "
              "step: somebody changed the configuration then.",
              (f"countersign_config_generation{{{OF}}}", "{{instance}}: generation"),
              (f'countersign_config_reloads_total{{{OF}, result="refused"}}', "{{instance}}: refused")),
        table("Configuration files", "The SHA-256 of the file that each process serves. Different ones in one job: "
              "a rollout is not finished, or a process refused the new file.",
              f"countersign_config_file{{{OF}}}", ["instance", "sha256"]),
        graph("Bugs", "Exchanges that a bug ended. The log line has the place in the source.",
              (f"increase(countersign_panics_total{{{OF}}}[$__rate_interval])", "{{instance}}")),
    ],
    "Audit and traces": [
        states("Audit", "When the audit could not be written, and requests were refused for it.",
               (f"countersign_audit_refusing{{{OF}}}", "{{instance}}"),
               mappings=words(_0=("written, or off", GREEN), _1=("refuses", RED))),
        graph("Audit lines lost", "Lines without a place: lost with `when_full = \"drop\"`, a refused request with "
              "`\"refuse\"`.", (f"increase(countersign_audit_lost_total{{{OF}}}[$__rate_interval])", "{{instance}}")),
        graph("Log lines lost", "Lines that were dropped because standard error is not read as fast as it is written. "
              "Look at the container engine's log driver.",
              (f"increase(countersign_log_lost_total{{{OF}}}[$__rate_interval])", "{{instance}}")),
        graph("Spans of traces", "Spans that the collector took, and those that were dropped because it was away "
              "or slow. Requests do not suffer.", (rate("countersign_trace_spans_exported_total", OF), "{{instance}}: "
              "exported"),
              (summed("instance, reason", "countersign_trace_spans_dropped_total", OF), "{{instance}}: dropped, "
              "{{reason}}")),
    ],
}
