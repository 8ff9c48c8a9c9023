"""The program under test."""

import os

import pytest


@pytest.fixture
def binary():
    return os.environ["COUNTERSIGN_BIN"]
