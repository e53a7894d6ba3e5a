"""Measures the director against a peer or a bound; every figure has a stable name."""
