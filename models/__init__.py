"""What crosses between operator, workflow and activities, and the names on the wire. Holds no secret."""
