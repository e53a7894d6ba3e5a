"""VMs in a vCenter, behind the infrastructure port. Importing this package loads nothing of pyVmomi."""
