"""What is around a cluster and goes with it: RDS Proxies, Application Auto Scaling, and what only names it."""
