"""The agents on the VMs over gRPC: certificate authority, enrolment, one stream per agent, blobs both ways."""
