"""Pure decisions: no IO, no clock, no chance, no threads."""
