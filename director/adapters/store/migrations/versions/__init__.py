"""One module per migration, ``v<number>_<what>``; written once, never changed."""
