"""Apache Kafka, by kafka-python: the only package that imports it."""
