"""What happens to refused orders? Fences, replay, discard."""
