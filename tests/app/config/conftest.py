"""A topics.yaml in a folder of the test's own."""

from pathlib import Path

import pytest

from tests.support.topics_yaml import TopicsYaml


@pytest.fixture
def topics_yaml(tmp_path: Path) -> TopicsYaml:
    return TopicsYaml(tmp_path)
