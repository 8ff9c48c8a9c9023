"""Panels of the dashboard as Grafana's JSON has them, by their kinds, and the queries that many of them share.

A panel is a title, what to look at, and its queries; how it is drawn follows from its kind.
"""

OF = 'job=~"$job", instance=~"$instance"'
ROUTE = f'{OF}, route=~"$route"'
FAILED = ROUTE + ', outcome=~"unavailable|unknown|cut"'
TAKEN_ON = ROUTE + ', outcome!~"refused|abandoned"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
HEIGHT = 8


def rate(metric, labels=ROUTE):
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def summed(by, metric, labels=ROUTE):
    return f"sum by ({by}) ({rate(metric, labels)})"


def quantile(share, metric, by="route"):
    return f"histogram_quantile({share}, {summed(f'{by}, le', f'{metric}_bucket')})"


def steps(*pairs):
    """Thresholds: the first colour from the beginning, each other from its value."""
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in pairs]}


def words(**by_value):
    """Words in place of numbers: `_0=("no", "red")`."""
    options = {
        value.strip("_"): {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(by_value.items())
    }
    return [{"type": "value", "options": options}]


PLAIN = steps((None, GREEN))
AS_COLORS = {"mode": "palette-classic"}


def panel(kind, title, look_at, targets, width, *, unit="short", thresholds=PLAIN, mappings=(), options=None,
          custom=None, color=None, height=HEIGHT, overrides=(), lowest=None, highest=None):
    defaults = {"unit": unit, "thresholds": thresholds, "mappings": list(mappings),
                "color": color or {"mode": "thresholds"}}
    if lowest is not None:
        defaults["min"] = lowest
    if highest is not None:
        defaults["max"] = highest
    if custom:
        defaults["custom"] = custom
    return {
        "type": kind, "title": title, "description": look_at, "datasource": SOURCE, "width": width, "height": height,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)}, "options": options or {},
        "targets": targets,
    }


def target(expr, legend, *, instant=False, form="time_series"):
    return {"expr": expr, "legendFormat": legend, "instant": instant, "range": not instant, "format": form,
            "editorMode": "code", "datasource": SOURCE}


def stat(title, look_at, expr, legend, *, width=4, unit="short", thresholds=PLAIN, mappings=()):
    """One number, or one word, with the colour of how it is."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "orientation": "auto",
        "textMode": "value", "colorMode": "background", "graphMode": "none", "justifyMode": "auto",
    }
    return panel("stat", title, look_at, [target(expr, legend, instant=True)], width, unit=unit,
                 thresholds=thresholds, mappings=mappings, options=options, height=4)


def graph(title, look_at, *queries, width=12, unit="short", stacked=False, lowest=0, highest=None, mappings=()):
    """Lines over time; a query is an expression and the legend of its lines."""
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 40 if stacked else 8, "showPoints": "never",
              "spanNulls": False, "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
    options = {"legend": {"displayMode": "table", "placement": "bottom", "showLegend": True,
                          "calcs": ["lastNotNull", "max"]},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, look_at, [target(expr, legend) for expr, legend in queries], width, unit=unit,
                 custom=custom, options=options, color=AS_COLORS, lowest=lowest, highest=highest, mappings=mappings)


def states(title, look_at, *queries, mappings, width=12):
    """What was in which state, and when."""
    options = {"mergeValues": True, "showValue": "never", "alignValue": "left", "rowHeight": 0.9,
               "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "single", "sort": "none"}}
    return panel("state-timeline", title, look_at, [target(expr, legend) for expr, legend in queries], width,
                 mappings=mappings, options=options, custom={"lineWidth": 0, "fillOpacity": 80})


def table(title, look_at, expr, columns, *, width=12, unit="short", thresholds=PLAIN, value="value"):
    """The labels of each series as `columns`, and its value as the last one."""
    transformations = [
        {"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True},
                                       "indexByName": {name: index for index, name in enumerate(columns)},
                                       "renameByName": {"Value": value}}},
    ]
    overrides = [{"matcher": {"id": "byName", "options": value},
                  "properties": [{"id": "unit", "value": unit}, {"id": "thresholds", "value": thresholds},
                                 {"id": "custom.cellOptions", "value": {"type": "color-text"}}]}]
    options = {"showHeader": True, "cellHeight": "sm", "footer": {"show": False, "reducer": ["sum"], "fields": ""}}
    legend = " ".join(f"{{{{{name}}}}}" for name in columns)
    made = panel("table", title, look_at, [target(expr, legend, instant=True, form="table")], width, options=options,
                 overrides=overrides)
    return {**made, "transformations": transformations}


def heatmap(title, look_at, expr, *, width=12):
    options = {
        "calculate": False, "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "fill": "orange", "exponent": 0.5,
                  "reverse": False},
        "yAxis": {"axisPlacement": "left", "unit": "s", "reverse": False}, "legend": {"show": True},
        "tooltip": {"show": True, "yHistogram": False}, "filterValues": {"le": 1e-9},
        "rowsFrame": {"layout": "auto"}, "showValue": "never", "exemplars": {"color": "red"},
    }
    made = panel("heatmap", title, look_at, [target(expr, "{{le}}", form="heatmap")], width, options=options,
                 custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}})
    return made
