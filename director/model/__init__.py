"""Values only: what is wanted, recorded, seen and planned. Imports nothing of ours."""
