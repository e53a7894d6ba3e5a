"""The outside world behind the ports. Siblings never import each other."""
