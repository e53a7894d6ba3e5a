"""One file per group of commands; ``app`` loads the one it needs."""
