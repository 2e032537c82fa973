"""Traces: what OpenTelemetry records of an order's way. Where nothing is recorded, it is not even imported."""
