"""Changes the kafka-python that is installed, and refuses a release that has not been checked."""

import re

import kafka

from workers.edges.kafka.client_patches import batches, connections, fetches

LOWEST, BELOW = (3, 0, 12), (3, 1, 0)
"""The releases that the patches were made for: from ``LOWEST`` to before ``BELOW``."""


def patch_client(installed: str = kafka.__version__) -> None:
    """Change kafka-python as this package says; a second call changes nothing.

    Raises `RuntimeError` for a release that the patches were not made for.
    """
    if not LOWEST <= tuple(int(number) for number in re.findall(r"\d+", installed)[:3]) < BELOW:
        raise RuntimeError(
            f"kafka-python {installed} is installed, but the relay's patches were made for >=3.0.12,<3.1: "
            "install what requirements.lock names, or go through workers/edges/kafka/client_patches first"
        )
    batches.patch()
    fetches.patch()
    connections.patch()
