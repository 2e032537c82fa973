"""Pure rules of parked orders (the dead-letter queue that keeps order): fences, headers, commands, rows."""
