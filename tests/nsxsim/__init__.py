"""nsxsim: a simulator of an NSX-T manager's Policy API. Run it with `python -m tests.nsxsim`; see README.md."""
