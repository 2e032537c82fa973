"""The process: wiring, workers, health, metrics."""
