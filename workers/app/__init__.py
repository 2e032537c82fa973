"""The imperative shell: settings, topology, wiring, workers."""
