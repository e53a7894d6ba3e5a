"""The only module that knows every part: settings, adapters, loops, API."""
