"""Order Relay: order events from Kafka to vendor APIs, vendor changes back to Kafka.

The folders, from the outside in: ``cli`` (one module a command), ``app`` (wiring: configuration, sinks, pollers,
inspection), ``edges`` (Kafka, Avro, HTTP, telemetry), ``vendors`` (one folder a vendor, no IO), ``core`` (pure
decisions), and ``devkit`` (broker, simulators, demo, benchmarks).

``docs/glossary.md`` explains the product's words, each with the field's term.
"""
