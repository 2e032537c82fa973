"""Error messages for people; imported only after a failure."""

import os
import traceback
from pathlib import Path

from workers.app.config.errors import ConfigError
from workers.edges.avro.registry import RegistryRefused, RegistryUnavailable
from workers.edges.avro.schema_tree import SchemaError
from workers.edges.kafka.client import KafkaFailed

FAILED, WRONG_CONFIGURATION = 1, 2


def explain(error: Exception) -> tuple[list[str], int]:
    """Give the lines to print and the exit status."""
    match error:
        case ConfigError(faults=faults):
            return [str(fault) for fault in faults], WRONG_CONFIGURATION
        case SchemaError():
            return [str(error)], WRONG_CONFIGURATION
        case KafkaFailed() | RegistryRefused() | RegistryUnavailable():
            return [str(error)], FAILED
        case _:
            return [_unexpected(error)], FAILED


def _unexpected(error: Exception) -> str:
    """Name the place, not the error's text, which may hold secrets or personal data."""
    if os.environ.get("RELAY_LOG_LEVEL") == "debug":
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    return f"unexpected {type(error).__name__} at {place}; RELAY_LOG_LEVEL=debug prints the traceback; please report it"
