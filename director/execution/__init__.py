"""Carries a plan out: walks its graph, performs each step, keeps the journal. Never decides."""
