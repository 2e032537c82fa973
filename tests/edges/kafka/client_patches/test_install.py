"""Only the releases that were checked are patched.

A test of "the released client" fails when a release has mended that fault: its patch can go then.
"""

import pytest
from kafka import TopicPartition

from workers.edges.kafka.client_patches.install import patch_client

ODD = b"\xff\xfe odd"
AT = TopicPartition("orders", 0)


@pytest.mark.parametrize("version", ["3.0.11", "2.9.9", "3.1.0", "3.1.0.dev1", "4.0.12"])
def test_a_release_that_nobody_has_looked_at_is_refused(version: str) -> None:
    with pytest.raises(RuntimeError, match=r">=3\.0\.12,<3\.1"):
        patch_client(version)


def test_the_release_of_the_lock_and_its_later_fixes_are_taken() -> None:
    patch_client()
    patch_client("3.0.13")
