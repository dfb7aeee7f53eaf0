"""What RDS says, and the acts on clusters and copies that several steps share."""
