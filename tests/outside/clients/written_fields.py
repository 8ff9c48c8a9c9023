"""The header fields that countersign writes on responses, as the reference lists them; a Rust test holds the page to
the code."""

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "protocol.md"


def written_fields() -> dict[str, tuple[str, str]]:
    """By name: on which responses each is written, and what happens to the endpoint's own field of that name."""
    _, _, behind = PAGE.read_text().partition("<!-- generated: response fields -->")
    table, _, _ = behind.partition("<!-- end -->")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    assert rows, "the table is there"
    return {name.strip("`"): (on, of_endpoint) for name, on, of_endpoint, _ in rows}


def forgeable() -> set[str]:
    """Fields that only countersign may set, and that an endpoint could forge without breaking the response's framing.
    """
    return {name for name, (on, of_endpoint) in written_fields().items()
            if of_endpoint == "dropped" and on != "as the body needs it"}
