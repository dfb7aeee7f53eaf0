"""What crosses between operator, workflow and activities. Imports nothing of ours but itself; holds no secret."""
