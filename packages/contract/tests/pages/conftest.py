"""Fixtures of the tests of pages."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from page_browser import browser, open_page  # noqa: F401
from sample_page import write_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A page with every component, and the page that it links."""
    return write_sample(tmp_path_factory.mktemp("pages"))
