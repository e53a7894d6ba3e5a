"""What runs on each VM: enrols, applies jobs, keeps them running, reports. Never imports director."""
