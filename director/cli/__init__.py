"""The ``director`` command: talks HTTP to a director, shows what it says."""
