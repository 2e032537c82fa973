"""Can the brokers be reached? Why not, since when."""
