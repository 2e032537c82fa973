"""What is on the wire? Event kinds, schemas, and events as JSON lines."""
