"""Sample orders and what they are made of."""
