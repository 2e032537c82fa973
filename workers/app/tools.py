"""What a sink worker works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workers.app.credentials import VendorCredentials
from workers.edges.avro import Codec
from workers.edges.telemetry import Tracing
from workers.edges.vendor_client import VendorClient
from workers.vendors import Sink


@dataclass(frozen=True, slots=True)
class Tools:
    """The vendor's sink and the edges around it."""

    sink: Sink
    client: VendorClient
    credentials: VendorCredentials
    codec: Codec
    tracing: Tracing
    failed: Callable[[Exception], None]  # told of what the worker cannot go on after; the process then ends
