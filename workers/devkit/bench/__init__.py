"""Benchmarks: rates beside the transport's own ceiling, pollers, parked orders."""
