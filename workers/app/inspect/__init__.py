"""The commands that look at Kafka and the vendors from outside a worker."""
