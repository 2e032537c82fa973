"""How do a vendor's changes come back? Shards, time windows, sweeps, orders."""
