"""Avro, schema files and the schema registry."""
