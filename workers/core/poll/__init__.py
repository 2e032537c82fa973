"""Pure decisions of pollers: what changed, cursors, time ranges, schedules."""
