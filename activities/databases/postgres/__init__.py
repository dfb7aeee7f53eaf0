"""Aurora PostgreSQL: roles, SQL files and the lock that one attempt holds."""
