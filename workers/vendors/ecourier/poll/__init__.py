"""The poller: one order's answer to its stage, its milestones and its events."""
