"""How this process reaches AWS, the databases and Temporal. Nothing here is called at import."""
