"""Draws how many calls a second one client had over all replicas, and through each of them, as SVG."""

import json
import math
import pathlib
import sys

WIDTH, HEIGHT = 900, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 170, 24, 44
BLUE, GREY, RED = "#2b5d8a", "#8a9bad", "#b5462f"
# seconds that a point of a line stands for
WINDOW = 2


def series(arrivals, begin, end):
    """Calls a second in windows of `WINDOW` seconds, each told at its middle: (seconds since the begin, rate)."""
    windows = int((end - begin) // WINDOW)
    counts = [0] * windows
    for at in arrivals:
        window = int((at - begin) // WINDOW)
        if 0 <= window < windows:
            counts[window] += 1
    return [((number + 0.5) * WINDOW, count / WINDOW) for number, count in enumerate(counts)]


def figures(accounts, client, away):
    """What the picture shows of one client, from the first phase after the warm-up on. `away` names the phases in
    which the store is away, and what is written above them."""
    begin, end = accounts.phases[1][1], accounts.phases[-1][2]
    arrivals = {}
    for at, call_id in accounts.arrivals:
        call = accounts.calls[call_id]
        if call.client == client.name:
            arrivals.setdefault(call.replica, []).append(at)
    return {
        "client": client.name,
        "rate": client.rate,
        "seconds": round(end - begin, 1),
        "away": [
            [round(since - begin, 1), round(until - begin, 1), away[name]]
            for name, since, until in accounts.phases if name in away
        ],
        "total": series(sum(arrivals.values(), []), begin, end),
        "replicas": {replica: series(arrivals[replica], begin, end) for replica in sorted(arrivals)},
    }


def svg(figures):
    """The picture of what `tests/fleet/run --figures` wrote."""
    seconds = figures["seconds"]
    highest = max(rate for _, rate in figures["total"]) * 1.08
    step = 10 ** math.floor(math.log10(highest))
    step = step if highest / step >= 4 else step / 2
    across = lambda at: LEFT + at / seconds * (WIDTH - LEFT - RIGHT)  # noqa: E731
    up = lambda rate: HEIGHT - BOTTOM - rate / highest * (HEIGHT - TOP - BOTTOM)  # noqa: E731
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" '
        f'font-size="12">', f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for begin, end, what in figures["away"]:
        parts.append(
            f'<rect x="{across(begin):.1f}" y="{TOP}" width="{across(end) - across(begin):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}" fill="#f3e3de"/>'
            f'<text x="{across((begin + end) / 2):.1f}" y="{TOP + 14}" text-anchor="middle" fill="{RED}">{what}</text>'
        )
    for number in range(int(highest / step) + 1):
        y = up(number * step)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e4e7ea"/>'
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number * step:g}</text>'
        )
    for at in range(0, int(seconds) + 1, 10):
        parts.append(
            f'<text x="{across(at):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{at}</text>'
        )
    y = up(figures["rate"])
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{RED}" stroke-dasharray="5 4"/>'
        + label(y, RED, f"its rate, {figures['rate']}/s")
    )
    for points in figures["replicas"].values():
        parts.append(line(points, across, up, GREY, 1))
    parts.append(line(figures["total"], across, up, BLUE, 2))
    last = up(figures["replicas"][min(figures["replicas"])][-1][1])
    parts.append(label(last, GREY, "through each replica"))
    parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{TOP + 14}" fill="{BLUE}">over all replicas</text>')
    parts.append(
        f'<text x="{LEFT}" y="{TOP - 8}">calls a second that reached an endpoint</text>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">seconds</text></svg>'
    )
    return "\n".join(parts) + "\n"


def line(points, across, up, colour, width):
    path = " ".join(f"{across(at):.1f},{up(rate):.1f}" for at, rate in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def label(y, colour, text):
    return f'<text x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}" fill="{colour}">{text}</text>'


def main():
    figures, picture = map(pathlib.Path, sys.argv[1:])
    picture.write_text(svg(json.loads(figures.read_text())))


if __name__ == "__main__":
    main()
