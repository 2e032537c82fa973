"""A real single-node Apache Kafka from its jars."""
