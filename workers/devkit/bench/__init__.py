"""Benchmarks: rates next to the transport's own ceiling, pollers, parked orders."""
