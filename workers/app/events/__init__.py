"""What is on the wire? Schemas, and events and records as JSON."""
