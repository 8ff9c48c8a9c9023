"""docs/reference/command-line.md is what the program prints today."""

import command_line_page


def test_the_page_is_what_the_program_prints(countersign_bin):
    made = command_line_page.page(countersign_bin)
    assert made.count("\n```text\n") > 15
    assert command_line_page.PAGE.read_text() == made, "run tests/outside/docs/command_line_page.py PROGRAM"
