"""A declarative desired-state reconciler for virtual machines, in the tradition of BOSH."""
