"""The trail: what happened, once, as Temporal's history says it. The interceptor, the tables, the report."""
