"""What a sink worker works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workers.app.config.credentials import VendorCredentials
from workers.edges.avro.codec import Codec
from workers.edges.http.client import VendorClient
from workers.edges.telemetry import Tracing
from workers.vendors.contract import Sink


@dataclass(frozen=True, slots=True)
class SinkContext:
    """The vendor's sink and the edges around it."""

    sink: Sink
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    tracing: Tracing
    failed: Callable[[Exception], None]  # told of what the worker cannot go on after; the process then ends
