"""What a sink tells of itself: `/status`, its lag, and the orders that wait."""
