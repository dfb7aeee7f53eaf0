"""Aurora PostgreSQL: roles, grants, SQL files and the session lock."""
