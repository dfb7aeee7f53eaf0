"""What RDS answers, and the changes of clusters and copies that several steps share."""
