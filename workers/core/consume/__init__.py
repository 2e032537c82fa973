"""Pure decisions about what is consumed: merge, lanes, ledgers, commits, backpressure."""
