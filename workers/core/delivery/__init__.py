"""Pure decisions about delivery: outcomes, circuit breaker, retries."""
