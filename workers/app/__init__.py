"""The imperative shell: settings, config, wiring, workers."""
