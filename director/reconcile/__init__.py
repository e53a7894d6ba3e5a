"""The daemon's pulse: takes tasks, and makes the one pass for each: read, plan, walk."""
