"""Writes deploy/monitoring/dashboard.json: `python3 tests/outside/monitoring/dashboard_file.py`."""

import json
import pathlib

from dashboard_panels import BLUE, OF, ORANGE, SOURCE
from dashboard_rows import ROWS

FILE = pathlib.Path(__file__).resolve().parents[3] / "deploy/monitoring/dashboard.json"


def variable(name, label, query):
    return {"type": "query", "name": name, "label": label, "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".+", "current": {"selected": True, "text": ["All"], "value": ["$__all"]}, "hide": 0,
            "options": [], "regex": "", "skipUrlSync": False}


def annotation(name, expr, color, title, text):
    return {"name": name, "datasource": SOURCE, "enable": True, "hide": False, "iconColor": color, "expr": expr,
            "titleFormat": title, "textFormat": text, "step": "30s"}


def placed(rows):
    """All panels with their places and numbers: each row begins below the one before."""
    panels, y = [], 0
    for title, members in rows.items():
        panels.append({"type": "row", "title": title, "collapsed": False, "panels": [],
                       "gridPos": {"h": 1, "w": 24, "x": 0, "y": y}})
        y, x, height = y + 1, 0, 0
        for member in members:
            width, tall = member["width"], member["height"]
            if x + width > 24:
                x, y, height = 0, y + height, 0
            at = {"h": tall, "w": width, "x": x, "y": y}
            kept = {key: value for key, value in member.items() if key not in ("width", "height")}
            letters = [{**each, "refId": chr(ord("A") + index)} for index, each in enumerate(member["targets"])]
            panels.append({**kept, "targets": letters, "gridPos": at})
            x, height = x + width, max(height, tall)
        y += height
    return [{"id": number, **panel} for number, panel in enumerate(panels, 1)]


def dashboard():
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus", "refresh": 1,
              "hide": 0, "multi": False, "includeAll": False, "regex": "", "options": [], "skipUrlSync": False,
              "current": {}}
    return {
        "uid": "countersign", "title": "countersign", "tags": ["countersign"], "editable": True, "graphTooltip": 1,
        "description": "How countersign is, what passes through it, and where a failure is. From the top: what is red "
                       "names the row to look at. docs/operations/monitoring.md explains it.",
        "schemaVersion": 39, "version": 1, "refresh": "30s", "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [
            source,
            variable("job", "Job", "label_values(countersign_build_info, job)"),
            variable("instance", "Process", 'label_values(countersign_build_info{job=~"$job"}, instance)'),
            variable("route", "Route", f"label_values(countersign_in_flight_limit{{{OF}}}, route)"),
        ]},
        "annotations": {"list": [
            annotation("Starts", f"changes(process_start_time_seconds{{{OF}}}[1m]) > 0", BLUE, "started",
                       "{{instance}}"),
            annotation("Configurations", f"changes(countersign_config_generation{{{OF}}}[1m]) > 0", ORANGE,
                       "new configuration", "{{instance}}"),
        ]},
        "panels": placed(ROWS),
    }


def text():
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
