"""The generated pages are those that the code gives now."""

import pytest

from workers.devkit.docs.__main__ import PAGES, ROOT


@pytest.mark.parametrize("name", PAGES)
def test_generated_page_is_not_stale(name: str) -> None:
    assert (ROOT / name).read_text() == PAGES[name](), "run: python -m workers.devkit.docs"
